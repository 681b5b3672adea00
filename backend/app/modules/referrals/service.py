"""Looking at a friend: whether the visit counts, whether something is odd, and giving both their gift, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.locks import lock_name
from app.kernel.outcomes import Refusal
from app.kernel.points import SAME_DEVICE
from app.kernel.settings import get_settings
from app.modules.cards.public import PassObject, find_card, lock_cards
from app.modules.customers.public import find_verified_customer, list_customers
from app.modules.merchants.public import get_merchant
from app.modules.referrals.links import FEATURE
from app.modules.referrals.models import Referral
from app.modules.referrals.queries import (
    cards_of,
    chain_above,
    count_given,
    find_own,
    is_voided,
    list_paid,
    sibling_mails,
)
from app.modules.referrals.rules import (
    Gift,
    Promise,
    Ripe,
    closes_circle,
    in_order,
    mail_key,
    ripen,
    within_limits,
)
from app.modules.referrals.settings import ReferralSettings
from app.modules.rewards.public import VOID_WINDOW, GiftOrder, give_gift, take_gift_back

Side = Literal["inviter", "friend"]
REASON_OF: dict[Side, str] = {"inviter": "referrals.inviter", "friend": "referrals.friend"}
OPEN = frozenset({"joined", "due"})
# A card that is blocked or full may have room later, and a shop that is closed may open again.
LATER = frozenset({"card_blocked", "card_full", "business_closed"})
LATER_AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class Case:
    """A friend with both cards as they are now, locked. None: erased."""

    session: AsyncSession
    row: Referral
    inviter: PassObject | None
    friend: PassObject | None
    now: datetime

    @property
    def merchant_id(self) -> UUID:
        """Return the tenant."""
        return self.row.merchant_id

    def card(self, side: Side) -> PassObject | None:
        """Return the card of one of the two."""
        return self.inviter if side == "inviter" else self.friend


async def look(session: AsyncSession, merchant_id: UUID, referral_id: UUID, *, now: datetime) -> str | None:
    """Bring a friend to where they stand and return that; nothing happens while the feature is off.

    Safe to repeat and to run twice at once: the cards are locked, then the row, and each gift has its key.
    """
    if FEATURE not in (await get_merchant(session, merchant_id)).modules_on:
        return None
    case = await _lock_case(session, merchant_id, referral_id, now=now)
    if case is None:
        return None
    row = case.row
    if row.visit_id is not None and row.status in {"due", "given"}:
        if await is_voided(session, merchant_id, row.visit_id):
            await _take_back(case)
    if row.status == "joined":
        await _weigh(case)
    if row.status == "due":
        await _give_both(case)
    await session.flush()
    return row.status


async def _lock_case(
    session: AsyncSession, merchant_id: UUID, referral_id: UUID, *, now: datetime
) -> Case | None:
    """Lock the inviter's name, then both cards in the order of their ids, then the row; merges are followed."""
    found = await session.get(Referral, (merchant_id, referral_id), populate_existing=True)
    if found is None:
        return None
    ids = [found.inviter_pass_id, found.friend_pass_id]
    refs = [await find_card(session, merchant_id, str(pass_id)) for pass_id in ids]
    if refs[0] is not None:
        # A person with cards of two programmes has one limit.
        await lock_name(session, FEATURE, refs[0].customer_id)
    locked = {
        card.id: card
        for card in await lock_cards(session, merchant_id, {ref.id for ref in refs if ref is not None})
        if card.status in {"active", "blocked"}
    }
    row = await _lock_row(session, merchant_id, referral_id)
    inviter, friend = (locked.get(ref.id) if ref is not None else None for ref in refs)
    return Case(session, row, inviter, friend, now)


async def _lock_row(session: AsyncSession, merchant_id: UUID, referral_id: UUID) -> Referral:
    """Return the friend's row, locked and freshly read."""
    row: Referral = await session.get_one(
        Referral, (merchant_id, referral_id), populate_existing=True, with_for_update=True
    )
    return row


async def _weigh(case: Case) -> None:
    """Decide whether both get their gift now, later, or only after the shop has had a look."""
    row, friend = case.row, case.friend
    if friend is None:
        row.status, row.look_at = "ended", None
        return
    cards = await cards_of(case.session, case.merchant_id, friend.customer_id)
    visits = await list_paid(case.session, case.merchant_id, cards, since=row.joined_at)
    step = ripen(visits, needed=row.visits_needed, window=VOID_WINDOW, now=case.now)
    if not isinstance(step, Ripe):
        row.look_at = step.until
        return
    row.visit_id = step.visit_id
    reasons = in_order([*row.reasons, *await find_reasons(case)])
    row.reasons = reasons
    if reasons and row.approved_at is None:
        row.status, row.look_at = "review", None
        return
    row.status, row.look_at = "due", case.now


async def find_reasons(case: Case) -> list[str]:
    """Return why the shop should have a look before anybody gets anything."""
    session, merchant_id, row = case.session, case.merchant_id, case.row
    friend, inviter = case.friend, case.inviter
    assert friend is not None
    found = []
    own = await find_own(session, merchant_id, await cards_of(session, merchant_id, friend.customer_id))
    # The friend's card was joined to an older one, or the same person was brought along before.
    if friend.created_at < row.joined_at or any(one.id != row.id for one in own):
        found.append("known")
    if inviter is None:
        return found
    if inviter.customer_id == friend.customer_id:
        found.append("self")
    chain = await chain_above(session, merchant_id, inviter.customer_id)
    if closes_circle(chain[1:], friend.customer_id):
        found.append("circle")
    found += await _mail_reasons(case, chain)
    for _name, was_shared in SAME_DEVICE.items():
        if await was_shared(session, merchant_id, inviter.id, friend.id):
            found.append("same_device")
    return found


async def _mail_reasons(case: Case, chain: Sequence[UUID]) -> list[str]:
    """Compare the friend's address with those of the inviter, of who brought the inviter, and of other friends."""
    assert case.friend is not None
    assert case.inviter is not None
    session, merchant_id, me = case.session, case.merchant_id, case.friend.customer_id
    people = await list_customers(session, merchant_id, [me, *chain])
    mail = people[me].email if me in people else None
    key = mail_key(mail)
    if not mail or not key:
        return []
    keys = [mail_key(people[one].email) if one in people and one != me else "" for one in chain]
    found = []
    if keys[0] == key:
        found.append("same_mail")
    if key in keys[1:]:
        found.append("circle")
    cards = await cards_of(session, merchant_id, case.inviter.customer_id)
    others = await sibling_mails(session, merchant_id, cards, but=me)
    if key in {mail_key(other) for other in others}:
        found.append("same_mail")
    owner = await find_verified_customer(session, merchant_id, mail)
    if owner is not None and owner.id != me:
        found.append("known")
    return found


async def _give_both(case: Case) -> None:
    """Give each side what was promised; who is blocked or full gets it once there is room."""
    row = case.row
    promise = Promise.of_row(row.promise)
    waits = False
    if not row.inviter_outcome and not await _within_limits(case):
        row.inviter_outcome = "limit"
    sides: tuple[tuple[Side, Gift], ...] = (("inviter", promise.inviter), ("friend", promise.friend))
    for side, gift in sides:
        if getattr(row, f"{side}_outcome"):
            continue
        outcome = await _give(case, side, gift)
        setattr(row, f"{side}_outcome", outcome)
        waits = waits or not outcome
    if waits:
        row.look_at = case.now + LATER_AFTER
        return
    row.status, row.look_at = "given", None
    row.given_at = row.given_at or case.now


async def _within_limits(case: Case) -> bool:
    if case.inviter is None:
        return True
    session, merchant_id = case.session, case.merchant_id
    settings = await get_settings(session, ReferralSettings, merchant_id=merchant_id)
    zone = ZoneInfo((await get_merchant(session, merchant_id)).time_zone)
    start = case.now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    cards = await cards_of(session, merchant_id, case.inviter.customer_id)
    return within_limits(
        await count_given(session, merchant_id, cards, since=start),
        await count_given(session, merchant_id, cards),
        month_max=settings.month_max,
        total_max=settings.total_max,
    )


async def _give(case: Case, side: Side, gift: Gift) -> str:
    """Give one side its parts; return the outcome, empty where some of it has to wait."""
    card = case.card(side)
    if card is None:
        return "gone"
    outcomes = set()
    for name, part in gift.parts.items():
        order = GiftOrder(REASON_OF[side], gift_key(case.row, name), part.stamps, part.points, part.reward_id)
        await case.session.flush()  # the gift locks and reads the card anew
        given = await give_gift(case.session, case.merchant_id, card.id, order=order, now=case.now)
        if isinstance(given, Refusal):
            outcomes.add("" if given.code in LATER else "left")
        else:
            outcomes.add("given")
            # Limits count from the moment of the first gift, also while another part waits.
            case.row.given_at = case.row.given_at or case.now
    if "" in outcomes:
        return ""
    return "given" if "given" in outcomes else "left" if outcomes else "nothing"


def gift_key(row: Referral, part: str) -> str:
    """Return what a part of a gift is given once for."""
    return f"{row.id}:{row.attempt}:{part}"


class _Spent(Exception):
    """Something of the gifts is gone already: nothing is taken back."""


async def _take_back(case: Case) -> None:
    """Take both gifts back after their visit was undone, all of it or, where something is spent, nothing.

    Afterwards the friend waits for another visit, as if the undone one had never been.
    """
    row, promise = case.row, Promise.of_row(case.row.promise)
    sides: tuple[tuple[Side, Gift], ...] = (("inviter", promise.inviter), ("friend", promise.friend))
    try:
        async with case.session.begin_nested():
            for side, gift in sides:
                for name in gift.parts:
                    taken = await take_gift_back(
                        case.session,
                        case.merchant_id,
                        reason=REASON_OF[side],
                        key=gift_key(row, name),
                        now=case.now,
                    )
                    if isinstance(taken, Refusal):
                        raise _Spent
    except _Spent:
        await case.session.refresh(row)
        return
    row.status, row.visit_id, row.given_at = "joined", None, None
    row.inviter_outcome = row.friend_outcome = ""
    row.attempt += 1
