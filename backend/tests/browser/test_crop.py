"""The crop of a picture on a phone: by finger, by keyboard, and what the form sends of it."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests.browser.conftest import Demo, OpenContext
from tests.browser.steps import sign_in

pytestmark = pytest.mark.browser


def photo() -> bytes:
    """Return a picture of 800 by 600."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize((800, 600)).save(out, "PNG")
    return out.getvalue()


async def numbers(page: Page) -> list[float]:
    """Return what the form would send: left, top, width and height in percent."""
    fields = page.locator('[data-crop="photo"] [data-crop-field]')
    return [float(await fields.nth(index).input_value()) for index in range(4)]


async def test_a_picture_is_moved_and_enlarged_behind_its_window(
    demo: Demo, open_context: OpenContext
) -> None:
    """The strip of a card is cut out of the middle; doubled, dragged and moved by keys, the numbers follow."""
    page = await (await open_context()).page()
    await sign_in(page, demo)
    store = demo.merchants[0]["stores"][0]["id"]
    await page.goto(f"/dashboard/stores/{store}/design")
    chosen = {"name": "x.png", "mimeType": "image/png", "buffer": photo()}
    await page.locator("#f-file-photo").set_input_files([chosen])  # type: ignore[list-item]
    pane = page.locator('[data-crop="photo"] .cropper-pane')
    await expect(pane).to_be_visible()
    assert await numbers(page) == [0, 0, 100, 100]

    await page.get_by_label("Shape").select_option("2.6")
    assert await numbers(page) == [0, 24.4, 100, 51.3]
    await page.get_by_role("slider", name="Enlarge").fill("2")
    assert await numbers(page) == [25, 37.2, 50, 25.6]

    await pane.scroll_into_view_if_needed()
    box = await pane.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + box["width"] / 4, y, steps=4)
    await page.mouse.up()
    assert await numbers(page) == pytest.approx([12.5, 37.2, 50, 25.6], abs=0.2)

    await pane.press("ArrowDown")
    await pane.press("+")
    # One step down is a twenty-fifth of the window, and plus keeps its middle.
    assert await numbers(page) == pytest.approx([14.8, 39.4, 45.5, 23.3], abs=0.2)
    await page.locator("#photo").get_by_role("button", name="Upload").click()
    await expect(page.get_by_role("radio", name="Photo 1")).to_be_checked()
