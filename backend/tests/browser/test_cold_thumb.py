"""A stranger at the counter: taps and bytes to the card, its weight, without scripts, without a network."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Response, expect

from tests.browser.conftest import WAIT_MS_MAX, Demo, OpenContext, Watched
from tests.browser.post_office import PostOffice
from tests.browser.steps import CARD_PATH, stamp_by_api, take_card

pytestmark = pytest.mark.browser

GARE = "CoffeeLux Gare"
# HTML, styles, scripts and pictures of a customer's page as they come over the wire (performance.md 7).
PAGE_BYTES_MAX = 60_000
# Both pages of the way, the second with most of its files kept from the first: a third of a second of a 3G network.
FROM_CODE_TO_CARD_BYTES_MAX = 70_000
FROM_CODE_TO_CARD_FILES_MAX = 16
STYLES_MAX = 4


@dataclass
class Load:
    """What came over the wire: each path with its bytes, headers included, as the browser counted them."""

    answers: list[Response] = field(default_factory=list)

    async def parts(self) -> dict[str, int]:
        """Return the bytes of everything but live streams and what a page asks for once it is there."""
        found: dict[str, int] = {}
        for answer in self.answers:
            if answer.request.resource_type in {"eventsource", "fetch"} or not answer.ok:
                continue
            sizes = await answer.request.sizes()
            body, head = sizes["responseBodySize"], sizes["responseHeadersSize"]
            path = urlsplit(answer.url).path
            found[path] = found.get(path, 0) + body + head
        return found


@asynccontextmanager
async def loading(page: Page) -> AsyncIterator[Load]:
    """Note everything that a page loads meanwhile."""
    load = Load()

    def note(answer: Response) -> None:
        load.answers.append(answer)

    page.on("response", note)
    yield load
    page.remove_listener("response", note)


async def without_a_cache(page: Page) -> None:
    """Let a page be as on its first visit, each time."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await session.send("Network.setBypassServiceWorker", {"bypass": True})


BLOCKING = """() => ({
  first: performance.getEntriesByType("resource").filter(one => one.renderBlockingStatus === "blocking")
    .map(one => new URL(one.name).pathname),
  scripts: [...document.scripts].filter(one => !one.async && !one.defer && one.type !== "module").map(one => one.src),
})"""


async def test_one_tap_from_the_code_to_the_card(demo: Demo, open_context: OpenContext) -> None:
    """Code, page, one tap, card: two pages, little to load for both, and nothing but styles before the first paint.

    What it takes in seconds on a slow network is measured by bench/first_card.py.
    """
    page = await (await open_context()).page()
    async with loading(page) as load:
        await page.goto(demo.store(GARE)["join_url"], wait_until="load")
        before = [await page.evaluate(BLOCKING)]
        await page.get_by_role("button", name="Get my card").tap()
        await expect(page.locator("#card-state svg.stamps")).to_be_visible()
        await page.wait_for_load_state("load")
        before.append(await page.evaluate(BLOCKING))
    parts = await load.parts()
    documents = [one for one in load.answers if one.request.resource_type == "document"]
    assert [one.status for one in documents] == [200, 303, 200]
    assert [one.headers.get("content-encoding") for one in documents] == ["gzip", None, "gzip"]
    assert sum(parts.values()) < FROM_CODE_TO_CARD_BYTES_MAX, parts
    assert len(parts) <= FROM_CODE_TO_CARD_FILES_MAX, parts
    for seen in before:
        assert seen["first"], "the styles come first"
        assert {PurePosixPath(path).suffix for path in seen["first"]} == {".css"}
        assert len(seen["first"]) <= STYLES_MAX
        assert seen["scripts"] == []


async def test_each_customer_page_is_light(demo: Demo, open_context: OpenContext) -> None:
    """Everything a page loads on a first visit is under 60 KB on the wire, headers included, with no proxy's help."""
    page = await (await open_context()).page()
    store = demo.store(GARE)
    card = await take_card(page, store, name="Ana")
    stamp_by_api(demo, GARE, card, quantity=10)
    await page.reload()
    redeem = await page.get_by_role("link", name="Redeem").get_attribute("href")
    paths = [f"/join/{store['id']}?new=1", f"/find/{store['id']}", f"/card/{card}", "/cards"]
    paths += [f"/stamp/{store['id']}", f"/card/{card}/details", f"/card/{card}/delete"]
    paths += [f"/privacy/{store['id']}", str(redeem)]
    await without_a_cache(page)
    weights = {}
    for path in paths:
        async with loading(page) as load:
            await page.goto(path, wait_until="load")
        parts = await load.parts()
        assert {".css", ".js"} <= {PurePosixPath(name).suffix for name in parts}, parts
        weights[path] = parts
    heavy = {path: parts for path, parts in weights.items() if sum(parts.values()) >= PAGE_BYTES_MAX}
    assert heavy == {}


async def until(page: Page, condition: str) -> None:
    """Wait until a promise of the page comes true; wait_for_function takes the promise itself for true."""
    loop = "for (;;) { if (await (%s)()) return; await new Promise(next => setTimeout(next, 50)); }"
    async with asyncio.timeout(WAIT_MS_MAX / 1_000):
        await page.evaluate(f"async () => {{ {loop % condition} }}")


async def keep_offline(page: Page) -> None:
    """Wait until the worker of the page has kept it, with what it needs."""
    await until(
        page,
        """async () => {
            const pages = await (await caches.open("stempel-pages-2")).keys();
            const files = await (await caches.open("stempel-files-1")).keys();
            return pages.some(one => new URL(one.url).pathname === location.pathname)
                && ["base.css", "stempel.css", "card.css", "theme"].every(
                    name => files.some(one => one.url.includes(name)));
        }""",
    )


async def without_a_network(watched: Watched) -> None:
    """Take the network away from the page and from its worker."""
    await watched.context.set_offline(True)


async def test_the_card_is_there_without_a_network(demo: Demo, open_context: OpenContext) -> None:
    """Opened once, it shows without a network with its age, also as an installed app; a stamp seen before is on it."""
    phone = await open_context(expected=("/live", "/state", "/card/", "/static/", "/theme/"))
    page = await phone.page()
    card = await take_card(page, demo.store(GARE))
    await keep_offline(page)
    manifest = await (await page.request.get(f"/card/{card}/manifest.webmanifest")).json()
    assert manifest["start_url"].startswith(f"/card/{card}?t=")
    before = int(await page.locator("#card-state").get_attribute("data-revision") or 0)
    stamp_by_api(demo, GARE, card, quantity=2)
    await expect(page.locator("#card-state")).not_to_have_attribute("data-revision", str(before))
    await until(
        page,
        """async () => {
            const kept = await (await caches.open("stempel-pages-2")).match(location.pathname);
            return kept && /data-stamp-count="2"/.test(await kept.text());
        }""",
    )
    await expect(page.get_by_text("No network")).to_be_hidden()
    await without_a_network(phone)
    for address in (f"/card/{card}", manifest["start_url"]):
        await page.goto(address)
        await expect(page.get_by_text("No network")).to_be_visible()
        await expect(page.get_by_text(re.compile("as it stood on .*20"))).to_be_visible()
        await expect(page.locator('[data-stamp-count="2"]')).to_be_visible()
        background = await page.locator("body").evaluate("node => getComputedStyle(node).backgroundColor")
        assert background not in {"rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"}, "the styles are there, too"


@pytest.mark.parametrize("way", ["removed", "deleted", "closed elsewhere"])
async def test_no_copy_stays_on_a_phone_that_the_card_left(
    demo: Demo, open_context: OpenContext, way: str
) -> None:
    """Removed from the device, deleted, or closed by another device: without a network there is nothing left."""
    phone = await open_context(expected=("/card/", "/live", "/state"))
    page = await phone.page()
    card = await take_card(page, demo.store(GARE))
    await page.reload()
    await keep_offline(page)
    if way == "closed elsewhere":
        await close_elsewhere(demo, open_context, page)
        await expect(page.get_by_text("This card is not on this device").first).to_be_visible()
    else:
        await page.locator("#my-data summary").click()
        if way == "removed":
            await page.get_by_role("button", name="Remove the card from this device").click()
            await expect(page).to_have_url(re.compile("/cards$"))
        else:
            await page.get_by_role("link", name="Delete my data").click()
            await page.get_by_role("button", name="Delete everything now").click()
            await expect(page.get_by_text("Your data is deleted.")).to_be_visible()
    kept = "async () => (await (await caches.open('stempel-pages-2')).keys()).map(one => one.url)"
    assert not [one for one in await page.evaluate(kept) if card in one]
    await without_a_network(phone)
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED|ERR_FAILED"):
        await page.goto(f"/card/{card}")


async def close_elsewhere(demo: Demo, open_context: OpenContext, page: Page) -> None:
    """Open the card on a second device by its app's address, which closes it on all others; their pages hear of it."""
    card = page.url.partition("/card/")[2][:36]
    start = (await (await page.request.get(f"/card/{card}/manifest.webmanifest")).json())["start_url"]
    other = await (await open_context()).page()
    await other.goto(start)
    await other.locator("#my-data summary").click()
    await other.get_by_role("button", name="Close the card on all other devices").click()
    await expect(other.get_by_text("The card is open on this device only.")).to_be_visible()


async def test_every_flow_without_scripts(
    demo: Demo, open_context: OpenContext, post_office: PostOffice
) -> None:
    """Joined, an address added, confirmed, corrected, redeemed, downloaded, deleted: all by plain forms."""
    phone = await open_context(java_script_enabled=False, expected=("/card/",), accept_downloads=True)
    page = await phone.page()
    store = demo.store(GARE)
    email = f"plain-{time.time_ns()}@plain.example"
    card = await take_card(page, store, name="Ana")
    banner = page.locator("#email-banner")
    await banner.get_by_label("Email").fill(email)
    await banner.get_by_role("button", name="Add").click()
    await expect(page).to_have_url(CARD_PATH)
    await expect(page.get_by_text("We sent you a link. Please look in your mailbox.").first).to_be_visible()
    place = post_office.wait_for(email, subject="Confirm", after=0)
    await page.goto(post_office.to(email)[place - 1].links[0])
    await page.locator("main form button[type=submit]").first.click()
    await expect(page.locator("#email-banner")).to_have_count(0)
    await page.locator("#my-data summary").click()
    await page.get_by_role("link", name="Correct my details").click()
    await page.get_by_label("Name").fill("Anna")
    await page.get_by_role("button", name="Save").click()
    await page.locator("#my-data summary").click()
    await expect(page.locator("#my-data")).to_contain_text("Anna")
    async with page.expect_download():
        await page.get_by_role("link", name="Download my data").click()
    stamp_by_api(demo, GARE, card, quantity=10)
    await page.reload()
    await page.get_by_role("link", name="Redeem").click()
    await page.get_by_label("Staff PIN").fill(demo.pin(GARE))
    await page.get_by_role("button", name="Give it out").last.click()
    await expect(page.get_by_text("Redeemed at")).to_be_visible()
    await page.goto(f"/card/{card}/delete")
    await page.get_by_role("button", name="Send me the link").click()
    place = post_office.wait_for(email, subject="Delete your data", after=place)
    await page.goto(post_office.to(email)[place - 1].links[0])
    await page.get_by_role("button", name="Delete everything now").click()
    await expect(page.get_by_text("Your data is deleted.")).to_be_visible()
    gone = await page.goto(f"/card/{card}")
    assert gone is not None
    assert gone.status == 401
