"""Every page there is, on a phone and on a desk, by day and by night."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from playwright.async_api import Page, Route, expect

from app.commands.demo import make_operator
from app.commands.merchants import MerchantWish, create
from app.modules.privacy.unsubscribing import unsubscribe_token
from app.modules.second_factor.rules import step_of
from app.modules.second_factor.totp import code_at
from app.utils.id_generator import new_id
from app.utils.security import Keyring
from tests.browser.conftest import Demo, OpenContext
from tests.browser.looks import look_around, look_at, overweight
from tests.browser.steps import sign_in, stamp_by_api, take_card, type_pin
from tests.browser.walking import NO_PAGES, Walk, pages_below, plain, routes

pytestmark = pytest.mark.browser
DASHBOARD, DEVICE = "/dashboard", "/staff"
SECOND_STEP, INVITATION, OPERATOR = "/sign-in/second-step", "/invitation", "/operator"
GARE = "CoffeeLux Gare"
PASSWORD = "plum-orchard-tandem-42"
NOBODY = "01900000-0000-7000-8000-000000000000"


def path_of(url: str) -> str:
    """Return an address without its host."""
    return urlsplit(url)._replace(scheme="", netloc="").geturl()


async def switch(page: Page, feature: str) -> None:
    """Switch a feature on, or off again."""
    await page.goto("/dashboard/features")
    button = page.locator(f'form[action$="/{feature}"] button')
    before = await button.inner_text()
    await button.click()
    await expect(button).not_to_have_text(before)
    await expect(page.locator(".toast")).to_be_visible()


async def import_people(page: Page) -> str:
    """Upload a file of customers; return the address of the import that waits."""
    await page.goto("/dashboard/customers/imports")
    people: Any = {
        "name": "people.csv",
        "mimeType": "text/csv",
        "buffer": b"Name,E-mail\nAna,ana@walk.example\n",
    }
    await page.locator("input[type=file]").set_input_files(people)
    await page.get_by_role("button", name="Read the file").click()
    await expect(page).to_have_url(re.compile("imports/[0-9a-f-]{36}"))
    return page.url


async def begin_app(page: Page, password: str) -> str:
    """Ask for an authenticator app; return the address where its first code is waited for."""
    await page.goto("/dashboard/account/security")
    await page.locator("#app summary").click()
    await page.locator("#f-password-app").fill(password)
    await page.locator("#app").get_by_role("button", name="Go on").click()
    await expect(page.locator(".totp-qr svg")).to_be_visible()
    return page.url


async def open_webhook(page: Page) -> list[str]:
    """Return the pages of one of the demo's webhooks and of what it was told last."""
    await page.goto("/dashboard/webhooks")
    await page.locator("tbody th a").first.click()
    await page.locator(".event-name").first.click()
    await expect(page).to_have_url(re.compile("webhooks/[0-9a-f-]{36}/[0-9a-f-]{36}"))
    return [page.url.rpartition("/")[0], page.url]


async def test_dashboard_pages(demo: Demo, open_context: OpenContext) -> None:
    """All of the dashboard fits, complains of nothing and can be used by everyone."""
    desk = await open_context()
    page = await desk.page()
    await sign_in(page, demo)
    walk = Walk(pages_below(DASHBOARD))
    await switch(page, "fingerprints")
    walk.add(*plain(walk.area), await import_people(page), *await open_webhook(page))
    walk.add(await begin_app(page, demo.merchants[0]["password"]))
    await walk.run(desk)
    await switch(page, "fingerprints")
    walk.finish()


async def test_what_a_dashboard_page_hides(demo: Demo, open_context: OpenContext) -> None:
    """Folds and questions stand the same looks once they are open; so does what is not there."""
    desk = await open_context(expected=("/dashboard/customers/", "/dashboard/nothing"))
    page = await desk.page()
    await sign_in(page, demo)
    problems = []
    store = demo.store(GARE)["id"]
    for path in (
        "/dashboard/customers",
        "/dashboard/fraud",
        f"/dashboard/staff/{store}",
        "/dashboard/visits",
        "/dashboard/webhooks",
    ):
        await page.goto(path)
        await page.evaluate(
            "document.querySelectorAll('main details').forEach(fold => { fold.open = true; })"
        )
        problems += await look_around(page, f"{path}, unfolded")
    await page.goto(f"/dashboard/stores/{store}")
    await page.get_by_role("button", name="Close the store").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    problems += await look_around(page, "a question", within=".confirm:popover-open")
    problems += await look_at(page, f"/dashboard/customers/{NOBODY}", status=404)
    problems += await look_at(page, "/dashboard/nothing", status=404)
    assert not problems, "\n".join(problems)


async def prepare_card(page: Page, demo: Demo, walk: Walk) -> None:
    """Take a card, fill it, redeem from it, ask for its link and for its end; note every page on the way."""
    store, address = demo.store(GARE), f"walk-{new_id().hex[-12:]}@example.com"
    await page.goto(store["join_url"])
    await page.get_by_label("Name").fill("Ana")
    await page.get_by_label("Email").fill(address)
    await page.get_by_role("button", name="Get my card").click()
    await page.locator("#card-state").wait_for()
    card = page.url.partition("/card/")[2][:36]
    visit = stamp_by_api(demo, GARE, card, quantity=10)["visit_id"]
    await page.goto(f"/find/{store['id']}")
    await page.get_by_label("Email").fill(address)
    await page.get_by_role("button", name="Send me the link").click()
    await page.goto(demo.server.mail_link(address))
    walk.problems += await look_around(page, "/card/link")
    walk.note(page)
    await page.get_by_role("button", name="Open my card").first.click()
    await page.locator("#card-state").wait_for()
    await page.goto(f"/card/{card}/delete")
    await page.get_by_role("button", name="Send me the link").click()
    await expect(page.get_by_role("heading", name="mailbox")).to_be_visible()
    walk.add(path_of(demo.server.mail_link(address)))
    await page.goto(f"/card/{card}")
    await page.get_by_role("link", name="Redeem").click()
    await page.locator('[data-pin-key="1"]').wait_for()
    walk.problems += await look_around(page, "redeeming")
    walk.note(page)
    await type_pin(page, demo.pin(GARE))
    await page.locator("[data-clock]").wait_for()
    walk.problems += await look_around(page, "redeemed")
    walk.note(page)
    redemption = page.url.rpartition("/")[2].partition("?")[0]
    await page.goto(f"/passes/google/{card}")
    walk.add(path_of(page.url), f"/card/{card}", f"/card/{card}/delete", f"/card/{card}/details")
    walk.add(
        f"/visits/{visit}/void?store={store['id']}", f"/redemptions/{redemption}/void?store={store['id']}"
    )


async def preferences(demo: Demo, open_context: OpenContext) -> str:
    """Return the address behind a mail's foot, for some customer."""
    page = await (await open_context()).page()
    await sign_in(page, demo)
    await page.goto("/dashboard/customers")
    href = await page.locator(".people-table .cell-main a").first.get_attribute("href")
    assert href is not None
    merchant = UUID(demo.merchants[0]["api_key"].split("_")[1])
    keyring = Keyring.load_or_create(demo.server.settings.keys_dir)
    return f"/mail/preferences/{unsubscribe_token(keyring, merchant, UUID(href.rpartition('/')[2]))}"


async def test_customer_and_public_pages(demo: Demo, open_context: OpenContext) -> None:
    """The same for what customers and visitors see: join, card, redeem, links of mails, sign-up, docs."""
    phone = await open_context(expected=("/nothing", f"/join/{NOBODY}", f"/card/{NOBODY}"))
    page = await phone.page()
    walk = Walk(pages_below("/") - pages_below(DASHBOARD, DEVICE, SECOND_STEP, INVITATION, OPERATOR))
    await prepare_card(page, demo, walk)
    store = demo.store(GARE)["id"]
    walk.add(f"/join/{store}?new=1", *(f"/{kind}/{store}" for kind in ("find", "privacy", "stamp")))
    walk.add(await preferences(demo, open_context), *plain(walk.area))
    await walk.run(phone)
    # Points have a card of their own, and a stranger has none.
    points = demo.store("Mode Avenue")
    card = await take_card(page, points)
    await walk.look(page, f"/points/{points['id']}")
    stranger = await (await open_context(expected=("/card/",))).page()
    for looking, path, status in (
        (page, f"/card/{card}", 200),
        (stranger, f"/stamp/{demo.store(GARE)['id']}", 200),
        (stranger, f"/card/{card}", 401),
        (page, f"/join/{NOBODY}", 404),
        (page, "/nothing", 404),
    ):
        walk.problems += await look_at(looking, path, status=status)
    walk.finish()


async def test_staff_pages(demo: Demo, open_context: OpenContext) -> None:
    """The same for the shop's device: pairing, shift, scanner, a card found, a new card, handing it over."""
    device = await open_context()
    page = await device.page()
    walk = Walk(pages_below(DEVICE))
    store = demo.store("CoffeeLux Kirchberg")
    key = {"Authorization": f"Bearer {demo.merchants[0]['api_key']}"}
    with demo.server.client() as owner:
        pairing = owner.post(f"/stores/{store['id']}/devices", json={"name": "Walk"}, headers=key)
        card = owner.post("/passes/create", json={"store_id": store["id"], "name": "Ana"}).json()
    walk.problems += await look_at(page, "/staff")
    await walk.look(page, path_of(pairing.json()["pairing_url"]))
    await page.get_by_role("button", name="Pair this device").click()
    walk.problems += await look_at(page, "/staff")
    await type_pin(page, demo.pin("CoffeeLux Kirchberg"))
    await page.get_by_label("Card number").wait_for()
    walk.problems += await look_at(page, f"/staff?card={card['card_number']}")
    walk.add("/staff", "/staff/cards/new", f"/staff/cards/{card['pass_id']}")
    while walk.waiting:
        await walk.look(page, walk.waiting.popleft())
    walk.finish()


async def test_operator_pages(demo: Demo, open_context: OpenContext) -> None:
    """The same for whoever runs the installation, from the sign-in with its code on."""
    with ThreadPoolExecutor(1) as pool:
        operator = pool.submit(make_operator, demo.server.settings).result()
    desk = await open_context()
    page = await desk.page()
    walk = Walk(pages_below(OPERATOR))
    await walk.look(page, f"{OPERATOR}/sign-in")
    await page.goto(f"{OPERATOR}/sign-in")
    await page.get_by_label("Name").fill(operator["name"])
    await page.get_by_label("Password").fill(operator["password"])
    shown = re.search(r"now it is (\d{6})", await page.locator("main").inner_text())
    assert shown is not None
    await page.get_by_label("Code").fill(shown[1])
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page).to_have_url(re.compile(f"{OPERATOR}$"))
    walk.add(*plain(walk.area))
    await walk.run(desk)
    walk.finish()


async def first_step(page: Page, email: str) -> None:
    """Give address and password."""
    await page.goto("/sign-in")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def confirm_app(page: Page) -> None:
    """Type the first code of the app whose secret is shown."""
    await page.get_by_text("I cannot scan").click()
    secret = base64.b32decode((await page.locator("#totp-secret").inner_text()).replace(" ", ""))
    await page.get_by_label("Type the six digits").fill(code_at(secret, step_of(datetime.now(UTC))))
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.locator(".recovery-codes code")).to_have_count(10)


async def test_pages_of_the_second_step(demo: Demo, open_context: OpenContext) -> None:
    """The same for an invitation and for signing in in two steps, with an app and before there is one."""
    email, invited = (f"{who}-{new_id().hex[-12:]}@example.com" for who in ("owner", "invited"))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(create, demo.server.settings, MerchantWish("Véloland", email, PASSWORD, "en")).result()
    walk = Walk(pages_below(SECOND_STEP, INVITATION))
    owner, member = await open_context(), await open_context()
    page, other = await owner.page(), await member.page()
    await first_step(page, email)
    await expect(page).to_have_url(re.compile(DASHBOARD))
    await page.goto("/dashboard/team")
    await page.get_by_label("Email").fill(invited)
    await page.get_by_role("button", name="Send the invitation").click()
    await other.goto(demo.server.mail_link(invited))
    await walk.look(other, INVITATION)
    await other.get_by_label("Password").fill(PASSWORD)
    await other.get_by_role("button", name="Join the team").click()
    await expect(other).to_have_url(re.compile(DASHBOARD))

    await begin_app(page, PASSWORD)
    await confirm_app(page)
    walk.problems += await look_around(page, "recovery codes")
    walk.problems += await look_at(page, "/dashboard/account/security")
    await page.locator("#f-required").check()
    await page.locator("#team").get_by_role("button", name="Save").click()
    for signed_out, address, name in ((owner, email, "with an app"), (member, invited, "before an app")):
        await signed_out.context.clear_cookies()
        tab = page if signed_out is owner else other
        await first_step(tab, address)
        await expect(tab).to_have_url(re.compile(SECOND_STEP))
        walk.problems += await look_around(tab, f"the second step, {name}")
        walk.note(tab)
    await other.get_by_role("button", name="Set it up now").click()
    await expect(other.locator(".totp-qr svg")).to_be_visible()
    await walk.look(other, path_of(other.url))
    await confirm_app(other)
    walk.problems += await look_around(other, "the first recovery codes")
    walk.finish()


def test_every_page_belongs_to_a_walk() -> None:
    """No page is left out of the five walks, and the list of what is none holds nothing that is gone."""
    hidden = {route.path for route in routes() if not route.include_in_schema}

    assert len(pages_below("/")) > 80
    assert pages_below("/") | set(NO_PAGES) == hidden
    assert set(NO_PAGES) - hidden == set()


def test_a_heavy_page_is_found() -> None:
    """The control of the walks: a page over each of the weights, and one with the framework, is complained of."""
    light = {"isCustomers": True, "html": 9_000, "files": [("/static/css/base.css", 40_000)]}
    framework = [("/static/vendor/tabler-core-1/tabler.min.css", 170_000)]

    assert overweight(light) == []
    assert overweight({**light, "isCustomers": False, "html": 60_000}) == ["60000 bytes of HTML"]
    assert overweight({**light, "isCustomers": False, "files": framework}) == ["170000 bytes of shared files"]
    assert [fault.partition(":")[0] for fault in overweight({**light, "files": framework})] == [
        "170000 bytes of shared files",
        "179000 bytes in all for a customer",
        "the dashboard's framework on a customer's page",
    ]


PLANTED = """<!doctype html><html lang="en"><head><title>Planted</title><style>
  body { background: #fff; color: #000; }
  @media (prefers-color-scheme: dark) { body { background: #000; color: #fff; } .night { color: #333; } }
  .close button { width: 12px; height: 12px; padding: 0; margin: 0; border: 0; font-size: 8px; color: #000; }
  @media (min-width: 60rem) { .wide { width: 110vw; } .close { display: none; } }
</style></head><body><main><h1>Planted</h1>
  <p class="night">Too dark by night.</p><p class="wide">Too wide at a desk.</p>
  <div class="close"><button>a</button><button>b</button></div>
  <input name="unnamed">
</main></body></html>"""


async def test_a_bad_page_is_named_in_the_looks_it_is_bad_in(open_context: OpenContext) -> None:
    """The control of the looks: colours by night, widths at a desk, targets on a phone, a field without a name."""

    async def planted(route: Route) -> None:
        await route.fulfill(body=PLANTED, content_type="text/html")

    watched = await open_context()
    await watched.context.route("**/planted", planted)
    found = await look_at(await watched.page(), "/planted")

    assert [problem.partition(" [")[0].partition(" (s")[0].partition(" (c")[0] for problem in found] == [
        "/planted (360 px, light): label",
        "/planted (360 px, light): target-size",
        "/planted (1440 px, light): 152 px too wide",
        "/planted (1440 px, light): label",
        "/planted (1440 px, dark): 152 px too wide",
        "/planted (1440 px, dark): color-contrast",
        "/planted (1440 px, dark): label",
        "/planted (360 px, dark): color-contrast",
        "/planted (360 px, dark): label",
        "/planted (360 px, dark): target-size",
    ]


async def test_a_page_that_no_walk_reaches_is_named() -> None:
    """The control of the routes: a walk that has seen nothing of its area says what it has not seen."""
    walk = Walk({"/forgotten"})

    with pytest.raises(AssertionError, match="^/forgotten: looked at nowhere"):
        walk.finish()
