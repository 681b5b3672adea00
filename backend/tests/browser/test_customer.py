"""A customer's phone: taking a card, being stamped, seeing it move, redeeming."""

from __future__ import annotations

import re
import time

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Demo, OpenContext
from tests.browser.steps import stamp_by_api, take_card, type_pin

pytestmark = pytest.mark.browser
GARE = "CoffeeLux Gare"
LIVE_SECONDS_MAX = 1.0


async def test_stamped_by_pin_without_a_reload(demo: Demo, open_context: OpenContext) -> None:
    """A card is taken by the join link; staff type a PIN on the phone, and only a part of the page changes."""
    phone = await open_context(expected=("/stamp/",))
    page = await phone.page()
    await take_card(page, demo.store(GARE), name="Ana")
    await page.goto(f"/stamp/{demo.store(GARE)['id']}")
    loads: list[str] = []
    page.on("load", lambda loaded: loads.append(loaded.url))
    wrong = "918273" if demo.pin(GARE) != "918273" else "918274"
    await type_pin(page, wrong)
    await expect(page.get_by_text("That PIN is not right")).to_be_visible()
    await type_pin(page, demo.pin(GARE))
    await expect(page.get_by_text("1 of 10 stamps")).to_be_visible()
    assert loads == []
    await page.get_by_role("link", name="To my card").click()
    await expect(page.locator("#card-state")).to_contain_text("1")


async def test_stamped_by_pin_without_javascript(demo: Demo, open_context: OpenContext) -> None:
    """The same by plain forms."""
    phone = await open_context(java_script_enabled=False)
    page = await phone.page()
    await take_card(page, demo.store(GARE))
    await page.goto(f"/stamp/{demo.store(GARE)['id']}")
    await page.get_by_label("Staff PIN").fill(demo.pin(GARE))
    await page.get_by_role("button", name="Stamp", exact=True).last.click()
    await expect(page.get_by_role("img", name="1 / 10 stamps")).to_be_visible()
    await expect(page.get_by_text("+1 stamp").first).to_be_visible()


async def test_the_open_card_moves_by_itself(demo: Demo, open_context: OpenContext) -> None:
    """A stamp given on another device is seen on the open page within a second."""
    phone = await open_context()
    page = await phone.page()
    pass_id = await take_card(page, demo.store(GARE))
    state = page.locator("#card-state")
    revision = int(await state.get_attribute("data-revision") or 0)
    loads: list[str] = []
    page.on("load", lambda loaded: loads.append(loaded.url))
    # The page listens once its stream has answered.
    async with page.expect_response(lambda response: "/live" in response.url):
        await page.reload()
    loads.clear()
    stamp_by_api(demo, GARE, pass_id, quantity=3)
    began = time.perf_counter()
    await expect(page.locator("#card-state")).not_to_have_attribute("data-revision", str(revision))
    seconds = time.perf_counter() - began
    assert seconds < LIVE_SECONDS_MAX, f"seen after {seconds:.2f} s"
    assert loads == []


async def test_redeeming_shows_a_moving_clock(demo: Demo, open_context: OpenContext) -> None:
    """A full card is redeemed by PIN; the screen for staff moves, and a reload is no longer fresh for ever."""
    phone = await open_context()
    page = await phone.page()
    pass_id = await take_card(page, demo.store(GARE))
    stamp_by_api(demo, GARE, pass_id, quantity=10)
    await page.reload()
    await page.get_by_role("link", name="Redeem").click()
    await expect(page.get_by_role("heading", name="A coffee on the house")).to_be_visible()
    await type_pin(page, demo.pin(GARE))
    clock = page.locator("[data-clock]")
    await expect(clock).to_be_visible()
    first = await clock.inner_text()
    await expect(clock).not_to_have_text(first)
    await page.get_by_role("link", name="Done").click()
    await expect(page.locator("#card-state")).to_be_visible()
    await expect(page.get_by_role("link", name="Redeem")).to_have_count(0)
    assert re.search(r"/card/[0-9a-f-]{36}$", page.url)
