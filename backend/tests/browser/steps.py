"""What people do on the pages, in few words."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.conftest import Demo

CARD_PATH = re.compile(r"/card/[0-9a-f-]{36}(\?.*)?$")


async def take_card(page: Page, store: dict[str, Any], *, name: str = "") -> str:
    """Join a store; return the card's id, with its page open."""
    await page.goto(store["join_url"])
    if name:
        await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Get my card").click()
    await expect(page).to_have_url(CARD_PATH)
    return page.url.partition("/card/")[2][:36]


async def type_pin(page: Page, pin: str) -> None:
    """Type a PIN on the pad with a thumb, and confirm."""
    for digit in pin:
        await page.locator(f'[data-pin-key="{digit}"]').click()
    await page.locator("[data-pin-keys] .pin-ok").click()


def stamp_by_api(demo: Demo, store_name: str, pass_id: str, *, quantity: int = 1) -> dict[str, Any]:
    """Stamp from another device, with the merchant's API key."""
    store = demo.store(store_name)
    key = next(m["api_key"] for m in demo.merchants if store in m["stores"])
    with demo.server.client() as till:
        body = {"pass_id": pass_id, "quantity": quantity}
        answer = till.post(f"/stamp/{store['id']}", json=body, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


async def sign_in(page: Page, demo: Demo, number: int = 0) -> None:
    """Sign in as the owner of a demo merchant."""
    await page.goto("/sign-in")
    await page.get_by_label("Email").fill(demo.merchants[number]["email"])
    await page.get_by_label("Password").fill(demo.merchants[number]["password"])
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page).to_have_url(re.compile("/dashboard"))
