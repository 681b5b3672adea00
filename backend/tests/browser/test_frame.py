"""What holds the pages of the dashboard together: the navigation beside them, and what is seen while one waits."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import DESK, Demo, OpenContext
from tests.browser.steps import sign_in

pytestmark = pytest.mark.browser
NOTHING = "rgba(0, 0, 0, 0)"


async def test_the_navigation_stays_beside_a_long_page(demo: Demo, open_context: OpenContext) -> None:
    """Scrolled to its end, a long page has the navigation where it was."""
    page = await (await open_context(viewport=DESK)).page()
    await sign_in(page, demo)
    await page.goto("/dashboard/analytics")

    await page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")

    assert await page.evaluate("scrollY") > DESK["height"] / 2
    box = await page.locator(".app-side").bounding_box()
    assert box is not None
    assert (round(box["y"]), round(box["height"])) == (0, DESK["height"])


async def test_a_slow_answer_is_awaited_as_a_skeleton(demo: Demo, open_context: OpenContext) -> None:
    """While the server searches, the rows are bars; its answer takes their place."""
    page = await (await open_context(viewport=DESK)).page()
    await sign_in(page, demo)
    await page.goto("/dashboard/customers")
    answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await asyncio.wait_for(answer.wait(), timeout=30)
        await route.continue_()

    await page.route(re.compile(r"/dashboard/customers\?.*q=an"), hold)
    cell = page.locator("#people tbody td").last
    assert await cell.evaluate("cell => getComputedStyle(cell).color") != NOTHING

    await page.locator("#f-q").fill("an")
    await expect(page.locator("#people")).to_have_class(re.compile("htmx-request"))
    await expect(cell).to_have_css("color", NOTHING)
    answer.set()

    await expect(page).to_have_url(re.compile("q=an"))
    await expect(page.locator("#people")).not_to_have_class(re.compile("htmx-request"))
    await expect(page.locator("#people tbody td").last).not_to_have_css("color", NOTHING)
