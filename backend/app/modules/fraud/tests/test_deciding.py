"""The page of findings: who sees them, decides, and takes visits back."""

from __future__ import annotations

from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.accounts.factories import make_member
from app.modules.fraud.settings import FraudSettings
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.visits.public import Visit


async def test_decided_finding_stays_decided_until_it_goes_on(shop):
    """Dismissed, it does not come back by itself; as many visits again make it news."""
    await shop.set(card_visits=2)
    card = await shop.card()
    await shop.stamp(card, 3)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    answer = await shop.post(f"{found.id}/decide", {"status": "dismissed"})
    assert answer.status_code == 303
    shop.clock.advance(seconds=1)
    await shop.stamp(card, 2)
    await shop.scan()
    assert [row.status for row in await shop.findings("card_speed")] == ["dismissed"]
    await shop.stamp(card)
    await shop.scan()
    assert [(row.status, row.decided_at) for row in await shop.findings("card_speed")] == [("open", None)]


async def test_undoing_takes_back_one_or_all(shop):
    """One tap takes a visit back, another all that are left; the card is as before and the finding confirmed."""
    await shop.set(card_visits=2)
    card = await shop.card(stamps=1)
    await shop.stamp(card, 3)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    await shop.post(f"{found.id}/undo", {"visit_id": found.events[0][0]})

    async def stamps() -> int:
        state = await shop.client.get(f"/device/cards/{card.card_number}", headers=shop.device.headers)
        return state.json()["stamp_count"]

    assert await stamps() == 3
    assert (await shop.findings("card_speed"))[0].status == "open"
    await shop.post(f"{found.id}/undo", {})
    assert await stamps() == 1
    assert (await shop.findings("card_speed"))[0].status == "confirmed"


async def test_a_visit_that_is_not_behind_the_finding_is_not_undone(shop):
    """The page's power ends at its own events: another visit is not found, and stays."""
    await shop.set(card_visits=2)
    card, other = await shop.card(), await shop.card()
    await shop.stamp(card, 3)
    await shop.stamp(other)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        foreign = await session.scalar(select(Visit.id).where(Visit.pass_id == other.id))
    answer = await shop.post(f"{found.id}/undo", {"visit_id": str(foreign)})
    assert answer.status_code == 404
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await session.scalar(select(Visit.voided_at).where(Visit.id == foreign)) is None


async def test_page_shows_filters_and_tells_of_news(shop):
    """The finding stands on the page with its visits and on the home; filters leave it out; the poll tells of it."""
    headers = shop.merchant.headers
    before = shop.clock.now()
    await shop.set(card_visits=2)
    card = await shop.card(name="Anna")
    await shop.stamp(card, 3)
    await shop.scan()
    page = await shop.client.get("/dashboard/fraud", headers=headers)
    assert "One card, many visits" in page.text
    assert page.text.count("Anna") >= 4
    assert "Unusual visits" in (await shop.client.get("/dashboard", headers=headers)).text
    for query in ("status=confirmed", "rule=own_card", f"staff={shop.store.id}"):
        empty = await shop.client.get(f"/dashboard/fraud?{query}", headers=headers)
        assert "One card, many visits</h2>" not in empty.text
        assert "Nothing unusual" in empty.text
    news = await shop.client.get(
        "/dashboard/fraud/news", params={"since": before.isoformat()}, headers=headers
    )
    assert "Something new was found" in news.text
    later = await shop.client.get(
        "/dashboard/fraud/news", params={"since": shop.clock.now().isoformat()}, headers=headers
    )
    assert "Something new was found" not in later.text


async def test_thresholds_must_make_sense(shop):
    """A number out of range comes back with words beside its field, and nothing is changed."""
    form = {name: str(value) for name, value in FraudSettings().model_dump().items()}
    bad = await shop.post("settings", form | {"staff_minutes": "0"})
    assert bad.status_code == 422
    assert "The smallest number possible is 1." in bad.text
    unknown = await shop.post("own-cards", {"staff_id": str(shop.staff_id), "card": "nonsense"})
    assert unknown.status_code == 422
    assert "No card has this number." in unknown.text


async def test_another_merchants_findings_do_not_exist(shop, database):
    """A stranger's owner sees, decides and undoes nothing here."""
    await shop.set(card_visits=2)
    await shop.stamp(await shop.card(), 3)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    stranger = await make_merchant(database)
    for path, data in (("decide", {"status": "dismissed"}), ("undo", {})):
        answer = await shop.post(f"{found.id}/{path}", data, stranger)
        assert answer.status_code == 404
    assert (
        "One card, many visits</h2>"
        not in (await shop.client.get("/dashboard/fraud", headers=stranger.headers)).text
    )
    assert (await shop.findings("card_speed"))[0].status == "open"


async def test_member_of_another_store_sees_and_changes_nothing_here(shop, database):
    """A manager limited to another store finds nothing, decides nothing, undoes nothing, and sets no rules."""
    await shop.set(card_visits=2)
    await shop.stamp(await shop.card(), 3)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    elsewhere = await make_store(database, shop.merchant)
    far = await make_member(database, shop.merchant.id, "manager", store_ids=(elsewhere.id,))
    near = await make_member(database, shop.merchant.id, "manager", store_ids=(shop.store.id,))
    for manager, sees in ((far, False), (near, True)):
        page = await shop.client.get("/dashboard/fraud", headers=manager.headers)
        assert page.status_code == 200
        assert (f'id="f-{found.id}"' in page.text) is sees
    for path, data in (("decide", {"status": "dismissed"}), ("undo", {})):
        assert (await shop.post(f"{found.id}/{path}", data, far)).status_code == 404
    form = {name: str(value) for name, value in FraudSettings().model_dump().items()}
    assert (await shop.post("settings", form, near)).status_code == 403
    assert (await shop.post("fingerprints/on", {}, near)).status_code == 403
    assert (await shop.findings("card_speed"))[0].status == "open"
    assert (await shop.post(f"{found.id}/decide", {"status": "dismissed"}, near)).status_code == 303
