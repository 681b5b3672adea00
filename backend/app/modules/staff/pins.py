"""PINs: computed on a small pool, remembered for minutes, reserved before they are looked at."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.session import Database, let_go, tenant_scope
from app.dependencies import StoreRef
from app.kernel.adapters import Resources, resources_of
from app.kernel.errors import NotFound, Unavailable
from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.kernel.locks import lock_name, lock_number
from app.kernel.observability import METRICS
from app.kernel.outcomes import Refusal
from app.kernel.web.proxies import address_key as network_of
from app.modules.merchants.public import get_merchant, members_mail
from app.modules.messaging.public import queue_mail
from app.modules.staff import queries
from app.modules.staff.rules import ALERT, StaffRef, decide_gate
from app.utils.id_generator import new_id
from app.utils.security import Keyring, pin_verifier

HASH_THREADS = 2
HASH_QUEUE_MAX = 64
REMEMBERED_FOR = timedelta(minutes=10)
REMEMBERED_MAX = 10_000
RESERVATION_CONNECTIONS = 3

REFUSED_PINS = Counter(
    "stempel_pins_refused_total",
    "PINs refused on customers' phones and on devices, by code.",
    ("code",),
    registry=METRICS,
)


class Verifier(Protocol):
    """The slow hash: utils.security.pin_verifier, or a quick stand-in that counts."""

    def __call__(self, keyring: Keyring, pin: str, *, salt: bytes, pepper_version: int) -> bytes:
        """Return the verifier of a PIN."""
        ...


class ReservationDatabase(Database):
    """A few connections of their own: a request that waits for one never holds up those who wait for it."""


class PinHasher:
    """Computes verifiers off the event loop, two at once, and remembers right PINs for some minutes.

    The memory holds an HMAC of store and PIN under a key of this process and leads to the stored verifier,
    whose row is looked up at every use: a changed or revoked PIN ends with the next request, everywhere.
    """

    def __init__(self, keyring: Keyring, *, compute: Verifier = pin_verifier) -> None:
        self._keyring = keyring
        self._compute = compute
        self._pool = ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="pin")
        self._waiting = 0
        self._key = secrets.token_bytes(32)
        self._same: dict[bytes, asyncio.Lock] = {}
        self._remembered: OrderedDict[bytes, tuple[bytes, datetime]] = OrderedDict()

    @property
    def is_overloaded(self) -> bool:
        """Tell whether so many wait that a further PIN should not be reserved."""
        return self._waiting >= HASH_QUEUE_MAX

    @property
    def newest_pepper(self) -> int:
        """Return the pepper version that new verifiers are made with."""
        return self._keyring.newest("pepper")

    async def verifier(self, pin: str, *, salt: bytes, pepper_version: int) -> bytes:
        """Compute one verifier in the pool."""
        work: Callable[[], bytes] = lambda: self._compute(  # noqa: E731
            self._keyring, pin, salt=salt, pepper_version=pepper_version
        )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def one_at_a_time(self, store_id: UUID, pin: str) -> AsyncIterator[None]:
        """Let requests with the same PIN of a store go one after the other.

        Without it a queue of honest customers would each reserve an attempt for the same right PIN, because none
        has been remembered yet; the first is computed, the others find it remembered.
        """
        name = self._name(store_id, pin)
        lock = self._same.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._same.pop(name, None)

    def find_remembered(self, store_id: UUID, pin: str, *, now: datetime) -> bytes | None:
        """Return the stored verifier that this PIN led to a few minutes ago."""
        found = self._remembered.get(self._name(store_id, pin))
        if found is None or not now < found[1]:
            return None
        return found[0]

    def remember(self, store_id: UUID, pin: str, verifier: bytes, *, now: datetime) -> None:
        """Remember a right PIN."""
        name = self._name(store_id, pin)
        self._remembered[name] = (verifier, now + REMEMBERED_FOR)
        self._remembered.move_to_end(name)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _name(self, store_id: UUID, pin: str) -> bytes:
        return hmac.digest(self._key, store_id.bytes + pin.encode(), hashlib.sha256)

    async def aclose(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def prepare_resources(resources: Resources) -> None:
    """Put the hasher and the reservations' connections into the process."""
    resources.put(PinHasher, PinHasher(resources.get(Keyring)))
    settings = resources.get(Settings).model_copy(update={"database_pool_size": RESERVATION_CONNECTIONS})
    database = ReservationDatabase(settings)
    database.sessions.configure(info={"resources": resources})
    resources.put(ReservationDatabase, database)


class PinCard(Protocol):
    """What the limits need to know of a card; cards.public.CardRef is one."""

    @property
    def id(self) -> UUID:
        """Return the card's id."""
        ...

    @property
    def known_stores(self) -> frozenset[UUID]:
        """Return the stores where a visit was accepted before."""
        ...


async def check_pin(
    session: AsyncSession, store: StoreRef, *, card: PinCard | None, address: str, pin: str, now: datetime
) -> StaffRef | Refusal:
    """Say whose PIN it is: reserved before it is looked at, refunded where it was right (promises.md 1).

    Refusals: pins_off, pin_blocked with retry_at, pin_wrong; callers return them, so that all commits.
    Raises NotFound without a card: then no PIN is looked at. Raises Unavailable while too many PINs wait.
    """
    outcome = await _check_pin(session, store, card=card, address=address, pin=pin, now=now)
    if isinstance(outcome, Refusal):
        count_refused_pin(outcome)
    return outcome


def count_refused_pin(refusal: Refusal) -> None:
    """Count a PIN that was refused, for /metrics."""
    REFUSED_PINS.labels(refusal.code).inc()


async def _check_pin(
    session: AsyncSession, store: StoreRef, *, card: PinCard | None, address: str, pin: str, now: datetime
) -> StaffRef | Refusal:
    if card is None:
        raise NotFound("card")
    parameters = _parameters(session, store, card=card, address=address, now=now)
    row, decided = await _look(session, store, parameters, pin=pin)
    if decided is not None:
        return decided
    hasher = resources_of(session).get(PinHasher)
    async with let_go(session), hasher.one_at_a_time(store.id, pin):
        judged = await _evaluate(session, store, parameters=parameters, pin=pin)
    if judged is not None:
        return judged
    await warn_merchant(session, store, store_name=row.store_name, now=now)
    return Refusal("pin_wrong")


async def _look(
    session: AsyncSession, store: StoreRef, parameters: dict[str, Any], *, pin: str
) -> tuple[Any, StaffRef | Refusal | None]:
    """Read the store's switches, the limits and a remembered PIN; decide where that is enough."""
    remembered = resources_of(session).get(PinHasher).find_remembered(store.id, pin, now=parameters["now"])
    row = (await session.execute(queries.PIN_STATE, parameters | {"verifier": remembered})).one_or_none()
    if row is None:
        raise NotFound("store")
    if not row.phone_pins:
        return row, Refusal("pins_off")
    blocked = decide_gate(queries.gate_of(row))
    if blocked is not None:
        return row, blocked
    return row, staff_of(row) if row.is_shared or row.staff_id is not None else None


async def _evaluate(
    session: AsyncSession, store: StoreRef, *, parameters: dict[str, Any], pin: str
) -> StaffRef | Refusal | None:
    """Reserve an attempt, compute the PIN, refund the attempt where it was right; None for a wrong one.

    The request's own connection was given back; each step here takes one for itself, and none while it computes.
    """
    now: datetime = parameters["now"]
    async with tenant_scope(_reservations(session), store.merchant_id) as own:
        # Whoever waited for the same PIN finds it remembered now.
        row, decided = await _look(own, store, parameters, pin=pin)
    if decided is not None:
        return decided
    if resources_of(session).get(PinHasher).is_overloaded:
        raise Unavailable("too many PINs wait")
    attempt_id = await reserve_attempt(session, store, parameters)
    if attempt_id is None:
        return await _blocked_now(session, store, parameters, now=now)
    staff = await find_staff_by_pin(session, store, row=row, pin=pin, now=now)
    if staff is not None:
        await refund_attempt(session, store, attempt_id, now=now)
    return staff


def _parameters(
    session: AsyncSession, store: StoreRef, *, card: PinCard, address: str, now: datetime
) -> dict[str, Any]:
    return {
        "merchant_id": store.merchant_id,
        "store_id": store.id,
        "card_id": card.id,
        "address_key": address_key(resources_of(session).get(Keyring), address),
        "is_known": store.id in card.known_stores,
        "now": now,
    }


def address_key(keyring: Keyring, address: str) -> bytes:
    """Return what is kept of an address: an HMAC, of the /64 network for IPv6."""
    return keyring.mac("token", "pin-address", network_of(address))[:16]


async def reserve_attempt(session: AsyncSession, store: StoreRef, parameters: dict[str, Any]) -> UUID | None:
    """Take one attempt from the limits in a transaction of its own; None where they have no room."""
    locks = {
        "store_lock": lock_number("pin-store", store.merchant_id, store.id),
        "card_lock": lock_number("pin-card", store.merchant_id, parameters["card_id"]),
        "address_lock": lock_number("pin-address", store.merchant_id, parameters["address_key"].hex()),
    }
    async with tenant_scope(_reservations(session), store.merchant_id) as own:
        await own.execute(queries.RESERVATION_LOCKS, locks)
        result = await own.execute(queries.RESERVE, parameters | {"attempt_id": new_id()})
        return result.scalar_one_or_none()


async def reserve_on_device(
    session: AsyncSession, store: StoreRef, parameters: dict[str, Any]
) -> UUID | None:
    """Take one attempt from a device's own limits; None where they have no room."""
    async with tenant_scope(_reservations(session), store.merchant_id) as own:
        await lock_name(own, "pin-device", store.merchant_id, parameters["device_id"])
        result = await own.execute(queries.RESERVE_ON_DEVICE, parameters | {"attempt_id": new_id()})
        return result.scalar_one_or_none()


async def refund_attempt(session: AsyncSession, store: StoreRef, attempt_id: UUID, *, now: datetime) -> None:
    """Give the attempt back, whatever becomes of the request: the PIN was right."""
    async with tenant_scope(_reservations(session), store.merchant_id) as own:
        await own.execute(
            queries.REFUND, {"merchant_id": store.merchant_id, "attempt_id": attempt_id, "now": now}
        )


async def _blocked_now(
    session: AsyncSession, store: StoreRef, parameters: dict[str, Any], *, now: datetime
) -> Refusal:
    """Say until when, after others took the room between our look and our reservation."""
    async with tenant_scope(_reservations(session), store.merchant_id) as own:
        row = (await own.execute(queries.PIN_STATE, parameters | {"verifier": None})).one()
    return decide_gate(queries.gate_of(row)) or Refusal("pin_blocked", retry_at=now + timedelta(seconds=1))


async def find_staff_by_pin(
    session: AsyncSession, store: StoreRef, *, row: Any, pin: str, now: datetime
) -> StaffRef | None:
    """Compute the PIN's verifier and return whose it is; only for a reserved attempt.

    One Argon2 where all PINs of the store have the newest pepper; rows of older ones are found and moved up.
    """
    hasher = resources_of(session).get(PinHasher)
    # Without any PIN one hash is computed all the same: an empty store answers as slowly as any other.
    for version in queries.versions_of(row) or (hasher.newest_pepper,):
        verifier = await hasher.verifier(pin, salt=row.pin_salt, pepper_version=version)
        names = {"merchant_id": store.merchant_id, "store_id": store.id, "verifier": verifier}
        async with tenant_scope(_reservations(session), store.merchant_id) as own:
            found = (await own.execute(queries.FIND_PIN, names)).first()
        if found is None:
            continue
        if version != hasher.newest_pepper:
            verifier = await _move_to_newest(
                session, names, salt=row.pin_salt, pin=pin, is_shared=found.is_shared
            )
        hasher.remember(store.id, pin, verifier, now=now)
        return staff_of(found)
    return None


async def _move_to_newest(
    session: AsyncSession, names: dict[str, Any], *, salt: bytes, pin: str, is_shared: bool
) -> bytes:
    hasher = resources_of(session).get(PinHasher)
    version = hasher.newest_pepper
    verifier = await hasher.verifier(pin, salt=salt, pepper_version=version)
    async with tenant_scope(_reservations(session), names["merchant_id"]) as own:
        await own.execute(
            queries.REHASH_SHARED if is_shared else queries.REHASH_PIN,
            names | {"new_verifier": verifier, "pepper_version": version},
        )
    return verifier


def _reservations(session: AsyncSession) -> Database:
    return resources_of(session).get(ReservationDatabase)


def staff_of(row: Any) -> StaffRef:
    if row.is_shared:
        return StaffRef(None, _("Shop PIN"), "cashier", "shared_pin")
    return StaffRef(row.staff_id, row.staff_name, row.staff_role, "pin")


async def warn_merchant(session: AsyncSession, store: StoreRef, *, store_name: str, now: datetime) -> None:
    """Queue one mail an hour once the store has had as many wrong PINs as ALERT says."""
    wrong = await queries.count_wrong_lately(session, store.merchant_id, store.id, now=now)
    if wrong < ALERT.wrong_max:
        return
    merchant = await get_merchant(session, store.merchant_id)
    public_url = resources_of(session).get(Settings).public_url.rstrip("/")
    with use_language(merchant.locale):
        subject = _("Someone is guessing PINs at %(store)s", store=store_name)
        text = "\n\n".join(
            [
                _("%(num)s wrong PINs were typed at %(store)s within an hour.", num=wrong, store=store_name),
                _("Stamps given on your staff devices go on as usual. Guessing is slowed down by itself."),
                _("You can change all PINs, or switch PINs on customers' phones off, with one tap here:"),
                f"{public_url}/dashboard/staff/{store.id}",
            ]
        )
        action_label = _("Open the team page")
    for place, recipient in enumerate(await members_mail(session, store.merchant_id)):
        await queue_mail(
            session,
            merchant_id=store.merchant_id,
            recipient=recipient,
            kind="pin_alert",
            locale=merchant.locale,
            subject=subject,
            text=text,
            action_label=action_label,
            once_key=f"pin_alert:{store.id}:{now:%Y%m%d%H}:{place}",
            now=now,
        )
