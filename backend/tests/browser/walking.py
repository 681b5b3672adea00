"""A walk over every page: the routes say which pages there are, so that none can be forgotten."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page
from starlette.routing import compile_path

from tests.architecture.documents import docs
from tests.browser.conftest import Watched
from tests.browser.looks import look_at

# As many pages are looked at at once as keep two processors busy.
SIDE_BY_SIDE = 3
# Addresses outside the API's description that show no page of their own, each with its reason.
FILE, PART, LEADS_ON = "a file", "a part of a page", "leads on to another page"
MACHINES = "for machines"
MAIL = "a mail as its reader gets it, in a frame where no script may run, axe's neither"
NO_PAGES: dict[str, str] = {
    "/.well-known/security.txt": FILE,
    "/card/{pass_id}/data.json": FILE,
    "/card/{pass_id}/live": "a stream of what happens",
    "/card/{pass_id}/manifest.webmanifest": FILE,
    "/card/{pass_id}/state": PART,
    "/colors/{background}-{foreground}-{accent}.css": FILE,
    "/dashboard/analytics": LEADS_ON,
    "/dashboard/analytics/{report}/{table}.{form}": FILE,
    "/dashboard/audit.csv": FILE,
    "/dashboard/customers/{customer_id}/data.json": FILE,
    "/dashboard/devices": LEADS_ON,
    "/dashboard/feed": PART,
    "/dashboard/fraud/news": PART,
    "/dashboard/messages/automatic/{kind}/mail": MAIL,
    "/dashboard/messages/news/{news_id}/mail": MAIL,
    "/dashboard/privacy/record.json": FILE,
    "/dashboard/staff": LEADS_ON,
    "/dashboard/stores/{store_id}/design/pictures/{kind}": LEADS_ON,
    "/dashboard/stores/{store_id}/design/preview": LEADS_ON,
    "/dashboard/stores/{store_id}/design/save": LEADS_ON,
    "/dashboard/stores/{store_id}/posters/code.{what}": FILE,
    "/dashboard/stores/{store_id}/posters/{name}.{what}": FILE,
    "/dashboard/wallets/apple/check": PART,
    "/dashboard/wallets/apple/request": FILE,
    "/demo/mailbox/{message_id}/mail": MAIL,
    "/healthz": MACHINES,
    "/invitation/link/{token}": LEADS_ON,
    "/metrics": MACHINES,
    "/new-address/link/{token}": LEADS_ON,
    "/not-me/link/{token}": LEADS_ON,
    "/openapi.json": FILE,
    "/password-reset/link/{token}": LEADS_ON,
    "/pictures/{merchant_id}/{digest}.png": FILE,
    "/pictures/{merchant_id}/{digest}/round.png": FILE,
    "/readyz": MACHINES,
    "/sign-up/confirm/{token}": LEADS_ON,
    "/sign-up/invited/{token}": LEADS_ON,
    "/static/{digest}/{path:path}": FILE,
    "/sw.js": FILE,
    "/theme/{program_id}.css": FILE,
    "/wallet-pictures/{token}.png": FILE,
    "/wallets/apple-badge/{language}.svg": FILE,
}
# Where a page leads; the same page in another language or order is the same page.
LINKS = "[...document.querySelectorAll('a[href]')].map(to => to.href.split(/[?#]/)[0])"
# Where a word in the address names another page, each is looked at; of the others one stands for all.
NAMED_PAGES = {"/dashboard/analytics/{report}", "/dashboard/messages/automatic/{kind}"}


@cache
def routes() -> tuple[Any, ...]:
    """Return what answers GET, in the order it is asked."""
    found = docs.list_routes(list(docs.build_app().routes))
    return tuple(route for route in found if "GET" in (getattr(route, "methods", None) or ()))


def route_of(url: str) -> str | None:
    """Return the path of the route that answers at an address."""
    path = urlsplit(url).path
    return next((route.path for route in routes() if compile_path(route.path)[0].match(path)), None)


def pages_below(*prefixes: str) -> set[str]:
    """Return the routes of all pages whose path begins so."""
    hidden = {route.path for route in routes() if not route.include_in_schema}
    return {path for path in hidden - set(NO_PAGES) if path.startswith(prefixes)}


def plain(paths: Iterable[str]) -> list[str]:
    """Return the pages that need nothing but their address."""
    return sorted(path for path in paths if "{" not in path)


@dataclass
class Walk:
    """What waits to be looked at, what was, and what is wrong with it."""

    area: set[str]
    waiting: deque[str] = field(default_factory=deque)
    known: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def add(self, *paths: str) -> None:
        """Note addresses that are not known yet and belong to the area; ids do not make a page another one."""
        for address in paths:
            path = urlsplit(address).path
            route = route_of(path)
            if route not in self.area:
                continue
            kind = path if route in NAMED_PAGES else str(route)
            if kind not in self.known:
                self.known.add(kind)
                self.waiting.append(address)

    async def look(self, page: Page, address: str) -> None:
        """Look at one page, and note where it leads."""
        self.problems += await look_at(page, address)
        self.note(page)
        hrefs: list[str] = await page.evaluate(LINKS)
        own = urlsplit(page.url).netloc
        self.add(*(href for href in hrefs if urlsplit(href).netloc == own))

    def note(self, page: Page) -> None:
        """Count the open page as reached."""
        route = route_of(page.url)
        if route is not None:
            self.reached.add(route)

    async def run(self, device: Watched) -> None:
        """Look at everything that waits, and at what it leads to, several pages at a time."""
        pages = [await device.page() for _ in range(SIDE_BY_SIDE)]
        while self.waiting:
            await asyncio.gather(*(self._take_turns(page) for page in pages))
        for page in pages:
            await page.close()

    async def _take_turns(self, page: Page) -> None:
        while self.waiting:
            await self.look(page, self.waiting.popleft())

    def finish(self) -> None:
        """Fail where something is wrong, or a page was never seen."""
        missing = [f"{path}: looked at nowhere" for path in sorted(self.area - self.reached)]
        assert not self.problems + missing, "\n".join([*self.problems, *missing])
