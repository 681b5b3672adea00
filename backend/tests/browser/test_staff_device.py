"""The shop's own device: paired by link, a shift by PIN, a typed number or a scanned code, one tap."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Playwright, expect

from tests.browser.conftest import FLAGS, Demo, OpenContext
from tests.browser.fake_camera import film_qr
from tests.browser.steps import type_pin

pytestmark = pytest.mark.browser
GARE = "CoffeeLux Gare"


def new_card(demo: Demo) -> dict[str, Any]:
    """Take a card over the API."""
    with demo.server.client() as visitor:
        answer = visitor.post("/passes/create", json={"store_id": demo.store(GARE)["id"]})
        assert answer.status_code == 201
        return dict(answer.json())


async def open_till(page: Page, demo: Demo, *, name: str) -> None:
    """Pair the device by the link of the dashboard's API and open a shift on it."""
    key = demo.merchants[0]["api_key"]
    with demo.server.client() as owner:
        answer = owner.post(
            f"/stores/{demo.store(GARE)['id']}/devices",
            json={"name": name},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.status_code == 201, answer.text
    await page.goto(answer.json()["pairing_url"])
    await page.get_by_role("button", name="Pair this device").click()
    await expect(page).to_have_url(re.compile(r"/staff$"))
    await type_pin(page, demo.pin(GARE))
    await expect(page.get_by_label("Card number")).to_be_visible()


async def test_a_typed_number_and_one_tap(demo: Demo, open_context: OpenContext) -> None:
    """A device is paired by link, a PIN opens the shift, a typed number finds the card, one tap stamps it."""
    device = await open_context(expected=("/staff",))
    page = await device.page()
    await open_till(page, demo, name="Typed")
    card = new_card(demo)
    await page.get_by_label("Card number").fill(card["card_number"].lower())
    await page.get_by_role("button", name="Find").click()
    await page.get_by_role("button", name="Give a stamp").click()
    await expect(page.locator(".till-notice.is-ok")).to_be_visible()
    with demo.server.client() as visitor:
        visitor.get(card["card_url"])
        assert visitor.get(f"/passes/{card['pass_id']}").json()["stamp_count"] == 1
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("button", name="Undo")).to_have_count(0)


async def test_the_camera_reads_a_card(
    demo: Demo, driver: Playwright, open_context: OpenContext, chromium_path: str, pictures: Path
) -> None:
    """A fake camera films the card's code; the scanner finds it, and one tap stamps it."""
    card = new_card(demo)
    film = film_qr(card["card_number"], pictures / "card.y4m")
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    camera.append(f"--use-file-for-fake-video-capture={film}")
    browser = await driver.chromium.launch(executable_path=chromium_path, args=[*FLAGS, *camera])
    try:
        device = await open_context(browser=browser, permissions=["camera"], expected=("/staff",))
        page = await device.page()
        await open_till(page, demo, name="Camera")
        await page.get_by_role("button", name="Give a stamp").click()
        await expect(page.locator(".till-notice.is-ok")).to_be_visible()
        with demo.server.client() as visitor:
            visitor.get(card["card_url"])
            assert visitor.get(f"/passes/{card['pass_id']}").json()["stamp_count"] == 1
    finally:
        await device.context.close()
        await browser.close()
