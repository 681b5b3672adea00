"""What several workers and tills do in the same moment, each with its control: the guard taken away, it goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.factories import make_card
from app.modules.cards.public import CardJoined, PassObject
from app.modules.referrals import service
from app.modules.referrals.links import add_referral
from app.modules.referrals.models import Referral
from app.modules.referrals.tests.world import LATER, SETTINGS, Shop
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store

# So long a decision is held open for others to come in between; who is kept out by a lock never comes.
HELD_OPEN = 0.5
PERSONS_KEY = "uq_referral_merchant_id_friend_id"


def hold_open(monkeypatch: pytest.MonkeyPatch, name: str, parties: int) -> None:
    """Let a decision of the service wait, after it read, for all others to have read the same: the worst moment."""
    decide: Callable[..., Any] = getattr(service, name)
    gate = asyncio.Barrier(parties)

    async def held(*args: Any, **named: Any) -> Any:
        found = await decide(*args, **named)
        try:
            async with asyncio.timeout(HELD_OPEN):
                await gate.wait()
        except (TimeoutError, asyncio.BrokenBarrierError):
            pass
        return found

    monkeypatch.setattr(service, name, held)


async def read_cards(session: AsyncSession, merchant_id: UUID, pass_ids: Any) -> list[PassObject]:
    """Read cards without locking them."""
    return [await session.get_one(PassObject, (merchant_id, one)) for one in sorted(pass_ids)]


async def read_row(session: AsyncSession, merchant_id: UUID, referral_id: UUID) -> Referral:
    """Read a friend without locking the row."""
    row: Referral = await session.get_one(Referral, (merchant_id, referral_id))
    return row


async def no_lock(*_args: object) -> None:
    """Hold nothing."""


def take_locks_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let looks read what they decide on without any lock."""
    monkeypatch.setattr(service, "lock_name", no_lock)
    monkeypatch.setattr(service, "lock_cards", read_cards)
    monkeypatch.setattr(service, "_lock_row", read_row)


def take_key_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each gift have a key of its own, as if there were none."""
    monkeypatch.setattr(service, "gift_key", lambda _row, _part: str(uuid4()))


async def look_at_once(shop: Shop, *friends: UUID, times: int = 1) -> None:
    """Look at friends from several workers in the same moment."""
    rows = [(await shop.row(friend)).id for friend in friends] * times

    async def once(referral_id: UUID) -> None:
        async with shop.tenant() as session:
            await service.look(session, shop.merchant.id, referral_id, now=shop.clock.at)

    await asyncio.gather(*(once(one) for one in rows))


async def bought(shop: Shop, inviter: UUID) -> UUID:
    """Return a friend whose purchase is past its minutes, and at whom nobody has looked."""
    friend = await shop.invite(inviter)
    await shop.buy(friend)
    return friend


@pytest.mark.parametrize("gone", ["nothing", "the locks", "the key"])
async def test_five_workers_pay_once(shop: Shop, monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
    """Five looks at once give one gift each: the locks alone keep it so, and so does the gift's key alone."""
    inviter = await shop.card()
    friend = await bought(shop, inviter.id)
    shop.clock.at += LATER
    hold_open(monkeypatch, "find_reasons", 5)
    if gone == "the locks":
        take_locks_away(monkeypatch)
    if gone == "the key":
        take_key_away(monkeypatch)
    await look_at_once(shop, friend, times=5)
    assert (await shop.points(inviter.id), await shop.gifts()) == (50, 2)


async def test_control_without_both_five_workers_pay_five_times(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: neither locks nor key, and each of the same five looks pays."""
    inviter = await shop.card()
    friend = await bought(shop, inviter.id)
    shop.clock.at += LATER
    hold_open(monkeypatch, "find_reasons", 5)
    take_locks_away(monkeypatch)
    take_key_away(monkeypatch)
    await look_at_once(shop, friend, times=5)
    assert (await shop.points(inviter.id), await shop.gifts()) == (250, 10)


async def claim_at_once(shop: Shop) -> None:
    """Let two links claim the same new customer in the same moment."""
    one, other, friend = await shop.card(), await shop.card(), await shop.card()

    async def claim(inviter: UUID) -> None:
        async with shop.tenant() as session:
            joined = CardJoined(
                session,
                shop.merchant.id,
                friend.id,
                friend.customer_id,
                shop.store.id,
                friend.program_id,
                source="join_page",
                now=shop.clock.at,
            )
            await add_referral(joined, inviter, same_device=False)

    await asyncio.gather(claim(one.id), claim(other.id))


async def test_one_referrer_a_person_also_with_two_at_once(shop: Shop) -> None:
    """Two links claim the same new customer at once: the person has one referrer."""
    await claim_at_once(shop)
    assert await shop.count(Referral) == 1


async def test_control_without_the_key_a_person_has_two_referrers(
    shop: Shop, owners_connection: asyncpg.Connection
) -> None:
    """The control: with the unique key of the person taken away, the same two claims make two."""
    await owners_connection.execute(f"ALTER TABLE referral DROP CONSTRAINT {PERSONS_KEY}")
    try:
        await claim_at_once(shop)
        assert await shop.count(Referral) == 2
    finally:
        await owners_connection.execute("DELETE FROM referral WHERE merchant_id = $1", shop.merchant.id)
        await owners_connection.execute(
            f"ALTER TABLE referral ADD CONSTRAINT {PERSONS_KEY} UNIQUE (merchant_id, friend_id)"
        )


async def two_cards_of_one_inviter(shop: Shop) -> list[UUID]:
    """Return two friends brought along by one person, by the links of cards of two programmes; one a month is paid."""
    await shop.set(SETTINGS.model_copy(update={"month_max": 1}))
    first = await shop.card()
    friends = [await bought(shop, first.id)]
    shop.store = await make_store(shop.database, shop.merchant, "points", name="Deli", visits_per_day=0)
    _, shop.pin = await make_staff(shop.database, shop.store, name="Zoé")
    second = await make_card(shop.database, shop.store, now=shop.clock.at)
    async with shop.tenant() as session:
        card = await session.get_one(PassObject, (shop.merchant.id, second.id))
        card.customer_id = first.customer_id
    friends.append(await bought(shop, second.id))
    shop.clock.at += LATER + timedelta(seconds=1)
    return friends


async def paid_sides(shop: Shop, friends: list[UUID]) -> list[str]:
    """Return what became of the inviter's gift for each friend, in order of the words."""
    return sorted([(await shop.row(friend)).inviter_outcome for friend in friends])


async def test_the_limit_holds_for_a_person_with_two_cards(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One a month, two friends looked at in the same moment by different links: one is paid, one is over the limit."""
    friends = await two_cards_of_one_inviter(shop)
    hold_open(monkeypatch, "count_given", 2)
    await look_at_once(shop, *friends)
    assert await paid_sides(shop, friends) == ["given", "limit"]


async def test_control_without_the_name_the_limit_is_passed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the lock on the inviter's name both counts are nought, and both are paid."""
    friends = await two_cards_of_one_inviter(shop)
    hold_open(monkeypatch, "count_given", 2)
    monkeypatch.setattr(service, "lock_name", no_lock)
    await look_at_once(shop, *friends)
    assert await paid_sides(shop, friends) == ["given", "given"]
