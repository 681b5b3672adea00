"""Every page of the demo's shops, on a phone and on a desk, by day and by night."""

from __future__ import annotations

import gzip
import re
from collections import deque
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.async_api import Page

import app
from tests.browser.conftest import DESK, PHONE, Demo, OpenContext
from tests.browser.steps import sign_in, stamp_by_api, take_card, type_pin

pytestmark = pytest.mark.browser
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
SERIOUS = {"serious", "critical"}
# A page is loaded by day and by night and turned to both sizes: (size, scheme, is it examined by axe?).
Looks = tuple[tuple[dict[str, int], Literal["light", "dark"], bool], ...]
LOOKS: Looks = (
    (PHONE, "light", True),
    (DESK, "light", False),
    (DESK, "dark", True),
    (PHONE, "dark", False),
)
PAGES_MAX = 80
# What fits an ordinary run; with PAGES_MAX and all LOOKS the walk takes some ten minutes.
SHORT_LOOKS = LOOKS[:2]
SHORT_PAGES_MAX = 30
STATIC = Path(app.__file__).parent / "static"
# What reads codes where the browser itself cannot; fetched with the camera, not with the page.
CAMERA = ("jsQR.js", "zxing_reader.js")
# Compressed bytes, as docs/performance.md promises them.
HTML_BYTES_MAX = 60_000
SHARED_BYTES_MAX = 160_000
CUSTOMER_BYTES_MAX = 60_000
WEIGHT = """() => ({
  isCustomers: document.body.classList.contains("customer"),
  files: performance.getEntriesByType("resource").map(file => new URL(file.name).pathname),
})"""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
# What a link would end, download or stream instead of showing a page.
NO_PAGES = (
    "/sign-out",
    "/logout",
    ".json",
    ".csv",
    ".xlsx",
    ".pdf",
    ".svg",
    ".png",
    "/live",
    "/demo/mailbox/",
)
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    "resultTypes": ["violations"],
}
# By night only the colours are others.
NIGHT_RULES = RULES | {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


async def look_at(page: Page, path: str, *, looks: Looks = SHORT_LOOKS) -> list[str]:
    """Open a page and return what is wrong with it in any of the looks."""
    await turn(page, *looks[0][:2])
    answer = await page.goto(path)
    assert answer is not None
    if "text/html" not in answer.headers.get("content-type", ""):
        return []
    problems = [] if answer.status == 200 else [f"{path}: status {answer.status}"]
    if not await page.title():
        problems.append(f"{path}: no title")
    await page.wait_for_load_state("load")
    seen = await page.evaluate(WEIGHT)
    html = len(gzip.compress(await answer.body()))
    files = [(name, compressed_size(name)) for name in seen["files"]]
    weight = {"isCustomers": seen["isCustomers"], "html": html, "files": files}
    problems += [f"{path}: {fault}" for fault in overweight(weight)]
    for number, (size, scheme, is_examined) in enumerate(looks):
        await turn(page, size, scheme)
        if number and is_examined:
            # Colours that fade over to the other scheme are no colours of the page.
            await page.goto(path)
        rules = RULES if scheme == "light" else NIGHT_RULES
        found = await faults(page, rules if is_examined else None)
        problems += [f"{path} ({size['width']} px, {scheme}): {problem}" for problem in found]
    return problems


@cache
def compressed_size(path: str) -> int:
    """Return what a static file weighs on its way; 0 for what is none."""
    file = STATIC / path.removeprefix("/static/").partition("/")[2]
    return len(gzip.compress(file.read_bytes())) if path.startswith("/static/") and file.is_file() else 0


def overweight(weight: dict[str, Any]) -> list[str]:
    """Return what is too heavy about a page that was just loaded; what a camera needs later is not counted."""
    html: int = weight["html"]
    files = {path: size for path, size in weight["files"] if path.startswith("/static/")}
    shared = sum(
        size
        for path, size in files.items()
        if path.endswith((".css", ".js", ".svg")) and not path.endswith(CAMERA)
    )
    problems = []
    if not 0 < html < HTML_BYTES_MAX:
        problems.append(f"{html} bytes of HTML")
    if shared >= SHARED_BYTES_MAX:
        problems.append(f"{shared} bytes of shared files")
    if weight["isCustomers"] and html + shared >= CUSTOMER_BYTES_MAX:
        problems.append(f"{html + shared} bytes in all for a customer: {files}")
    if weight["isCustomers"] and any("tabler-core" in path for path in files):
        problems.append("the dashboard's framework on a customer's page")
    return problems


async def turn(page: Page, size: dict[str, int], scheme: Literal["light", "dark"]) -> None:
    """Show the page at a size and by day or by night."""
    await page.set_viewport_size({"width": size["width"], "height": size["height"]})
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")


async def faults(page: Page, rules: dict[str, Any] | None) -> list[str]:
    """Return what is wrong with the page as it stands; rules: what axe looks for, if it looks."""
    problems = []
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        problems.append(f"{wide} px too wide")
    if rules is not None:
        await page.evaluate(AXE.read_text())
        found: dict[str, Any] = await page.evaluate("rules => axe.run(document, rules)", rules)
        for violation in found["violations"]:
            if violation["impact"] in SERIOUS:
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                problems.append(f"{violation['id']} ({violation['impact']}) {nodes}")
    return problems


async def links_of(page: Page) -> list[str]:
    """Return the paths that a page leads to."""
    hrefs: list[str] = await page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)")
    own = urlsplit(page.url).netloc
    paths = [urlsplit(href).path for href in hrefs if urlsplit(href).netloc == own]
    # A pass is a download, and its Google sibling leads to another site: neither is a page of ours.
    return [path for path in paths if not path.startswith("/passes/")]


def kind_of(path: str) -> str:
    """Return the address with its ids taken out."""
    return _ID.sub("*", path)


async def walk(
    page: Page, starts: Iterable[str], *, looks: Looks = SHORT_LOOKS, pages_max: int = PAGES_MAX
) -> tuple[set[str], list[str]]:
    """Follow every link from the starts, one of each kind of page; return the kinds, and what is wrong."""
    waiting, seen, problems = deque(starts), set[str](), list[str]()
    while waiting and len(seen) < pages_max:
        path = waiting.popleft()
        if kind_of(path) in seen or any(part in path for part in NO_PAGES):
            continue
        seen.add(kind_of(path))
        problems += await look_at(page, path, looks=looks)
        waiting += await links_of(page)
    return seen, problems


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


async def test_dashboard_pages(demo: Demo, open_context: OpenContext) -> None:
    """What is next to the dashboard's home fits, complains of nothing and can be used by everyone."""
    desk = await open_context()
    page = await desk.page()
    await sign_in(page, demo)
    store = demo.merchants[0]["stores"][0]["id"]
    starts = ["/dashboard", "/dashboard/stores", f"/dashboard/stores/{store}", "/dashboard/customers"]
    seen, problems = await walk(page, starts, pages_max=SHORT_PAGES_MAX)
    assert not problems, "\n".join(problems)
    assert {"/dashboard", "/dashboard/stores", "/dashboard/stores/*", "/dashboard/customers"} <= seen, seen


async def test_customer_and_public_pages(demo: Demo, open_context: OpenContext) -> None:
    """The same for what customers and visitors see: join, card, till, redeem, sign-up, docs, mailbox."""
    phone = await open_context()
    page = await phone.page()
    starts = ["/", "/sign-in", "/sign-up", "/docs", "/demo/mailbox"]
    for name in ("Mode Avenue", "CoffeeLux Gare"):
        store = demo.store(name)
        pass_id = await take_card(page, store, name="Ana")
        starts += [
            f"/card/{pass_id}",
            f"/points/{store['id']}",
            f"/join/{store['id']}",
            f"/find/{store['id']}",
        ]
    stamp_by_api(demo, "CoffeeLux Gare", pass_id, quantity=10)
    # Mode Avenue's card has no reward to redeem: the second card is looked at as well.
    problems = await look_at(page, f"/card/{pass_id}") + await look_at(page, f"/stamp/{store['id']}")
    starts += await links_of(page)
    await page.goto(f"/card/{pass_id}")
    starts += await links_of(page)
    seen, more = await walk(page, starts)
    assert not problems + more, "\n".join(problems + more)
    assert {
        "/",
        "/docs",
        "/join/*",
        "/card/*",
        "/card/*/redeem/*",
        "/points/*",
        "/cards",
        "/find/*",
    } <= seen, seen


async def test_staff_pages(demo: Demo, open_context: OpenContext) -> None:
    """The same for the shop's device: pairing, shift, scanner, a card found, a new card."""
    device = await open_context()
    page = await device.page()
    problems = await look_at(page, "/staff")
    store = demo.store("CoffeeLux Kirchberg")
    key = {"Authorization": f"Bearer {demo.merchants[0]['api_key']}"}
    with demo.server.client() as owner:
        pairing = owner.post(f"/stores/{store['id']}/devices", json={"name": "Walk"}, headers=key)
        card = owner.post("/passes/create", json={"store_id": store["id"], "name": "Ana"}).json()
    problems += await look_at(page, pairing.json()["pairing_url"])
    await page.get_by_role("button", name="Pair this device").click()
    problems += await look_at(page, "/staff")
    await type_pin(page, demo.pin("CoffeeLux Kirchberg"))
    await page.get_by_label("Card number").wait_for()
    for path in ("/staff", f"/staff?card={card['card_number']}", "/staff/cards/new"):
        problems += await look_at(page, path)
    assert not problems, "\n".join(problems)
