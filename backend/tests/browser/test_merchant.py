"""A merchant's first minutes in the browser: sign-up, the link in the mailbox, the dashboard."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESK, Demo, OpenContext

pytestmark = pytest.mark.browser


async def test_sign_up_through_the_mailbox(demo: Demo, open_context: OpenContext) -> None:
    """The form says to look in the mailbox; the mail's link opens the wizard, and the store is there."""
    desk = await open_context(viewport=DESK)
    page = await desk.page()
    email = f"new-{uuid4().hex[:10]}@example.com"
    await page.goto("/sign-up")
    await page.get_by_label("Name of your business").fill("Bäckerei Sauer")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password").fill("plum-orchard-tandem-42")
    await page.get_by_role("button", name="Open an account").click()
    await expect(page.get_by_text("mailbox").first).to_be_visible()
    await page.goto(demo.server.mail_link(email))
    await page.get_by_role("button", name="Open my account").click()
    await expect(page).to_have_url(re.compile("/dashboard"))
    await page.goto("/dashboard/start")
    await page.get_by_label("Name of the store").fill("Bäckerei am Eck")
    await page.get_by_role("button", name="Save and go on").click()
    await page.goto("/dashboard/stores")
    await expect(page.get_by_text("Bäckerei am Eck").first).to_be_visible()
