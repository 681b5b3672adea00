"""Render every component with sample data and serve the result on loopback, under the real policy.

Usage: python tools/gallery.py                     serves and prints the address
       python tools/gallery.py --screenshots DIR   also photographs each page, phone and wide, light and dark
Screenshots need playwright and a Chromium named by STEMPEL_CHROMIUM or found on the PATH.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page

Scheme = Literal["light", "dark"]
PHONE_WIDTH_MAX = 500

APP = Path(__file__).resolve().parent.parent / "backend/app"
PAGES = Path(__file__).resolve().parent / "gallery"
POLICY = (
    "default-src 'none'; script-src 'self'{wasm}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; manifest-src 'self'; "
    "worker-src 'self'; media-src 'self' blob:"
)
NAV = [
    ("Home", "home", ""),
    ("Customers", "users", ""),
    ("Visits", "history", ""),
    ("Programme", "cards", "Loyalty"),
    ("Rewards", "gift", ""),
    ("Stores", "building-store", ""),
    ("Staff", "id-badge-2", "Shop"),
    ("Devices", "device-tablet", ""),
    ("Wallets", "wallet", ""),
    ("Settings", "settings", ""),
]
STAMPS: dict[str, Any] = {
    "loyalty_type": "stamps",
    "program_name": "CoffeeLux",
    "store_name": "Gare",
    "icon": "coffee",
    "stamp_count": 7,
    "stamps_needed": 10,
    "points_balance": 0,
    "next_reward": {"title": "A free coffee", "text": "3 stamps to go"},
    "rewards": [],
    "rewards_waiting": 0,
}
POINTS: dict[str, Any] = {
    "loyalty_type": "points",
    "program_name": "Mode Avenue",
    "store_name": "Grand-Rue",
    "points_balance": 1184,
    "next_reward": {"title": "€ 25 off", "text": "416 points to go"},
    "rewards": [{"kind": "points", "threshold": 1600, "missing": 416, "title": "€ 25 off"}],
    "rewards_waiting": 2,
}
HYBRID: dict[str, Any] = STAMPS | {
    "loyalty_type": "hybrid",
    "store_name": "Kirchberg",
    "stamp_count": 8,
    "stamps_needed": 8,
    "points_balance": 60,
    "rewards": [{"kind": "points", "threshold": 100, "missing": 40, "title": "A slice of cake"}],
    "is_full": True,
}


class Language:
    """One entry of the language switch."""

    def __init__(self, code: str, name: str) -> None:
        self.code = code
        self.name = name


def environment() -> Environment:
    """Return a Jinja environment with stand-ins for the globals the application gives its templates."""
    env = Environment(
        loader=FileSystemLoader([APP / "templates", PAGES]),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: text, lambda one, many, count: one if count == 1 else many, newstyle=True
    )
    env.globals.update(
        static_url=lambda path: f"/static/{path}",
        csrf_token="sample",
        locale="en",
        current_path="/",
        languages=[
            Language("en", "English"),
            Language("fr", "Français"),
            Language("de", "Deutsch"),
            Language("lb", "Lëtzebuergesch"),
        ],
        format_number=lambda number: f"{number:,}",
        stamps=STAMPS,
        points=POINTS,
        hybrid=HYBRID,
        nav=[
            {"label": label, "icon": icon, "group": group, "url": "#", "active": index == 0}
            for index, (label, icon, group) in enumerate(NAV)
        ],
    )
    return env


def page_names() -> list[str]:
    """List the gallery's pages: every file of tools/gallery that is not a part of another."""
    return sorted(path.name for path in PAGES.glob("*.html") if not path.name.startswith("_"))


def build(folder: Path) -> None:
    """Render all pages into a folder, beside a link to the static files."""
    env = environment()
    (folder / "static").symlink_to(APP / "static")
    for css in PAGES.glob("*.css"):
        shutil.copy(css, folder)
    for name in page_names():
        (folder / name).write_text(env.get_template(name).render())


class Handler(SimpleHTTPRequestHandler):
    """Serve files with the policy of production, so that a breach shows here first."""

    def end_headers(self) -> None:
        """Add the policy; the scanner's page alone may run WebAssembly."""
        wasm = " 'wasm-unsafe-eval'" if "scan" in self.path else ""
        self.send_header("Content-Security-Policy", POLICY.format(wasm=wasm))
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


def variants() -> Iterator[tuple[str, int, int, Scheme]]:
    """Yield name, width, height and colour scheme of each photograph."""
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        yield f"phone-{scheme}", 360, 740, scheme
        yield f"wide-{scheme}", 1440, 900, scheme


def photograph_page(page: Page, address: str, target: Path) -> list[str]:
    """Photograph one page and return its faults: console errors, or a page too wide for the screen."""
    found: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            found.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.goto(address, wait_until="networkidle")
    too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if too_wide > 0:
        found.append(f"the page is {too_wide} px too wide")
    page.screenshot(path=target, full_page=True)
    return found


def photograph(address: str, folder: Path) -> int:
    """Photograph each page in each variant, print what is wrong, and return how much that is."""
    # Imported here: serving the gallery needs no browser.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("STEMPEL_CHROMIUM") or shutil.which("chromium")
    count = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in page_names():
            for variant, width, height, scheme in variants():
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    device_scale_factor=2 if width < PHONE_WIDTH_MAX else 1,
                )
                picture = folder / f"{Path(name).stem}-{variant}.png"
                for problem in photograph_page(context.new_page(), f"{address}/{name}", picture):
                    print(f"{name} {variant}: {problem}")
                    count += 1
                context.close()
        browser.close()
    return count


def main() -> int:
    """Build, serve, and photograph or wait."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        server = ThreadingHTTPServer(("127.0.0.1", options.port), partial(Handler, directory=folder))
        address = f"http://127.0.0.1:{server.server_port}"
        if options.screenshots is None:
            print("\n".join(f"{address}/{name}" for name in page_names()))
            server.serve_forever()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        errors = photograph(address, options.screenshots)
        server.shutdown()
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
