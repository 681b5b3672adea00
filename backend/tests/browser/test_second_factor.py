"""The second step in a real browser: a passkey from a virtual authenticator, and an app's codes without any script."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Page, expect

from app.commands.merchants import MerchantWish, create
from app.modules.second_factor.rules import step_of
from app.modules.second_factor.totp import code_at
from app.utils.id_generator import new_id
from tests.browser.conftest import DESK, Demo, OpenContext

PASSWORD = "plum-orchard-tandem-42"
SECURITY = "/dashboard/account/security"
DASHBOARD = re.compile("/dashboard")
STEP = re.compile("/sign-in/second-step")
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def email(demo: Demo) -> str:
    """Return the sign-in of a business of this test's own."""
    address = f"keys-{new_id().hex[-12:]}@example.com"
    wish = MerchantWish("Schlësselbuttek", address, PASSWORD, "en")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(create, demo.server.settings, wish).result()
    return address


async def sign_in(page: Page, email: str) -> None:
    """Take the first step."""
    await page.goto("/sign-in")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def plug_in(page: Page) -> Any:
    """Give the browser a virtual authenticator; return (its session, its id)."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return session, made["authenticatorId"]


@pytest.mark.parametrize("viewport", [None, DESK], ids=["phone", "desk"])
async def test_a_passkey_is_made_and_signs_in(
    open_context: OpenContext, email: str, viewport: dict[str, int] | None
) -> None:
    """Made on the page, it opens the dashboard alone, and is the second step after the password."""
    watched = await open_context(viewport=viewport)
    page = await watched.page()
    session, authenticator = await plug_in(page)
    await sign_in(page, email)
    await expect(page).to_have_url(DASHBOARD)
    await page.goto(SECURITY)
    await page.get_by_label("What is it on?").fill("My phone")
    await page.locator("#f-password-passkey").fill(PASSWORD)
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.locator(".recovery-codes code")).to_have_count(10)
    kept = await session.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})
    assert [key["isResidentCredential"] for key in kept["credentials"]] == [True]

    await watched.context.clear_cookies()
    await page.goto("/sign-in")
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(page).to_have_url(DASHBOARD)
    await page.goto(SECURITY)
    await expect(page.get_by_text("My phone", exact=True)).to_be_visible()

    await watched.context.clear_cookies()
    await sign_in(page, email)
    await expect(page).to_have_url(STEP)
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page).to_have_url(DASHBOARD)


async def test_a_device_that_does_not_know_its_owner_is_refused(
    open_context: OpenContext, email: str
) -> None:
    """Without the fingerprint nothing is made; the page says so, and the form can be sent again."""
    watched = await open_context()
    page = await watched.page()
    session, authenticator = await plug_in(page)
    await session.send(
        "WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False}
    )
    await sign_in(page, email)
    await expect(page).to_have_url(DASHBOARD)
    await page.goto(SECURITY)
    await page.locator("#f-password-passkey").fill(PASSWORD)
    button = page.get_by_role("button", name="Add a passkey")
    await button.click()
    await expect(page.locator("[data-passkey-problem]")).to_have_text(
        "No passkey was made. You can try again."
    )

    await session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": True})
    await button.click()
    await expect(page.locator(".recovery-codes code")).to_have_count(10)


async def test_a_wrong_password_is_said_beside_the_button(open_context: OpenContext, email: str) -> None:
    """The device is not even asked, and what was typed stays."""
    watched = await open_context(expected=(f"{SECURITY}/passkeys/options",))
    page = await watched.page()
    session, authenticator = await plug_in(page)
    await sign_in(page, email)
    await expect(page).to_have_url(DASHBOARD)
    await page.goto(SECURITY)
    await page.get_by_label("What is it on?").fill("My phone")
    await page.locator("#f-password-passkey").fill("wrong")
    await page.get_by_role("button", name="Add a passkey").click()

    await expect(page.locator("[data-passkey-problem]")).to_have_text("That is not your password.")
    await expect(page.get_by_label("What is it on?")).to_have_value("My phone")
    kept = await session.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})
    assert kept["credentials"] == []


async def test_codes_work_without_scripts(open_context: OpenContext, email: str) -> None:
    """Set up, sign in, recover and turn off, with JavaScript switched off."""
    watched = await open_context(java_script_enabled=False)
    page = await watched.page()
    await sign_in(page, email)
    await expect(page).to_have_url(DASHBOARD)
    await page.goto(SECURITY)
    await page.locator("#app summary").click()
    await page.locator("#f-password-app").fill(PASSWORD)
    await page.locator("#app").get_by_role("button", name="Go on").click()
    await expect(page.locator(".totp-qr svg")).to_be_visible()
    await page.get_by_text("I cannot scan").click()
    text = await page.locator("#totp-secret").inner_text()
    secret = base64.b32decode(text.replace(" ", ""))
    step = step_of(datetime.now(UTC))
    await page.get_by_label("Type the six digits").fill(code_at(secret, step))
    await page.get_by_role("button", name="Confirm").click()
    codes = await page.locator(".recovery-codes code").all_inner_texts()
    assert len(codes) == 10

    await watched.context.clear_cookies()
    await sign_in(page, email)
    await expect(page).to_have_url(STEP)
    # The code of the next half minute is good already; this one's was used.
    await page.get_by_label("Code from your authenticator app").fill(code_at(secret, step + 1))
    await page.get_by_role("button", name="Go on").click()
    await expect(page).to_have_url(DASHBOARD)

    await page.goto(SECURITY)
    await page.locator("#app summary").click()
    await page.locator("#f-password-app").fill(PASSWORD)
    await page.locator("#f-code-app").fill(codes[0])
    await page.locator("#app").get_by_role("button", name="Turn it off").click()
    await expect(page.get_by_text("Only your password protects your account", exact=False)).to_be_visible()
