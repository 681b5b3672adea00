"""Giving a visit: load, decide, write, in one transaction. Used by the customer's phone, the till and the POS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef
from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.idempotency import Replay, fingerprint_of, judge_stored
from app.kernel.outcomes import Refusal
from app.modules.cards.public import CardRef
from app.modules.staff.public import StaffRef, check_pin, find_remembered_pin, pin_address, staff_names
from app.modules.stamps.public import StampPolicy
from app.modules.visits.entries import build_rows
from app.modules.visits.figures import count_visit
from app.modules.visits.hooks import EARN_GUARD, EARN_MODIFIER, EARNED, EarnContext, EarnedContext
from app.modules.visits.rules import (
    VisitGranted,
    VisitPolicy,
    VisitRequest,
    VisitState,
    base_draft,
    check_request,
    decide_cap,
    decide_visit_stamps,
    finish_draft,
)
from app.modules.visits.statements import (
    AwardKey,
    FoundCard,
    LoadedAward,
    RememberedPin,
    find_award_card,
    load_award,
    write_award,
)
from app.modules.visits.tenders import spend_tenders, weigh_tenders, with_tenders
from app.utils.id_generator import parse_card_number
from app.utils.security import PIN_HASH_BYTES, Keyring

# As long as a verifier, and nobody's.
DECOY_VERIFIER = bytes(PIN_HASH_BYTES)


@dataclass(frozen=True, slots=True)
class AwardCommand:
    """What is asked for at the till.

    card: pass id or card number as typed. quantity: stamps wanted, 0 for none. amount: major units, or None.
    staff: set where a paired device or an API key was recognised; otherwise staff_pin is checked.
    route: names the endpoint, part of the idempotency scope. address: the caller's, for the PIN limits.
    tenders: parts of the amount that the card itself pays, in major units by key of TENDER.
    """

    card: str
    quantity: int
    amount: Decimal | None
    route: str
    address: str
    source: str = "customer_phone"
    staff_pin: str | None = None
    staff: StaffRef | None = None
    idempotency_key: str | None = None
    tenders: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AwardGranted:
    """The visit was given, or had been given under the same key. answer: the JSON-ready state without names."""

    answer: dict[str, Any]
    given_by: str | None
    replayed: bool = False


async def award_visit(
    session: AsyncSession, store: StoreRef, command: AwardCommand, *, now: datetime
) -> AwardGranted | Refusal:
    """Give stamps and points for one visit, once.

    Raises NotFound for an unknown card, another merchant's or another programme's: no PIN is looked at then.
    """
    key = AwardKey(
        command.route,
        command.idempotency_key,
        command.staff.id if command.staff and command.staff.via == "api_key" else None,
    )
    found = await _load(session, store, command, key=key, now=now)
    if isinstance(found, Refusal):
        return found
    loaded, staff = found
    keyring = resources_of(session).get(Keyring)
    fingerprint = fingerprint_of_command(keyring, store, command) if key.key else None
    if loaded.used_fingerprint is not None and fingerprint is not None:
        judged = judge_stored(loaded.used_fingerprint, loaded.used_answer, fingerprint)
        return await _repeat(session, store, judged, staff)
    paid = await weigh_tenders(
        session, store.merchant_id, loaded, wanted=command.tenders, amount=command.amount, now=now
    )
    if isinstance(paid, Refusal):
        return paid
    context = earn_context(store, command, loaded, staff=staff, tendered_minor=sum(paid.values()), now=now)
    granted = decide(context)
    if isinstance(granted, Refusal):
        return granted
    granted = with_tenders(granted, paid)
    scope = key.scope(loaded.pass_id)
    rows = build_rows(context, loaded, granted, scope=scope, key=key.key, fingerprint=fingerprint)
    if not await write_award(session, rows):
        # The key was claimed between our load and our write: read what the other request answered.
        assert fingerprint is not None
        again = await load_award(
            session, store.merchant_id, store_id=store.id, pass_id=loaded.pass_id, key=key
        )
        assert again is not None
        assert again.used_fingerprint is not None
        judged = judge_stored(again.used_fingerprint, again.used_answer, fingerprint)
        return await _repeat(session, store, judged, staff)
    await spend_tenders(session, context, rows, parts=paid)
    await EARNED.tell(
        EarnedContext(
            session,
            context,
            rows.visit_id,
            rows.stamps_added,
            rows.points_added,
            rows.amount_minor,
            rows.currency,
            granted.lines,
        )
    )
    count_visit(command.source, stamps=rows.stamps_added)
    return AwardGranted(rows.answer, given_by=staff.name)


async def _load(
    session: AsyncSession, store: StoreRef, command: AwardCommand, *, key: AwardKey, now: datetime
) -> tuple[LoadedAward, StaffRef] | Refusal:
    """Find the card, learn who gives, lock and read: in this order, and in one statement where it can be.

    It can be where a device or an API key was recognised before, or the PIN was right a few minutes ago. Otherwise
    the card is found first and the PIN is computed without holding the card's lock.
    """
    pass_id, number = read_card_text(command.card)
    if pass_id is None and number is None:
        raise NotFound("card")
    staff = command.staff
    pin = _remembered(session, store, command, now=now) if staff is None else None
    if staff is None and pin is None:
        return await _check_and_load(session, store, command, key=key, now=now)
    if pass_id is None:
        pass_id = (await _find_first(session, store, command, key=key, now=now)).id
    loaded = await load_award(
        session, store.merchant_id, store_id=store.id, pass_id=pass_id, key=key, pin=pin
    )
    if loaded is None:
        # Not here, or merged into another card: that one is found the slow way, or the answer is not_found.
        card = await find_card_at(session, store, command.card)
        loaded = await load_award(
            session, store.merchant_id, store_id=store.id, pass_id=card.id, key=key, pin=pin
        )
        if loaded is None:
            raise NotFound("card")
    if loaded.status == "blocked":
        return Refusal("card_blocked")
    giver = staff or loaded.staff
    if giver is None:
        # A remembered PIN that was changed since is an ordinary attempt.
        return await _check_and_load(session, store, command, key=key, now=now)
    return giver if isinstance(giver, Refusal) else (loaded, giver)


async def _check_and_load(
    session: AsyncSession, store: StoreRef, command: AwardCommand, *, key: AwardKey, now: datetime
) -> tuple[LoadedAward, StaffRef] | Refusal:
    """Find the card, compute the PIN as an attempt that counts, without the card's lock; then lock and read."""
    card = await _find_first(session, store, command, key=key, now=now)
    checked = await _check(session, store, command, card=card, now=now)
    if isinstance(checked, Refusal):
        return checked
    loaded = await load_award(session, store.merchant_id, store_id=store.id, pass_id=card.id, key=key)
    if loaded is None:
        raise NotFound("card")
    return Refusal("card_blocked") if loaded.status == "blocked" else (loaded, checked)


async def _find_first(
    session: AsyncSession, store: StoreRef, command: AwardCommand, *, key: AwardKey, now: datetime
) -> FoundCard:
    """Find the card before any PIN is looked at; raises NotFound after the same reads as for a remembered PIN.

    Else the time would tell a PIN that was used lately from a wrong one, and attempts without a card count nowhere.
    """
    try:
        return await find_card_at(session, store, command.card)
    except NotFound:
        pass_id, _number = read_card_text(command.card)
        if pass_id is not None and command.staff is None:
            decoy = RememberedPin(DECOY_VERIFIER, pin_address(session, command.address), now)
            await load_award(
                session, store.merchant_id, store_id=store.id, pass_id=pass_id, key=key, pin=decoy
            )
        raise


def _remembered(
    session: AsyncSession, store: StoreRef, command: AwardCommand, *, now: datetime
) -> RememberedPin | None:
    verifier = find_remembered_pin(session, store.id, command.staff_pin, now=now)
    if verifier is None:
        return None
    return RememberedPin(verifier, pin_address(session, command.address), now)


async def find_card_at(session: AsyncSession, store: StoreRef, text: str) -> FoundCard:
    """Return the card that works in this store; raises NotFound, one answer for every reason."""
    pass_id, number = read_card_text(text)
    if pass_id is None and number is None:
        raise NotFound("card")
    card = await find_award_card(
        session, store.merchant_id, store_id=store.id, pass_id=pass_id, card_number=number
    )
    if card is not None and card.status == "merged":
        card = await find_award_card(
            session, store.merchant_id, store_id=store.id, pass_id=card.merged_into, card_number=None
        )
    if card is None or card.status in {"erased", "merged"} or not card.program_fits:
        raise NotFound("card")
    return card


def read_card_text(text: str) -> tuple[UUID | None, str | None]:
    """Return (pass id, None) or (None, card number) for what was typed or scanned, or two Nones."""
    text = text.strip()
    try:
        return UUID(text), None
    except ValueError:
        return None, parse_card_number(text)


def card_ref(card: FoundCard, merchant_id: UUID) -> CardRef:
    """Return the found card as the other modules know it."""
    return CardRef(
        id=card.id,
        merchant_id=merchant_id,
        program_id=card.program_id,
        customer_id=card.customer_id,
        card_number=card.card_number,
        status=card.status,
        token_version=card.token_version,
        known_stores=card.known_stores,
    )


async def _check(
    session: AsyncSession, store: StoreRef, command: AwardCommand, *, card: FoundCard, now: datetime
) -> StaffRef | Refusal:
    if card.status == "blocked":
        return Refusal("card_blocked")
    return await check_pin(
        session,
        store,
        card=card_ref(card, store.merchant_id),
        address=command.address,
        pin=command.staff_pin or "",
        now=now,
    )


def fingerprint_of_command(keyring: Keyring, store: StoreRef, command: AwardCommand) -> bytes:
    """Return what tells a repetition from another request under the same idempotency key."""
    body = {"store": store.id, "card": command.card, "quantity": command.quantity, "amount": command.amount}
    if command.tenders:
        body["tenders"] = sorted(command.tenders.items())
    return fingerprint_of(keyring, body)


async def _repeat(
    session: AsyncSession, store: StoreRef, judged: Replay | Refusal, staff: StaffRef
) -> AwardGranted | Refusal:
    if isinstance(judged, Refusal):
        return judged
    giver_id = judged.answer.get("given_by_id")
    if giver_id is None or giver_id == str(staff.id):
        return AwardGranted(judged.answer, given_by=staff.name if giver_id else None, replayed=True)
    names = await staff_names(session, store.merchant_id, [UUID(giver_id)])
    return AwardGranted(judged.answer, given_by=names.get(UUID(giver_id)), replayed=True)


def earn_context(
    store: StoreRef,
    command: AwardCommand,
    loaded: LoadedAward,
    *,
    staff: StaffRef,
    tendered_minor: int = 0,
    now: datetime,
) -> EarnContext:
    """Return the visit about to be given as guards, modifiers and rules see it."""
    policy = VisitPolicy(
        loyalty_type=loaded.loyalty_type,
        stamps=StampPolicy(
            stamps_needed=loaded.stamps_needed,
            cooldown=timedelta(minutes=loaded.cooldown_minutes),
            stamps_per_visit=loaded.stamps_per_visit,
            full_card=loaded.full_card,
        ),
        points_per_unit=loaded.points_per_unit,
        rounding=loaded.rounding,
        visits_per_day=loaded.visits_per_day,
        time_zone=loaded.time_zone,
        program_id=loaded.program_id,
    )
    # A purchase at a hybrid shop brings one stamp along (product.md 3).
    quantity = 1 if command.amount is not None and loaded.loyalty_type == "hybrid" else command.quantity
    return EarnContext(
        merchant_id=store.merchant_id,
        store_id=store.id,
        pass_id=loaded.pass_id,
        customer_id=loaded.customer_id,
        staff=staff,
        source=command.source,
        state=VisitState(loaded.totals, loaded.last_stamp_at, loaded.visits_day, loaded.visits_today),
        policy=policy,
        request=VisitRequest(quantity, command.amount, tendered_minor),
        now=now,
        modules_on=loaded.modules_on,
        currency=loaded.currency,
        traits=loaded.traits,
        feature_rules=loaded.feature_rules,
    )


def decide(context: EarnContext) -> VisitGranted | Refusal:
    """Ask the request's form, the guards and the rules, then the modifiers."""
    refusal = check_request(context.policy, context.request) or EARN_GUARD.first_refusal(context)
    if refusal is not None:
        return refusal
    stamp = decide_visit_stamps(context.state, context.policy, context.request, now=context.now)
    stamp_refused: Refusal | None = None
    if isinstance(stamp, Refusal):
        if context.request.amount is None:
            return stamp
        stamp, stamp_refused = None, stamp
    capped = decide_cap(context.state, context.policy, now=context.now)
    if capped is not None:
        return capped
    draft = EARN_MODIFIER.apply(context, base_draft(context.policy, context.request))
    return VisitGranted(stamp, stamp_refused, finish_draft(context.policy, draft), draft.lines)
