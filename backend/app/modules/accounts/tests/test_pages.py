"""The pages about accounts, stores and rewards, without JavaScript."""

from __future__ import annotations

import re

import httpx2
import pytest

from app.db.session import Database, tenant_scope
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.rewards.config import list_program_rewards
from app.modules.stores.factories import make_store
from app.modules.stores.public import get_store, list_stores
from app.modules.stores.schemas import plain_decimal

FIELD = re.compile(r'name="(csrf|idempotency_key)" value="([^"]+)"')


async def send(
    client: httpx2.AsyncClient, page: str, form: dict[str, str], *, to: str = ""
) -> httpx2.Response:
    """Open a page and send its form as a browser without JavaScript does."""
    shown = await client.get(page)
    assert shown.status_code == 200, shown.text
    hidden = dict(FIELD.findall(shown.text))
    return await client.post(to or page, data={**hidden, **form}, headers={"accept": "text/html"})


@pytest.fixture
async def merchant(client: httpx2.AsyncClient, database: Database) -> MadeMerchant:
    """Return a merchant whose owner is signed in on the client."""
    made = await make_merchant(database)
    client.cookies.update(made.cookies)
    return made


@pytest.mark.parametrize(
    "path",
    [
        "/sign-up",
        "/sign-in",
        "/password-reset",
        "/sign-up/mailbox",
        "/sign-up/confirm",
        "/password-reset/new",
    ],
)
async def test_public_pages_open(client: httpx2.AsyncClient, path: str) -> None:
    """Every page before sign-in opens for anybody."""
    response = await client.get(path, headers={"accept": "text/html"})

    assert response.status_code == 200
    assert "<h1>" in response.text


@pytest.mark.parametrize("path", ["/sign-up/confirm", "/password-reset/link"])
async def test_a_link_that_cannot_be_ours_opens_nothing(client: httpx2.AsyncClient, path: str) -> None:
    """Letters that fit into no header are dropped, not answered with an error."""
    response = await client.get(f"{path}/%E2%82%AC", headers={"accept": "text/html"})

    assert response.status_code == 303


async def test_a_sign_up_form_sent_twice_is_one_sign_up(client: httpx2.AsyncClient) -> None:
    """The hidden key of the form makes the id; one with a NUL is none."""
    form = {"name": "CoffeeLux", "email": "key@example.com", "password": "plum-orchard-tandem-42"}
    for key in ("b0f3c1de-5a1e-4d0c-9d3a-3c6f2f0a7b11", "\x00" * 30):
        answer = await send(client, "/sign-up", form | {"idempotency_key": key})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-up/mailbox")


@pytest.mark.parametrize("path", ["settings", "sessions", "api-keys", "audit", "stores", "stores/new"])
async def test_dashboard_pages_open(client: httpx2.AsyncClient, merchant: MadeMerchant, path: str) -> None:
    """Every page of the account opens for its owner."""
    response = await client.get(f"/dashboard/{path}", headers={"accept": "text/html"})

    assert response.status_code == 200
    assert "CoffeeLux" in response.text


async def test_sign_in_form_opens_the_dashboard(client: httpx2.AsyncClient, database: Database) -> None:
    """The form signs in and goes where the person wanted to go, never to another site."""
    merchant = await make_merchant(database)
    form = {"email": merchant.email, "password": merchant.password}

    wrong = await send(client, "/sign-in", {**form, "password": "wrong"})
    right = await send(client, "/sign-in", {**form, "next": "//evil.example"})

    assert wrong.status_code == 401
    assert "do not match" in wrong.text
    assert "wrong" not in re.findall(r'value="([^"]*)"', wrong.text)
    assert (right.status_code, right.headers["location"]) == (303, "/dashboard")
    assert (await client.get("/sessions")).status_code == 200


async def test_form_without_token_is_refused(client: httpx2.AsyncClient, merchant: MadeMerchant) -> None:
    """A form that another site could send changes nothing."""
    response = await client.post("/dashboard/settings", data={"name": "Evil"})

    assert (response.status_code, response.json()["code"]) == (403, "csrf")


async def test_settings_are_saved(client: httpx2.AsyncClient, merchant: MadeMerchant) -> None:
    """The settings form saves what it shows, and shows mistakes beside the field."""
    form = {
        "name": "Café Bréil",
        "locale": "lb",
        "time_zone": "Europe/Berlin",
        "currency": "CHF",
        "palette": "plum",
    }
    bad = await send(client, "/dashboard/settings", {**form, "time_zone": "Moon/Base"})
    saved = await send(client, "/dashboard/settings", form)

    assert bad.status_code == 422
    assert 'id="f-time_zone-error"' in bad.text
    assert saved.status_code == 303
    details = (await client.get("/merchants/current")).json()
    assert {name: details[name] for name in ("name", "locale", "time_zone", "currency")} == {
        "name": "Café Bréil",
        "locale": "lb",
        "time_zone": "Europe/Berlin",
        "currency": "CHF",
    }
    assert details["branding"] == {"palette": "plum"}


async def test_store_form_opens_one_store(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """The form of a new store sent twice opens one store, and shows it."""
    page = (await client.get("/dashboard/stores/new")).text
    form = {**dict(FIELD.findall(page)), "name": "Gare", "loyalty_type": "hybrid", "address": ""}
    first = await client.post("/dashboard/stores/new", data=form)
    again = await client.post("/dashboard/stores/new", data=form)

    assert first.status_code == again.status_code == 303
    assert first.headers["location"] == again.headers["location"]
    async with tenant_scope(database, merchant.id) as session:
        assert [store.name for store in await list_stores(session, merchant.id)] == ["Gare"]
    shown = await client.get(first.headers["location"])
    assert shown.status_code == 200
    assert "One on the house" in shown.text
    assert "A little thank-you" in shown.text


async def test_programme_form_saves_rules(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """The programme's form takes a decimal comma and an empty expiry, and leaves the look to the designer."""
    store = await make_store(database, merchant, "hybrid")
    look = {"palette": "night", "icon": "shirt"}
    await send(client, "/dashboard/start/design", look)
    page = f"/dashboard/stores/{store.id}/programme"
    form = {
        "name": "Mode Club",
        "stamps_needed": "8",
        "cooldown_minutes": "0",
        "stamps_per_visit": "2",
        "stamps_expiry_months": "",
        "full_card": "carry_on",
        "points_per_unit": "1,5",
        "rounding": "down",
        "points_expiry": "never",
        "points_expiry_months": "12",
        "visits_per_day": "5",
    }
    bad = await send(client, page, {**form, "stamps_needed": "0"})
    saved = await send(client, page, form)

    assert bad.status_code == 422
    assert 'id="f-stamps_needed-error"' in bad.text
    assert saved.status_code == 303
    async with tenant_scope(database, merchant.id) as session:
        program = (await get_store(session, merchant.id, store.id)).program
    assert (program.name, program.stamps_needed, program.full_card) == ("Mode Club", 8, "carry_on")
    assert plain_decimal(program.points_per_unit) == "1.5"
    assert program.stamps_expiry_months is None
    assert program.design == look


async def test_store_details_and_switches(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Opening hours are typed as text; PINs and closing are one button each."""
    store = await make_store(database, merchant)
    base = f"/dashboard/stores/{store.id}"
    form = {"name": "Gare", "address": "12, place de la Gare", "time_zone": "Europe/Luxembourg"}
    bad = await send(client, f"{base}/edit", {**form, "mon": "late"})
    saved = await send(client, f"{base}/edit", {**form, "mon": "8-12, 13:30 - 18:00", "sat": "9.00–13.00"})
    await send(client, base, {}, to=f"{base}/phone-pins/off")
    await send(client, base, {}, to=f"{base}/close")

    assert bad.status_code == 422
    assert 'id="f-mon-error"' in bad.text
    assert saved.status_code == 303
    async with tenant_scope(database, merchant.id) as session:
        seen = await get_store(session, merchant.id, store.id)
    assert seen.opening_hours == {
        "mon": [["08:00", "12:00"], ["13:30", "18:00"]],
        "sat": [["09:00", "13:00"]],
    }
    assert seen.phone_pins is False
    assert seen.closed_at is not None


async def test_reward_form_adds_changes_and_deactivates(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Rewards are added and changed on pages; the last stamp reward cannot be taken away."""
    store = await make_store(database, merchant)
    base = f"/dashboard/stores/{store.id}/rewards"
    added = await send(
        client, f"{base}/new", {"title": "A cake", "threshold": "5", "kind": "stamps", "text": ""}
    )
    async with tenant_scope(database, merchant.id) as session:
        cake, house = await list_program_rewards(session, merchant.id, store.program.id)
    off = {"title": cake.title, "threshold": "5", "wish": "deactivate"}
    gone = await send(client, f"{base}/{cake.id}", off)
    last = await send(client, f"{base}/{house.id}", {**off, "title": house.title, "threshold": "10"})

    assert added.status_code == gone.status_code == 303
    assert last.status_code == 422
    assert "at least one active stamp reward" in last.text
    async with tenant_scope(database, merchant.id) as session:
        rows = await list_program_rewards(session, merchant.id, store.program.id)
    assert [(row.title, row.active) for row in rows] == [("One on the house", True), ("A cake", False)]


async def test_api_key_page_shows_the_key_once(client: httpx2.AsyncClient, merchant: MadeMerchant) -> None:
    """A new key is on the answer, works, and is never shown again."""
    made = await send(client, "/dashboard/api-keys", {"name": "Till", "scopes": "stores.view"})

    (key,) = set(re.findall(r"sk_[0-9a-f]{32}_[0-9a-f]{32}_[\w-]+", made.text))
    assert key not in (await client.get("/dashboard/api-keys")).text
    client.cookies.clear()
    seen = await client.get("/stores", headers={"Authorization": f"Bearer {key}"})
    assert seen.status_code == 200


async def test_naughty_names_are_shown_as_text(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Markup in names stays text on every page."""
    store = await make_store(database, merchant, name="<script>alert(1)</script>")

    for page in (
        "/dashboard/stores",
        f"/dashboard/stores/{store.id}",
        f"/dashboard/stores/{store.id}/programme",
    ):
        text = (await client.get(page)).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


async def test_dashboard_without_session_leads_to_sign_in(client: httpx2.AsyncClient) -> None:
    """A person is sent to sign in and back; a program gets the refusal."""
    page = await client.get("/dashboard/stores?x=1", headers={"accept": "text/html"})
    program = await client.get("/dashboard/stores")

    assert (page.status_code, page.headers["location"]) == (
        303,
        "/sign-in?next=%2Fdashboard%2Fstores%3Fx%3D1",
    )
    assert (program.status_code, program.json()["code"]) == (401, "unauthenticated")
