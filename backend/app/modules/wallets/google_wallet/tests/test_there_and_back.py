"""A card that changes and changes back while nobody knows what reached Google: it ends as it is, not as it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, update

from app.db.session import tenant_scope
from app.modules.cards.factories import MadeCard
from app.modules.stores.models import Program
from app.modules.wallets.google_wallet import output, store
from app.modules.wallets.google_wallet.models import GoogleObjectRow
from app.modules.wallets.google_wallet.output import GoogleOutput
from app.modules.wallets.google_wallet.tests.conftest import Shop
from app.modules.wallets.public import mark_changed

# After two missed minutes of a worker that died.
LATER = timedelta(minutes=2)


async def known_card(shop: Shop, **over: Any) -> MadeCard:
    """Return a card that Google has as it is."""
    card = await shop.card(**over)
    await shop.change(card, revision=2)
    await shop.converge()
    return card


async def send_and_die(shop: Shop, card: MadeCard) -> None:
    """Do what a worker does that is killed after Google's answer: Google has the card, our rows do not know."""
    key = (GoogleObjectRow.merchant_id == card.merchant_id, GoogleObjectRow.pass_id == card.id)
    before = await shop.row(card)
    await GoogleOutput().update(shop.runner._context, merchant_id=card.merchant_id, pass_id=card.id)
    async with tenant_scope(shop.database, card.merchant_id) as session:
        # The lease has run out since; the hashes are those from before.
        dead = {"sent": dict(before.sent), "busy_until": func.clock_timestamp() - timedelta(seconds=1)}
        await session.execute(update(GoogleObjectRow).where(*key).values(**dead))


def balance(shop: Shop, card: MadeCard) -> str:
    """Return the stamps that Google shows."""
    return str(shop.google(card)["loyaltyPoints"]["balance"]["string"])


async def there_and_back(shop: Shop) -> MadeCard:
    """Stamp a card, have the worker die with the stamp at Google, and take the stamp back."""
    card = await known_card(shop)
    await shop.change(card, stamp_count=1)
    await send_and_die(shop, card)
    assert balance(shop, card) == "1/10"
    await shop.change(card, stamp_count=0)
    shop.clock.at += LATER
    await shop.converge()
    return card


async def test_a_worker_that_died_after_googles_answer_leaves_nothing_behind(shop: Shop) -> None:
    """What the card showed only for a moment goes from Google, too."""
    assert balance(shop, await there_and_back(shop)) == "0/10"


async def test_control_who_trusts_the_dead_workers_row_leaves_google_wrong(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the hashes alone nothing has changed: Google keeps the stamp that was taken back."""

    def trust(sent: Mapping[str, str], fields: Any = ()) -> dict[str, str]:
        return dict(sent)

    monkeypatch.setattr(output, "distrust", trust)
    assert balance(shop, await there_and_back(shop)) == "1/10"


async def test_a_healthy_worker_still_sends_only_what_changed(shop: Shop) -> None:
    """The distrust ends with the next answer: then nothing new is no request."""
    card = await there_and_back(shop)
    shop.wire.calls.clear()
    await shop.change(card, revision=9)
    await shop.converge()

    assert shop.wire.calls == []


@pytest.mark.parametrize("fault", ["lost", 503])
async def test_an_answer_that_was_lost_leaves_nothing_behind(shop: Shop, fault: Any) -> None:
    """Done at Google, no answer; the stamp is taken back before the next try."""
    card = await known_card(shop)
    shop.wire.faults.append(fault)
    await shop.change(card, stamp_count=1)
    await shop.runner.drain()
    assert balance(shop, card) == ("1/10" if fault == "lost" else "0/10")
    await shop.change(card, stamp_count=0)
    shop.clock.at += LATER

    await shop.converge()

    assert balance(shop, card) == "0/10"


async def test_a_line_that_was_there_for_a_moment_goes(shop: Shop) -> None:
    """An insert whose answer was lost had a line that the card no longer has: the repeat takes it away."""
    card = await shop.card(stamps=10)
    shop.wire.faults.extend([None, "lost"])  # the class, then the object
    await shop.change(card, reward_unlocked=True)
    await shop.runner.drain()
    assert "accountName" not in shop.google(card)
    shop.wire.stand_in._keep("loyaltyObject", shop.google(card) | {"accountName": "for a moment"})
    await shop.change(card, revision=9)
    shop.clock.at += LATER

    await shop.converge()

    assert "accountName" not in shop.google(card)


async def test_a_look_that_came_and_went_does_not_stay(shop: Shop) -> None:
    """The class was renamed, the answer lost, and the old name put back: Google has the old name."""
    card = await known_card(shop)

    async def rename(name: str) -> None:
        async with tenant_scope(shop.database, card.merchant_id) as session:
            await session.execute(update(Program).where(Program.id == card.program_id).values(name=name))
            await mark_changed(session, card.merchant_id, card.id)

    def shown() -> str:
        (path,) = (shop.wire.stand_in._folder / "loyaltyClass").glob("*.json")
        found = shop.wire.stand_in.find("loyaltyClass", path.stem)
        assert found is not None
        return str(found["programName"])

    old = shown()
    shop.wire.faults.append("lost")
    await rename("For a moment")
    await shop.runner.drain()
    assert shown() == "For a moment"
    await rename(old)
    shop.clock.at += LATER

    await shop.converge()

    assert shown() == old


async def test_a_lease_says_whether_the_last_holder_gave_it_back(shop: Shop) -> None:
    """Given back: sure. Run out: not sure; it is what a worker leaves that is killed."""
    card = await known_card(shop)
    row = await shop.row(card)
    async with tenant_scope(shop.database, card.merchant_id) as session:
        first = await store.lease_object(session, card.merchant_id, card.id, object_id=row.object_id)
    async with tenant_scope(shop.database, card.merchant_id) as session:
        assert await store.lease_object(session, card.merchant_id, card.id, object_id=row.object_id) is None
        await store.write_object(
            session, card.merchant_id, card.id, busy_until=func.clock_timestamp() - timedelta(seconds=1)
        )
    async with tenant_scope(shop.database, card.merchant_id) as session:
        second = await store.lease_object(session, card.merchant_id, card.id, object_id=row.object_id)

    assert first is not None
    assert second is not None
    assert (first.is_sure, second.is_sure) == (True, False)
