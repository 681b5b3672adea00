"""Tells the phones that hold a card that it changed: the OUTPUT of the refresh job for Apple."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.config import Settings
from app.kernel.adapters import Resources
from app.kernel.jobs import JobContext, TryAgain
from app.kernel.observability import get_logger
from app.kernel.settings import get_settings, save_settings
from app.modules.cards.public import get_card_row
from app.modules.wallets.apple_wallet.client import CurlPush, PushAnswer, PushService, StandInPush
from app.modules.wallets.apple_wallet.credentials import AppleSetup, find_identity
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.identity import Identity
from app.modules.wallets.apple_wallet.registering import forget_push_token, list_push_tokens

# While Apple does not answer, one push a minute asks whether it does again; the rest waits.
PROBE_EVERY = timedelta(minutes=1)
WAIT_CAP = timedelta(minutes=4)
CERTIFICATE_PAUSE = timedelta(minutes=15)
DELIVERED_KEPT = 10_000
CERTIFICATE_REASONS = frozenset(
    {
        "BadCertificate",
        "BadCertificateEnvironment",
        "Forbidden",
        "TopicDisallowed",
        "MissingTopic",
        "BadTopic",
        "InvalidProviderToken",
        "MissingProviderToken",
        "ClientCertificateUnusable",
    }
)
UNREGISTERED = 410
BUSY = 429

log = get_logger("stempel.wallets")


@dataclass
class Health:
    """How an identity's pushes fare: until when nothing but a probe is sent, and why."""

    closed_until: datetime | None = None
    reason: str = ""
    is_certificate: bool = False


class Pusher:
    """The pushes of this process: the service, and what is known of its health."""

    def __init__(self, service: PushService, stand_in: PushService | None = None) -> None:
        self._service = service
        self._stand_in = stand_in
        self._health: dict[str, Health] = {}
        self._delivered: OrderedDict[tuple[UUID, int, str], None] = OrderedDict()

    def service_for(self, identity: Identity) -> PushService:
        """Return Apple's service, or the stand-in for what no iPhone would take anyway."""
        return self._stand_in if identity.is_demo and self._stand_in else self._service

    def health(self, identity: Identity) -> Health:
        """Return how the identity's pushes fare."""
        return self._health.setdefault(identity.fingerprint, Health())

    def open_for(self, identity: Identity, now: datetime) -> int | None:
        """Return how many pushes may go now: None for all, 1 for a probe, 0 for none."""
        health = self.health(identity)
        if health.closed_until is None:
            return None
        if now < health.closed_until:
            return 0
        # Whoever asks first is the probe; the others wait for the next one.
        health.closed_until = now + (CERTIFICATE_PAUSE if health.is_certificate else PROBE_EVERY)
        return 1

    def note(self, identity: Identity, answer: PushAnswer, now: datetime) -> bool:
        """Learn from an answer; tells whether the identity's certificate has just been found refused."""
        health = self.health(identity)
        if is_certificate_problem(answer):
            is_news = not health.is_certificate
            health.closed_until, health.is_certificate = now + CERTIFICATE_PAUSE, True
            health.reason = answer.reason
            return is_news
        if is_outage(answer):
            health.closed_until, health.reason = now + PROBE_EVERY, answer.reason or str(answer.status)
            return False
        health.closed_until, health.reason, health.is_certificate = None, "", False
        return False

    def was_delivered(self, pass_id: UUID, revision: int, push_token: str) -> bool:
        """Tell whether this process pushed this very state to the device: a retry leaves it alone."""
        return (pass_id, revision, push_token) in self._delivered

    def delivered(self, pass_id: UUID, revision: int, push_token: str) -> None:
        """Remember a push that arrived."""
        self._delivered[pass_id, revision, push_token] = None
        if len(self._delivered) > DELIVERED_KEPT:
            self._delivered.popitem(last=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._service.aclose()


def is_outage(answer: PushAnswer) -> bool:
    """Tell whether Apple is away or asks for patience."""
    return answer.status in {0, BUSY} or answer.status >= 500


def is_certificate_problem(answer: PushAnswer) -> bool:
    """Tell whether the certificate is what is wrong: every push would fail, and people must act."""
    return answer.reason in CERTIFICATE_REASONS or answer.status == 403


def prepare_pusher(resources: Resources) -> None:
    """Put the pusher into the process; the connection is made at the first push."""
    settings = resources.get(Settings)
    is_given = "apns_url" in settings.model_fields_set
    stand_in = StandInPush() if settings.demo and not is_given else None
    resources.put(Pusher, Pusher(CurlPush(settings.apns_url, settings.apns_ca_file), stand_in))


@dataclass(frozen=True)
class _Work:
    merchant_id: UUID
    pass_id: UUID
    revision: int
    identity: Identity
    tokens: Sequence[str]


class AppleOutput:
    """Pushes a changed card to every device that holds its pass."""

    async def update(self, context: JobContext, *, merchant_id: UUID, pass_id: UUID) -> None:
        """Push once to each device; safe to repeat. Raises TryAgain while Apple is away."""
        work = await self._read(context, merchant_id, pass_id)
        if work is None:
            return
        pusher, now = context.resources.get(Pusher), context.clock.now()
        allowed = pusher.open_for(work.identity, now)
        if allowed == 0:
            raise TryAgain(f"apns: {pusher.health(work.identity).reason}", after=_wait(context))
        sent = work.tokens if allowed is None else work.tokens[:allowed]
        service = pusher.service_for(work.identity)
        answers = await asyncio.gather(*(service.push(work.identity, token) for token in sent))
        for token, answer in zip(sent, answers, strict=True):
            await self._settle(context, work, token, answer)
        left = len(work.tokens) > len(sent) or any(is_outage(one) for one in answers)
        if left or any(is_certificate_problem(one) for one in answers):
            worst = next((one for one in answers if one.status != 200), PushAnswer(0, "probe"))
            raise TryAgain(f"apns: {worst.status} {worst.reason}".strip(), after=_wait(context))

    async def _read(self, context: JobContext, merchant_id: UUID, pass_id: UUID) -> _Work | None:
        async with context.session() as session:
            card = await get_card_row(session, merchant_id, pass_id)
            if card.apple_serial is None:
                return None
            tokens = await list_push_tokens(session, merchant_id, card.apple_serial)
            if not tokens:
                return None
            try:
                identity = await find_identity(session, merchant_id, now=context.clock.now())
            except IdentityFault as fault:
                raise TryAgain(f"apple: {fault.code}", after=CERTIFICATE_PAUSE) from fault
        if identity is None:
            return None
        pusher = context.resources.get(Pusher)
        left = [token for token in tokens if not pusher.was_delivered(pass_id, card.revision, token)]
        return _Work(merchant_id, pass_id, card.revision, identity, left) if left else None

    async def _settle(self, context: JobContext, work: _Work, token: str, answer: PushAnswer) -> None:
        pusher, now = context.resources.get(Pusher), context.clock.now()
        had_fault = pusher.health(work.identity).is_certificate
        is_news = pusher.note(work.identity, answer, now)
        if answer.status == 200:
            pusher.delivered(work.pass_id, work.revision, token)
            if had_fault:
                await _keep_fault(context, work.merchant_id, "", None)
        elif answer.status == UNREGISTERED:
            async with context.session() as session:
                gone_at = answer.gone_at or now
                await forget_push_token(session, work.merchant_id, token, gone_at=gone_at)
        elif is_news:
            log.error("apple_push_certificate_refused", reason=answer.reason or str(answer.status))
            await _keep_fault(context, work.merchant_id, answer.reason or str(answer.status), now)
        elif not is_outage(answer) and not is_certificate_problem(answer):
            # Nothing that another try would change, such as a token Apple never gave out.
            log.warning("apple_push_refused", status=answer.status, reason=answer.reason)


async def _keep_fault(context: JobContext, merchant_id: UUID, reason: str, at: datetime | None) -> None:
    """Keep what Apple says against the certificate, for the dashboard."""
    async with context.session() as session:
        setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
        if setup.push_fault != reason:
            changed = AppleSetup(push_fault=reason, push_fault_at=at)
            await save_settings(session, changed, merchant_id=merchant_id)


def _wait(context: JobContext) -> timedelta:
    """Return a wait that grows with the attempts, spread so that a thousand cards do not come back at once."""
    grown: timedelta = min(PROBE_EVERY * (1 << min(context.attempt - 1, 4)), WAIT_CAP)
    return grown * random.uniform(0.8, 1.0)  # noqa: S311 (spreading load needs no secret)


OUTPUT_APPLE = AppleOutput()
