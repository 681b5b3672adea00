"""The dashboard's pages over HTTP: what they show, and to whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import httpx2
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.dependencies import StoreRef
from app.kernel.clock import FixedClock
from app.kernel.jobs.runner import JobRunner
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.stores.public import StoreView, list_stores
from app.modules.visits.public import AwardCommand, AwardGranted, Visit, award_visit
from app.process import Process

HTMX = {"HX-Request": "true"}


async def give(
    database: Database,
    store: StoreView,
    card: MadeCard,
    pin: str,
    *,
    now: datetime,
    amount: str | None = None,
) -> UUID:
    """Give a visit and return its id."""
    command = AwardCommand(
        card=str(card.id),
        quantity=0 if amount else 1,
        amount=Decimal(amount) if amount else None,
        route="test",
        address="192.0.2.1",
        staff_pin=pin,
    )
    async with tenant_scope(database, store.merchant_id) as session:
        outcome = await award_visit(session, StoreRef(store.merchant_id, store.id), command, now=now)
    assert isinstance(outcome, AwardGranted), outcome
    return UUID(outcome.answer["visit_id"])


async def post_form(
    client: httpx2.AsyncClient,
    merchant: MadeMerchant,
    page: str,
    *,
    to: str,
    data: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> httpx2.Response:
    """Open a page, take its token, and send a form as a browser does."""
    client.cookies.clear()
    for name, value in merchant.cookies.items():
        client.cookies.set(name, value)
    shown = await client.get(page)
    token = re.search(r'name="csrf" value="([^"]+)"', shown.text)
    assert token is not None, shown.text[:500]
    return await client.post(to, data={**data, "csrf": token.group(1)}, headers=dict(headers or {}))


async def test_strangers_are_sent_away(client: httpx2.AsyncClient) -> None:
    """Without a session no page of the dashboard opens."""
    for path in ("/dashboard", "/dashboard/feed", "/dashboard/visits", "/dashboard/start"):
        assert (await client.get(path)).status_code == 401, path


async def test_a_new_merchant_begins_with_the_first_steps(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """Before there is a store, home leads to the wizard."""
    merchant = await make_merchant(database)

    response = await client.get("/dashboard", headers=merchant.headers)

    assert response.status_code == 303
    assert response.headers["location"] == "/dashboard/start"


async def test_the_first_steps_end_with_a_card_to_try(client: httpx2.AsyncClient, database: Database) -> None:
    """Store, reward, look, PIN, join code: five steps and a poster, and the programme runs as typed."""
    merchant = await make_merchant(database)

    made = await post_form(
        client,
        merchant,
        "/dashboard/start",
        to="/dashboard/start",
        data={"name": "Coffee Gare", "loyalty_type": "hybrid", "address": ""},
    )
    assert made.headers["location"] == "/dashboard/start/programme"
    ruled = await post_form(
        client,
        merchant,
        "/dashboard/start/programme",
        to="/dashboard/start/programme",
        data={
            "stamps_needed": "8",
            "stamps_title": "A slice of cake",
            "points_per_unit": "1,5",
            "points_threshold": "120",
            "points_title": "A mug",
        },
    )
    assert ruled.headers["location"] == "/dashboard/start/design"
    look = "/dashboard/start/design"
    looked = await post_form(client, merchant, look, to=look, data={"palette": "night", "icon": "cake"})
    assert looked.headers["location"] == "/dashboard/start/poster"
    poster = await client.get("/dashboard/start/poster")
    assert 'href="/dashboard/start/team"' in poster.text
    team = await post_form(
        client,
        merchant,
        "/dashboard/start/team",
        to="/dashboard/start/team",
        data={"name": "Claire", "role": "manager", "idempotency_key": "form-key-1"},
    )
    assert team.status_code == 200
    assert re.search(r"<code class=\"number\">\d{6}</code>", team.text)
    tried = await client.get("/dashboard/start/try")
    assert tried.status_code == 200

    async with tenant_scope(database, merchant.id) as session:
        (store,) = await list_stores(session, merchant.id)
    assert (store.name, store.loyalty_type, store.program.stamps_needed) == ("Coffee Gare", "hybrid", 8)
    assert store.program.points_per_unit == Decimal("1.5")
    assert (store.program.design["palette"], store.program.design["icon"]) == ("night", "cake")
    assert store.join_url in tried.text
    page = await client.get("/dashboard/start/programme")
    assert "A slice of cake" in page.text
    assert "A mug" in page.text
    assert 'value="120"' in page.text


async def test_a_pin_is_shown_once(client: httpx2.AsyncClient, database: Database) -> None:
    """The same form sent again adds nobody and shows no PIN."""
    merchant = await make_merchant(database)
    await make_store(database, merchant)
    form = {"name": "Tom", "role": "cashier", "idempotency_key": "form-key-2"}
    page = "/dashboard/start/team"

    first = await post_form(client, merchant, page, to=page, data=form)
    second = await post_form(client, merchant, page, to=page, data=form)

    assert first.status_code == 200
    assert second.status_code == 303
    assert second.headers["location"] == "/dashboard/start/try"
    assert re.search(r"\d{6}</code>", (await client.get(page)).text) is None


async def test_two_taps_make_one_store(client: httpx2.AsyncClient, database: Database) -> None:
    """The second form of the first step opens no second store."""
    merchant = await make_merchant(database)
    page = "/dashboard/start"
    data = {"name": "Coffee", "loyalty_type": "stamps"}
    await post_form(client, merchant, page, to=page, data=data)
    token = re.search(r'name="csrf" value="([^"]+)"', (await client.get(f"{page}/programme")).text)
    assert token is not None

    await client.post(page, data={**data, "csrf": token.group(1)})

    async with tenant_scope(database, merchant.id) as session:
        assert len(await list_stores(session, merchant.id)) == 1


async def test_a_form_that_is_not_right_is_shown_again(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """An empty name is refused beside its field, what was typed stays, and nothing is made."""
    merchant = await make_merchant(database)
    page = "/dashboard/start"

    response = await post_form(
        client, merchant, page, to=page, data={"name": "  ", "loyalty_type": "stamps", "address": "Rue <1>"}
    )

    assert response.status_code == 422
    assert "Please fill this in." in response.text
    assert "Rue &lt;1&gt;" in response.text
    async with tenant_scope(database, merchant.id) as session:
        assert await list_stores(session, merchant.id) == []


async def test_numbers_out_of_bounds_are_refused(client: httpx2.AsyncClient, database: Database) -> None:
    """One stamp or thirty-one, and points that are no number, change nothing."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, "hybrid")
    page = "/dashboard/start/programme"
    for wrong in ({"stamps_needed": "1"}, {"stamps_needed": "31"}, {"points_per_unit": "NaN"}):
        response = await post_form(
            client, merchant, page, to=page, data={"points_per_unit": "1", "stamps_title": "x", **wrong}
        )
        assert response.status_code == 422, wrong
    async with tenant_scope(database, merchant.id) as session:
        (after,) = await list_stores(session, merchant.id)
    assert after.program == store.program


async def test_home_counts_todays_visits(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock, process: Process
) -> None:
    """Two visits today, one of them undone, and one a week ago: one today, no change."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, cooldown_minutes=0)
    _staff, pin = await make_staff(database, store)
    card = await make_card(database, store, name="Anna")
    await give(database, store, card, pin, now=clock.now() - timedelta(days=7, minutes=5))
    undone = await give(database, store, card, pin, now=clock.now() - timedelta(minutes=5))
    await give(database, store, card, pin, now=clock.now() - timedelta(minutes=1))
    await post_form(
        client,
        merchant,
        "/dashboard/visits",
        to=f"/dashboard/visits/{undone}/void",
        data={"reason": "by mistake"},
    )
    worker = JobRunner(database, process.registry, process.settings, clock, resources=process.resources)
    await worker.drain()

    page = (await client.get("/dashboard")).text

    values = re.findall(r'tile-label">.*?</p>\s*<p class="tile-value number">(.*?)</p>', page, re.DOTALL)
    assert values[0] == "1"
    assert "Anna: 1 stamp" in page
    assert "undone" in page
    assert "Until the first stamp" not in page


async def test_home_shows_the_checklist_until_the_first_stamp(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """A store without a visit: what is left to do, with links."""
    merchant = await make_merchant(database)
    await make_store(database, merchant)

    page = (await client.get("/dashboard", headers=merchant.headers)).text

    assert "Until the first stamp" in page
    assert 'href="/dashboard/start/team"' in page


async def test_the_feed_comes_alone_for_the_poll(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """The poll's answer is the piece, without the page around it."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    _staff, pin = await make_staff(database, store, name="Tom")
    await give(database, store, await make_card(database, store), pin, now=clock.now())

    response = await client.get("/dashboard/feed", headers={**merchant.headers, **HTMX})

    assert "<html" not in response.text
    assert "A customer: 1 stamp" in response.text
    assert "CoffeeLux Gare · Tom" in response.text


async def test_visits_are_filtered_by_store_staff_and_day(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """Each filter shows its own visits only; empty fields of the form filter nothing."""
    merchant = await make_merchant(database)
    first, second = (
        await make_store(database, merchant),
        await make_store(database, merchant, name="Kirchberg"),
    )
    (tom, tom_pin), (_lea, lea_pin) = (
        await make_staff(database, first, name="Tom"),
        await make_staff(database, second, name="Lea"),
    )
    anna, bob = await make_card(database, first, name="Anna"), await make_card(database, second, name="Bob")
    await give(database, first, anna, tom_pin, now=clock.now() - timedelta(days=1))
    await give(database, second, bob, lea_pin, now=clock.now())

    async def names(query: str) -> set[str]:
        response = await client.get(f"/dashboard/visits{query}", headers=merchant.headers)
        assert response.status_code == 200
        return set(re.findall(r">(Anna|Bob)</a>", response.text))

    assert await names("") == {"Anna", "Bob"}
    assert await names("?store=&staff=&day=") == {"Anna", "Bob"}
    assert await names(f"?store={first.id}") == {"Anna"}
    assert await names(f"?staff={tom}") == {"Anna"}
    assert await names("?day=2026-11-20") == {"Bob"}
    assert await names("?day=2026-11-19") == {"Anna"}
    assert await names("?day=2026-11-18") == set()
    for day in ("0001-01-01", "9999-12-31"):
        assert (await client.get(f"/dashboard/visits?day={day}", headers=merchant.headers)).status_code == 422


async def test_a_long_list_has_pages(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """Fifty a page, newest first, and the next page begins where the first one ended."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, cooldown_minutes=0, visits_per_day=100, stamps_needed=100)
    _staff, pin = await make_staff(database, store)
    card = await make_card(database, store)
    visits = [
        await give(database, store, card, pin, now=clock.now() + timedelta(minutes=number))
        for number in range(51)
    ]

    first = await client.get("/dashboard/visits", headers=merchant.headers)
    following = re.search(r'href="(/dashboard/visits\?before=[^"]+)" rel="next"', first.text)
    assert following is not None
    second = await client.get(following.group(1), headers=merchant.headers)

    shown = re.findall(r'id="visit-([0-9a-f-]+)"', first.text)
    assert shown == [str(visit) for visit in reversed(visits[1:])]
    assert re.findall(r'id="visit-([0-9a-f-]+)"', second.text) == [str(visits[0])]


async def test_a_manager_undoes_a_visit_with_htmx(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """Hours later, with a reason: the row comes back struck out, the card has its stamp less."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    _staff, pin = await make_staff(database, store)
    card = await make_card(database, store)
    visit = await give(database, store, card, pin, now=clock.now())
    clock.advance(hours=3)
    to = f"/dashboard/visits/{visit}/void"

    response = await post_form(
        client, merchant, "/dashboard/visits", to=to, data={"reason": "wrong card"}, headers=HTMX
    )

    assert response.status_code == 200
    assert response.text.lstrip().startswith("<tr")
    assert "wrong card" in response.text
    async with tenant_scope(database, merchant.id) as session:
        stored = (await session.scalars(select(Visit).where(Visit.id == visit))).one()
        after = await session.get(PassObject, (merchant.id, card.id))
    assert (stored.void_reason, stored.voided_by) == ("wrong card", merchant.owner_id)
    assert after is not None
    assert after.stamp_count == 0


async def test_another_merchants_visit_cannot_be_undone(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """The id of a visit is not a credential: 404, and the stamp stays."""
    owner, stranger = await make_merchant(database), await make_merchant(database)
    store, own = await make_store(database, owner), await make_store(database, stranger)
    _staff, pin = await make_staff(database, store)
    card = await make_card(database, store)
    visit = await give(database, store, card, pin, now=clock.now())
    _staff, own_pin = await make_staff(database, own)
    await give(database, own, await make_card(database, own), own_pin, now=clock.now())

    response = await post_form(
        client, stranger, "/dashboard/visits", to=f"/dashboard/visits/{visit}/void", data={"reason": "x"}
    )

    assert response.status_code == 404
    async with tenant_scope(database, owner.id) as session:
        after = await session.get(PassObject, (owner.id, card.id))
    assert after is not None
    assert after.stamp_count == 1


async def test_names_are_never_markup(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """A customer, a store and a member named like a script are shown as text."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, name="<script>s()</script>")
    _staff, pin = await make_staff(database, store, name="<script>m()</script>")
    card = await make_card(database, store, name="<script>c()</script>")
    await give(database, store, card, pin, now=clock.now())

    for path in ("/dashboard", "/dashboard/visits", "/dashboard/start/try", "/dashboard/start"):
        page = (await client.get(path, headers=merchant.headers)).text
        assert not re.search(r"<script>[scm]\(\)", page), path
        assert "s()" in page, path


async def test_the_landing_page_leads_on(client: httpx2.AsyncClient) -> None:
    """Sign up, sign in, the demo's mailbox, and no content from elsewhere."""
    page = await client.get("/")

    assert page.status_code == 200
    for link in ("/sign-up", "/sign-in", "/demo/mailbox", "/docs"):
        assert f'href="{link}"' in page.text
    assert re.findall(r'(?:src|href)="(https?://[^"]+)"', page.text) == []
    assert "style=" not in page.text


async def test_the_docs_show_calls_and_codes(client: httpx2.AsyncClient) -> None:
    """Our own page: the seed's calls, every error code, nothing from elsewhere and no script in the page."""
    page = await client.get("/docs")

    assert page.status_code == 200
    for path in ("/stamp/{store_id}", "/points/{store_id}", "/passes/create"):
        assert path in page.text
    assert 'id="error-pin_wrong"' in page.text
    assert "A staff PIN, a paired device or an API key with the scope stamps.give." in page.text
    assert "cdn" not in page.text
    assert "style=" not in page.text
    assert re.findall(r"<script(?![^>]*src=)", page.text) == []
    assert (await client.get("/openapi.json")).status_code == 200
