"""Every page of the demo's shops, on a phone and on a desk, by day and by night."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.async_api import Page

from tests.browser.conftest import DESK, PHONE, Demo, OpenContext
from tests.browser.steps import sign_in, stamp_by_api, take_card, type_pin

pytestmark = pytest.mark.browser
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
SERIOUS = {"serious", "critical"}
LOOKS = [("phone", "light"), ("phone", "dark"), ("desk", "light"), ("desk", "dark")]
SIZES = {"phone": PHONE, "desk": DESK}
# A list shows a hundred of a kind; two of each kind are looked at.
EACH_KIND_MAX = 2
PAGES_MAX = 80
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
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


async def look_at(page: Page, path: str, *, is_phone: bool) -> list[str]:
    """Open a page and return what is wrong with it."""
    answer = await page.goto(path)
    assert answer is not None
    if "text/html" not in answer.headers.get("content-type", ""):
        return []
    problems = [] if answer.status == 200 else [f"{path}: status {answer.status}"]
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if is_phone and wide > 0:
        problems.append(f"{path}: {wide} px too wide")
    if not await page.title():
        problems.append(f"{path}: no title")
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("rules => axe.run(document, rules)", RULES)
    for violation in found["violations"]:
        if violation["impact"] in SERIOUS:
            nodes = [node["html"][:160] for node in violation["nodes"][:3]]
            problems.append(f"{path}: {violation['id']} ({violation['impact']}) {nodes}")
    return problems


async def links_of(page: Page) -> list[str]:
    """Return the paths that a page leads to."""
    hrefs: list[str] = await page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)")
    own = urlsplit(page.url).netloc
    return [urlsplit(href).path for href in hrefs if urlsplit(href).netloc == own]


def kind_of(path: str) -> str:
    """Return the address with its ids taken out."""
    return _ID.sub("*", path)


async def walk(page: Page, starts: Iterable[str], *, is_phone: bool) -> tuple[int, list[str]]:
    """Follow every link from the starts, two of each kind of page; return how many, and what is wrong."""
    waiting, seen, kinds, problems = list(starts), set[str](), dict[str, int](), list[str]()
    while waiting and len(seen) < PAGES_MAX:
        path = waiting.pop(0)
        kind = kind_of(path)
        is_skipped = (
            path in seen or kinds.get(kind, 0) >= EACH_KIND_MAX or any(part in path for part in NO_PAGES)
        )
        if is_skipped:
            continue
        seen.add(path)
        kinds[kind] = kinds.get(kind, 0) + 1
        problems += await look_at(page, path, is_phone=is_phone)
        waiting += await links_of(page)
    return len(seen), problems


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
async def test_dashboard_pages(demo: Demo, open_context: OpenContext, size: str, scheme: str) -> None:
    """Everything reachable from the dashboard's home fits, complains of nothing and can be used by everyone."""
    desk = await open_context(viewport=SIZES[size], color_scheme=scheme)
    page = await desk.page()
    await sign_in(page, demo)
    count, problems = await walk(page, ["/dashboard"], is_phone=size == "phone")
    assert problems == []
    assert count >= 10


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
async def test_customer_and_public_pages(
    demo: Demo, open_context: OpenContext, size: str, scheme: str
) -> None:
    """The same for what customers and visitors see: join, card, till, redeem, sign-up, docs, mailbox."""
    phone = await open_context(viewport=SIZES[size], color_scheme=scheme)
    page = await phone.page()
    starts = ["/", "/sign-in", "/sign-up", "/docs", "/demo/mailbox"]
    for name in ("CoffeeLux Gare", "CoffeeLux Kirchberg", "Mode Avenue"):
        store = demo.store(name)
        pass_id = await take_card(page, store, name="Ana")
        if name == "CoffeeLux Gare":
            stamp_by_api(demo, name, pass_id, quantity=10)
        starts += [
            f"/card/{pass_id}",
            f"/stamp/{store['id']}",
            f"/points/{store['id']}",
            f"/find/{store['id']}",
        ]
    for merchant in demo.merchants:
        starts += [f"/join/{store['id']}" for store in merchant["stores"]]
    count, problems = await walk(page, starts, is_phone=size == "phone")
    assert problems == []
    assert count >= 15


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
async def test_staff_pages(demo: Demo, open_context: OpenContext, size: str, scheme: str) -> None:
    """The same for the shop's device: pairing, shift, scanner, a card found, a new card."""
    device = await open_context(viewport=SIZES[size], color_scheme=scheme)
    page = await device.page()
    is_phone = size == "phone"
    problems = await look_at(page, "/staff", is_phone=is_phone)
    store = demo.store("CoffeeLux Kirchberg")
    key = {"Authorization": f"Bearer {demo.merchants[0]['api_key']}"}
    with demo.server.client() as owner:
        pairing = owner.post(f"/stores/{store['id']}/devices", json={"name": f"{size} {scheme}"}, headers=key)
        card = owner.post("/passes/create", json={"store_id": store["id"], "name": "Ana"}).json()
    problems += await look_at(page, pairing.json()["pairing_url"], is_phone=is_phone)
    await page.get_by_role("button", name="Pair this device").click()
    problems += await look_at(page, "/staff", is_phone=is_phone)
    await type_pin(page, demo.pin("CoffeeLux Kirchberg"))
    await page.get_by_label("Card number").wait_for()
    for path in ("/staff", f"/staff?card={card['card_number']}", "/staff/cards/new"):
        problems += await look_at(page, path, is_phone=is_phone)
    assert problems == []
