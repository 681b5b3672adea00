"""The first ten minutes of a shop: the first steps from the mailbox to a stamp given by camera."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Page, Playwright, expect

from tests.browser.conftest import DESK, FLAGS, Demo, OpenContext
from tests.browser.fake_camera import film_qr
from tests.browser.steps import CARD_PATH, type_pin

pytestmark = pytest.mark.browser
NEXT = "Save and go on"


async def sign_up(page: Page, demo: Demo) -> None:
    """Open an account through the mailbox; the first step is what stands there then."""
    email = f"wizard-{uuid4().hex[:10]}@example.com"
    await page.goto("/sign-up")
    await page.get_by_label("Name of your business").fill("Salon Ciseaux")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password").fill("plum-orchard-tandem-42")
    await page.get_by_role("button", name="Open an account").click()
    await expect(page.get_by_text("mailbox").first).to_be_visible()
    await page.goto(demo.server.mail_link(email))
    await page.get_by_role("button", name="Open my account").click()
    await expect(page).to_have_url(re.compile("/dashboard"))


async def walk_to_the_trial(page: Page) -> str:
    """Take the steps from the store to the trial, with a look back on the way; return the PIN that was drawn."""
    await page.goto("/dashboard")
    await expect(page).to_have_url(re.compile("/dashboard/start$"))
    await page.get_by_label("Name of the store").fill("Salon am Eck")
    await page.get_by_role("button", name=NEXT).click()
    await page.get_by_label("Stamps for a reward").fill("6")
    await page.get_by_label("The reward").fill("A free haircut")
    await page.get_by_role("button", name=NEXT).click()
    await page.get_by_role("radio", name="Plum").check()
    await page.get_by_role("radio", name="scissors").check()
    await page.get_by_role("button", name=NEXT).click()
    await expect(page).to_have_url(re.compile("/start/poster$"))
    await page.get_by_role("link", name="Back").click()
    await expect(page.get_by_role("radio", name="scissors")).to_be_checked()
    await page.get_by_role("link", name="Skip for now").click()
    poster = page.get_by_role("img", name="Poster A4")
    await expect(poster).to_be_visible()
    await expect(poster).to_have_js_property("complete", value=True)
    await page.get_by_role("link", name="Go on").click()
    await page.get_by_label("Name").fill("Nora")
    await page.get_by_role("button", name="Draw the PIN").click()
    pin = await page.locator(".secret code").inner_text()
    await page.get_by_role("link", name="I have noted it").click()
    await expect(page.get_by_role("heading", name="Try it out")).to_be_visible()
    return pin


async def add_device(page: Page) -> str:
    """Add a staff device from the trial; return the link that pairs it."""
    await page.get_by_role("link", name="Pair a device").click()
    await page.get_by_label("Name", exact=True).fill("Counter")
    await page.get_by_role("button", name="Add the device").click()
    await expect(page.get_by_role("heading", name="Pair the device now")).to_be_visible()
    link = await page.locator('[data-copy*="/staff/pair"]').get_attribute("data-copy")
    assert link is not None
    return link


async def test_a_new_shop_gives_its_first_stamp_by_camera(
    demo: Demo, driver: Playwright, open_context: OpenContext, chromium_path: str, pictures: Path
) -> None:
    """Store, reward, design, poster, team and trial; a phone joins, a device scans, and the trial's page sees both."""
    desk = await open_context(viewport=DESK)
    page = await desk.page()
    await sign_up(page, demo)
    pin = await walk_to_the_trial(page)
    join = await page.locator('a[href*="/join/"]').first.get_attribute("href")
    pairing = await add_device(page)
    await page.goto("/dashboard/start/try")
    await expect(page.locator("#try-state .is-done")).to_have_count(0)

    phone = await (await open_context()).page()
    await phone.goto(str(join))
    await phone.get_by_role("button", name="Get my card").click()
    await expect(phone).to_have_url(CARD_PATH)
    await expect(phone.locator("svg.stamps")).to_have_attribute("data-stamps-needed", "6")
    number = (await phone.locator(".card-code .number").inner_text()).replace(" ", "")
    # Nobody touches the desk: its page asks by itself.
    await expect(page.locator("#try-state .is-done")).to_have_count(1)

    film = film_qr(number, pictures / "first.y4m")
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    camera.append(f"--use-file-for-fake-video-capture={film}")
    browser = await driver.chromium.launch(executable_path=chromium_path, args=[*FLAGS, *camera])
    try:
        device = await open_context(browser=browser, permissions=["camera"], expected=("/staff",))
        till = await device.page()
        await till.goto(pairing)
        await till.get_by_role("button", name="Pair this device").click()
        await type_pin(till, pin)
        await till.get_by_role("button", name="Give a stamp").click()
        await expect(till.locator(".till-notice.is-ok")).to_be_visible()
    finally:
        await device.context.close()
        await browser.close()
    await expect(phone.locator("svg.stamps")).to_have_attribute("data-stamp-count", "1")
    await expect(page.get_by_text("Everything works.")).to_be_visible()
    await page.get_by_role("link", name="To the home page").click()
    await expect(page.get_by_text("Until the first stamp")).to_have_count(0)
