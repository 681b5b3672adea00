"""A real Chromium on a real installation with the demo's shops. No page may complain, call out or scroll sideways."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    async_playwright,
)

from app.demo import load_demo
from tests.browser.post_office import PostOffice, open_post_office
from tests.live import LiveServer, running_server

# No background traffic of the browser's own: a request to a foreign host is a failure here.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
FLAGS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1440, "height": 900}
WAIT_MS_MAX = 15_000
OWN_SCHEMES = {"data", "blob", "about"}


@dataclass
class Watched:
    """A browser context whose pages are watched."""

    context: BrowserContext
    base_url: str
    problems: list[str] = field(default_factory=list)
    # Addresses whose refusal is what a test is about: the browser logs every 4xx as an error.
    expected: tuple[str, ...] = ()

    async def page(self) -> Page:
        """Open a tab."""
        return await self.context.new_page()

    def watch(self, page: Page) -> None:
        """Listen to everything a page complains of and asks for."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        address = str((message.location or {}).get("url", ""))
        if message.type in {"error", "warning"} and not any(part in address for part in self.expected):
            self.problems.append(f"{message.type}: {message.text} ({address})")

    def check_request(self, request: Request) -> None:
        """Note a request that leaves the installation."""
        parts = urlsplit(request.url)
        if parts.scheme not in OWN_SCHEMES and parts.netloc != urlsplit(self.base_url).netloc:
            self.problems.append(f"foreign request: {request.url}")


@dataclass(frozen=True)
class Demo:
    """The running installation and what its demo.json says."""

    server: LiveServer
    merchants: list[dict[str, Any]]

    @property
    def url(self) -> str:
        """Return the installation's address."""
        return self.server.base_url

    def store(self, name: str) -> dict[str, Any]:
        """Return a store by its name."""
        return next(s for m in self.merchants for s in m["stores"] if s["name"] == name)

    def pin(self, name: str) -> str:
        """Return the PIN of a store's first cashier."""
        return str(next(p["pin"] for p in self.store(name)["staff"] if p["role"] == "cashier"))


@pytest.fixture(scope="session")
def post_office() -> Iterator[PostOffice]:
    """Return the mail server that the installation sends through."""
    office, controller = open_post_office()
    yield office
    controller.stop()


@pytest.fixture(scope="session")
def demo(worker_id: str, tmp_path_factory: pytest.TempPathFactory, post_office: PostOffice) -> Iterator[Demo]:
    """Return an installation with the demo's shops; its mails leave over SMTP."""
    name = f"stempel_browser_{worker_id}_{os.getpid()}"
    folder = tmp_path_factory.mktemp("browser")
    with running_server(folder, name=name, smtp_url=post_office.url) as server:
        with ThreadPoolExecutor(1) as pool:
            loading = load_demo(server.settings, seed=1, progress=lambda *_: None)
            merchants = pool.submit(asyncio.run, loading).result()["merchants"]
        yield Demo(server, merchants)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Return the distribution's browser."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "Chromium is not installed; ./stempel test says how"
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def driver() -> AsyncIterator[Playwright]:
    """Return Playwright's own process."""
    async with async_playwright() as driver:
        yield driver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome(driver: Playwright, chromium_path: str) -> AsyncIterator[Browser]:
    """Return one browser for the run; every test has contexts of its own."""
    browser = await driver.chromium.launch(executable_path=chromium_path, args=FLAGS)
    yield browser
    await browser.close()


_DEVICES = itertools.count(1)
OpenContext = Callable[..., Awaitable[Watched]]


@pytest_asyncio.fixture(loop_scope="session")
async def open_context(chrome: Browser, demo: Demo) -> AsyncIterator[OpenContext]:
    """Return a function that opens a device of its own; at the end none may have complained."""
    opened: list[Watched] = []

    async def make(
        *,
        viewport: dict[str, int] | None = None,
        expected: tuple[str, ...] = (),
        browser: Browser | None = None,
        **options: Any,
    ) -> Watched:
        size: Any = viewport or PHONE
        # Each device has an address of its own, as in life: limits count by it.
        number = next(_DEVICES)
        headers = {"X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
        context = await (browser or chrome).new_context(
            extra_http_headers=headers | options.pop("extra_http_headers", {}),
            viewport=size,
            base_url=demo.url,
            has_touch=size["width"] < 800,
            **{"locale": "en-GB", **options},
        )
        context.set_default_timeout(WAIT_MS_MAX)
        watched = Watched(context, demo.url, expected=expected)
        context.on("page", watched.watch)
        context.on("request", watched.check_request)
        opened.append(watched)
        return watched

    yield make
    problems = [problem for watched in opened for problem in watched.problems]
    for watched in opened:
        await watched.context.close()
    assert problems == []


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder for what a test draws."""
    return tmp_path
