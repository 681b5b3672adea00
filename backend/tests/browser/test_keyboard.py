"""The dashboard without a mouse: skip link, search, charts, questions; and what a mouse adds to a chart."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import DESK, Demo, OpenContext
from tests.browser.steps import sign_in

pytestmark = pytest.mark.browser
GARE = "CoffeeLux Gare"
TABS_MAX = 120


async def desk_page(demo: Demo, open_context: OpenContext, path: str) -> Page:
    """Return a page of the dashboard on a desk, signed in."""
    page = await (await open_context(viewport=DESK)).page()
    await sign_in(page, demo)
    await page.goto(path)
    return page


async def tab_to(page: Page, selector: str) -> None:
    """Press the tab key until the focus is on what is looked for."""
    for _press in range(TABS_MAX):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{TABS_MAX} tabs do not lead to {selector}")


async def test_a_chart_is_read_by_the_arrow_keys(demo: Demo, open_context: OpenContext) -> None:
    """The newest bar first, then those before it, each said aloud; Escape and leaving take the numbers away."""
    page = await desk_page(demo, open_context, "/dashboard/analytics")
    tips = [str(await hit.get_attribute("data-tip")) for hit in await page.locator(".chart-hit").all()]
    tip, spoken = page.locator(".chart-tip"), page.locator("body > [aria-live=polite]:last-child")

    await tab_to(page, ".chart-plot")
    first = page.locator(".chart-plot").first
    count = await first.locator(".chart-hit").count()
    assert await tip.text_content() == tips[count - 1]
    await page.keyboard.press("ArrowLeft")
    assert await tip.text_content() == tips[count - 2]
    assert await spoken.text_content() == tips[count - 2].replace("\n", ", ")
    await page.keyboard.press("Home")
    assert await tip.text_content() == tips[0]
    await page.keyboard.press("ArrowLeft")
    assert await tip.text_content() == tips[0]
    await expect(tip).to_be_visible()

    await page.keyboard.press("Escape")
    await expect(tip).to_be_hidden()
    await page.keyboard.press("End")
    await expect(tip).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(tip).to_be_hidden()


async def test_a_grid_is_read_by_the_arrow_keys(demo: Demo, open_context: OpenContext) -> None:
    """Left and right go through the hours, up and down through the days."""
    page = await desk_page(demo, open_context, "/dashboard/analytics/times")
    grid = page.locator(".fields-heat").first
    rows = [
        [str(await cell.get_attribute("data-tip")) for cell in await row.locator("[data-tip]").all()]
        for row in await grid.locator("tbody tr").all()
    ]
    tip = page.locator(".chart-tip")

    await tab_to(page, ".fields-heat")
    assert await tip.text_content() == rows[0][0]
    for key, text in (
        ("ArrowRight", rows[0][1]),
        ("ArrowDown", rows[1][1]),
        ("ArrowUp", rows[0][1]),
        ("ArrowUp", rows[0][1]),
    ):
        await page.keyboard.press(key)
        assert await tip.text_content() == text


async def test_the_numbers_stay_while_the_pointer_is_on_them(demo: Demo, open_context: OpenContext) -> None:
    """Shown on hover, kept when the pointer moves onto them, gone when it leaves (WCAG 1.4.13)."""
    page = await desk_page(demo, open_context, "/dashboard")
    await page.clock.install()
    await page.goto("/dashboard/analytics")
    tip = page.locator(".chart-tip")
    await page.locator(".chart-plot").first.scroll_into_view_if_needed()
    await page.locator(".chart-hit").nth(5).hover()
    await expect(tip).to_be_visible()
    text = await tip.text_content()

    box = await tip.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    await page.clock.run_for(1_000)
    await expect(tip).to_be_visible()
    assert await tip.text_content() == text
    await page.mouse.move(5, 5)
    await page.clock.run_for(1_000)
    await expect(tip).to_be_hidden()


async def test_a_customer_is_two_keys_away(demo: Demo, open_context: OpenContext) -> None:
    """Ctrl+K goes to the search from any page; what is typed there is what the list of customers is asked."""
    page = await desk_page(demo, open_context, "/dashboard/stores")

    await page.keyboard.press("Control+k")
    await page.keyboard.type("ana")
    await page.keyboard.press("Enter")

    await expect(page).to_have_url(re.compile(r"/dashboard/customers\?q=ana$"))
    await page.wait_for_load_state()  # the address is there before the scripts are
    await page.keyboard.press("Control+k")
    await expect(page.locator("#f-q")).to_be_focused()


async def test_the_search_of_a_phone_is_in_its_menu(demo: Demo, open_context: OpenContext) -> None:
    """Where the frame is folded away, Ctrl+K of a keyboard beside it unfolds the menu."""
    page = await (await open_context()).page()
    await sign_in(page, demo)
    await page.goto("/dashboard")

    await page.keyboard.press("Control+k")

    await expect(page.locator("#app-q")).to_be_focused()
    await expect(page.locator("#app-q")).to_be_visible()


async def test_the_frame_can_be_skipped(demo: Demo, open_context: OpenContext) -> None:
    """The first stop of the tab key leads past the navigation."""
    page = await desk_page(demo, open_context, "/dashboard")

    await page.keyboard.press("Tab")
    await expect(page.locator(".skip-link")).to_be_focused()
    await page.keyboard.press("Enter")

    await expect(page.locator("#content")).to_be_focused()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('#content') !== null")


async def test_a_question_is_answered_with_no_by_itself(demo: Demo, open_context: OpenContext) -> None:
    """It opens on its harmless answer, Escape closes it, and the focus is back where it was."""
    page = await desk_page(demo, open_context, f"/dashboard/stores/{demo.store(GARE)['id']}")
    opener = page.get_by_role("button", name="Close the store")
    await opener.focus()

    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(opener).to_be_focused()


async def test_the_preview_speaks_the_language_that_is_written(demo: Demo, open_context: OpenContext) -> None:
    """Who writes French sees the French card; the choice above the preview changes it by itself, too."""
    page = await desk_page(demo, open_context, f"/dashboard/stores/{demo.store(GARE)['id']}/design")
    preview = page.locator("#preview")
    await page.locator(".tongue", has_text="Français").locator("summary").click()

    await page.locator("#f-title_fr").fill("Carte du matin")
    await expect(preview.locator(".loyalty-card-sub")).to_have_text("Carte du matin")
    await expect(page.locator("#f-show")).to_have_value("fr")
    await page.locator("#f-show").select_option("de")
    await expect(preview.locator(".pass-back")).to_contain_text("Öffnungszeiten")
