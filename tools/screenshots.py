"""Takes the pictures of the documentation: starts the demo in a fresh folder, opens its main pages, ends it.

Run from the repository's root with the virtual environment's Python: tools/screenshots.py [folder]
Needs Chromium. The shop is made from seed 1, so that the pictures change only when the pages do.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS_MAX = 120
NETWORK_MS_MAX = 30_000
ATTEMPTS_MAX = 20
ANSWER_SECONDS_MAX = 30
ZONE = ZoneInfo("Europe/Luxembourg")
COLORS = 256
PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1440, "height": 900}
# For the pages whose lower half belongs to the picture: the chart of the home page, the passes of the designer.
TALL: ViewportSize = {"width": 1440, "height": 1180}
TALL_NAMES = frozenset({"dashboard", "dashboard-dark", "card-design"})
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
]


def seconds_to_a_thursday(now: datetime) -> float:
    """Return how far the clock is moved, so that the pictures show a shop in the middle of its day."""
    days = (now.weekday() - 3) % 7 or 7
    target = (now - timedelta(days=days)).replace(hour=16, minute=40)
    return (target - now).total_seconds()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_demo(folder: Path) -> Iterator[dict[str, Any]]:
    """Run the demo on a free port and yield what its demo.json says."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "backend")}
    clock = folder / "clock"
    clock.write_text(str(seconds_to_a_thursday(datetime.now(ZONE))))
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "demo",
        "--data-dir",
        str(folder),
        "--port",
        str(free_port()),
    ]
    command += ["--clock-file", str(clock)]
    demo = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT / "backend",
    )
    try:
        assert demo.stdout is not None
        give_up_at = time.monotonic() + START_SECONDS_MAX
        for line in demo.stdout:
            print(line, end="")
            if "Data, logs and demo.json" in line:
                break
            if time.monotonic() > give_up_at:
                raise SystemExit("The demo did not start in time.")
        else:
            raise SystemExit("The demo did not start.")
        yield json.loads((folder / "demo.json").read_text())
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(30)


class Pictures:
    """One browser, and the folder the pictures go to."""

    def __init__(self, browser: Browser, folder: Path, demo: dict[str, Any]) -> None:
        self.browser = browser
        self.folder = folder
        self.demo = demo
        self.desk = self.page(DESK)

    def page(self, size: ViewportSize, *, scheme: Any = "light") -> Page:
        """Open a device of its own."""
        context = self.browser.new_context(
            viewport=size,
            locale="en-GB",
            color_scheme=scheme,
            base_url=self.demo["base_url"],
            device_scale_factor=2 if size["width"] < 800 else 1,
        )
        return context.new_page()

    def take(self, page: Page, name: str, *, full: bool = False) -> None:
        """Write one picture."""
        if name in TALL_NAMES:
            page.set_viewport_size(TALL)
        elif page is self.desk:
            page.set_viewport_size(DESK)
        if "/card/" not in page.url:  # an open card keeps listening
            page.wait_for_load_state("networkidle", timeout=NETWORK_MS_MAX)
        target = self.folder / f"{name}.png"
        page.screenshot(path=target, full_page=full)
        # 256 colours are enough for flat surfaces, and a third of the bytes.
        with Image.open(target) as picture:
            picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(target, optimize=True)
        print(f"  {name}.png")

    def customer(self) -> None:
        """The customer's phone: join, card, PIN pad, redeem."""
        gare = self.demo["merchants"][0]["stores"][0]
        pin = gare["staff"][1]["pin"]
        page = self.page(PHONE)
        page.goto(gare["join_url"])
        self.take(page, "join")
        page.get_by_label("Name").fill("Ana")
        page.get_by_role("button", name="Get my card").click()
        page.locator("#card-state").wait_for()
        pass_id = page.url.partition("/card/")[2][:36]
        self.stamp(gare["id"], pass_id, quantity=7)
        page.reload()
        page.locator("#card-state").wait_for()
        self.take(page, "card", full=True)
        page.goto(f"/stamp/{gare['id']}")
        self.take(page, "pin-pad", full=True)
        page.emulate_media(color_scheme="dark")
        page.goto(f"/card/{pass_id}")
        page.locator("#card-state").wait_for()
        self.take(page, "card-dark")
        page.emulate_media(color_scheme="light")
        self.stamp_again(gare["id"], pass_id)
        page.reload()
        page.get_by_role("link", name="Redeem").click()
        for digit in pin:
            page.locator(f'[data-pin-key="{digit}"]').click()
        page.locator("[data-pin-keys] .pin-ok").click()
        page.locator("[data-clock]").wait_for()
        self.take(page, "redeem")

    def staff(self) -> None:
        """The shop's own device: a card found, and the scanner."""
        kirchberg = self.demo["merchants"][0]["stores"][1]
        answer = self.post(f"/stores/{kirchberg['id']}/devices", {"name": "Counter"})
        card = self.post("/passes/create", {"store_id": kirchberg["id"], "name": "Ana"})
        page = self.page(PHONE)
        page.goto(answer["pairing_url"])
        page.get_by_role("button", name="Pair this device").click()
        for digit in kirchberg["staff"][1]["pin"]:
            page.locator(f'[data-pin-key="{digit}"]').click()
        self.take(page, "staff-shift", full=True)
        page.locator("[data-pin-keys] .pin-ok").click()
        page.get_by_label("Card number").wait_for()
        self.take(page, "staff", full=True)
        page.goto(f"/staff?card={card['card_number']}")
        self.take(page, "staff-card", full=True)

    def dashboard(self) -> None:
        """The merchant's desk."""
        merchant = self.demo["merchants"][0]
        page = self.desk
        page.goto("/")
        self.take(page, "landing")
        page.goto("/sign-in")
        page.get_by_label("Email").fill(merchant["email"])
        page.get_by_label("Password").fill(merchant["password"])
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/dashboard**")
        store = merchant["stores"][0]["id"]
        for path, name in (
            ("/dashboard", "dashboard"),
            (f"/dashboard/stores/{store}", "store"),
            (f"/dashboard/stores/{store}/design", "card-design"),
            (f"/dashboard/stores/{store}/posters", "posters"),
            ("/dashboard/start/design", "first-steps"),
            ("/dashboard/analytics", "analytics"),
            ("/dashboard/analytics/value", "value"),
            ("/dashboard/customers", "customers"),
            ("/dashboard/messages/automatic/reward_ready", "messages"),
            ("/dashboard/privacy", "privacy"),
            ("/dashboard/visits", "visits"),
            ("/dashboard/tiers", "tiers"),
            ("/dashboard/referrals", "referrals"),
            ("/dashboard/cashback", "cashback"),
            ("/dashboard/birthdays", "birthdays"),
            ("/dashboard/usage", "usage"),
            ("/dashboard/closing", "closing"),
            (f"/dashboard/staff/{store}", "team"),
        ):
            page.goto(path)
            self.take(page, name)
        page.goto("/dashboard/webhooks")
        page.locator(".hooks .cell-main a", has_text="Customer list").click()
        self.take(page, "webhooks")
        page.goto("/dashboard/fraud")
        page.locator(".finding details").first.evaluate("fold => { fold.open = true; }")
        self.take(page, "fraud")
        page.goto("/dashboard/customers?order=visit")
        page.locator('.people-table tr:has-text("@") .cell-main a').first.click()
        self.take(page, "customer")
        self.programs()
        self.dashboard_otherwise()

    def programs(self) -> None:
        """Another program that is told what happens."""
        self.desk.goto("/dashboard/webhooks")
        self.take(self.desk, "webhooks")

    def dashboard_otherwise(self) -> None:
        """The same desk by night, and on a phone."""
        page = self.desk
        page.emulate_media(color_scheme="dark")
        page.goto("/dashboard")
        self.take(page, "dashboard-dark")
        page.goto("/dashboard/analytics")
        self.take(page, "analytics-dark")
        page.emulate_media(color_scheme="light")
        phone = self.page(PHONE)
        phone.context.add_cookies(page.context.cookies())
        for path, name in (
            ("/dashboard", "dashboard-phone"),
            ("/dashboard/customers", "customers-phone"),
        ):
            phone.goto(path)
            self.take(phone, name)

    def stamp(self, store_id: str, pass_id: str, *, quantity: int) -> None:
        """Give stamps over the API."""
        self.post(f"/stamp/{store_id}", {"pass_id": pass_id, "quantity": quantity})

    def stamp_again(self, store_id: str, pass_id: str) -> None:
        """Fill the card, over its cooldown."""
        path = f"/stores/{store_id}/programme"
        self.request("PATCH", path, {"cooldown_minutes": 0})
        self.stamp(store_id, pass_id, quantity=3)
        self.request("PATCH", path, {"cooldown_minutes": 10})

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post with the merchant's key."""
        return self.request("POST", path, body)

    def request(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask with the merchant's key."""
        headers = {"Authorization": f"Bearer {self.demo['merchants'][0]['api_key']}"}
        headers["Idempotency-Key"] = secrets.token_hex(8)
        for _attempt in range(ATTEMPTS_MAX):
            url = self.demo["base_url"] + path
            answer = httpx2.request(method, url, json=body, headers=headers, timeout=ANSWER_SECONDS_MAX)
            if answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
                break
            # The machine is busy, and the demo says so instead of letting the till wait.
            time.sleep(1)
        answer.raise_for_status()
        return dict(answer.json())


def main(folder: Path) -> None:
    """Take all pictures into the folder."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("Chromium is not installed.")
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="stempel-pictures-") as data,
        running_demo(Path(data)) as demo,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        pictures = Pictures(browser, folder, demo)
        pictures.customer()
        pictures.staff()
        pictures.dashboard()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots")
