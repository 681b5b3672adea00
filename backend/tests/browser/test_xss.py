"""Scripts typed into every text field of every form, read back on every page in a real Chromium: none runs.

The forms and pages are found by walking: a new one is filled and read without anybody naming it.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page
from sqlalchemy import text

from app.db.session import tenant_scope
from app.installed import INSTALLED
from app.kernel.web.cookies import cookie_name
from app.modules.cards.access import CARDS_COOKIE
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_device, make_staff
from app.modules.stores.factories import make_store
from app.process import build_process
from tests.browser.conftest import DESK, WAIT_MS_MAX, Demo

pytestmark = pytest.mark.browser

PAGES_MAX = 70
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
# What a link would end, download or stream instead of showing a page.
NO_PAGES = ("/sign-out", "/logout", "/live", "/demo/mailbox/")
NO_PAGES += (".json", ".csv", ".xlsx", ".pdf", ".svg", ".png")
# Ours, by the ways a text gets out of its place: a tag, an attribute, a title, an address, a template, htmx.
PAYLOADS = (
    '"><script>pwned(1)</script>',
    "'><img src=x onerror=pwned(2)>",
    "<svg/onload=pwned(3)>",
    '" autofocus onfocus=pwned(4) x="',
    "javascript:pwned(5)",
    '</textarea><script src="data:,pwned(6)"></script>',
    "</title><script>pwned(7)</script>",
    '<a href="javascript:pwned(8)" id=content>x</a>',
    '<p hx-get="/?pwned" hx-trigger="load">x</p>',
    '<p hx-on:load="pwned(9)" data-hx-on::load="pwned(9)">x</p>',
    '<iframe srcdoc="<script>parent.pwned(10)</script>">',
    '<meta http-equiv=refresh content="0;url=javascript:pwned(11)">',
    "<style>*{background:url(//evil.example/)}</style>",
    "{{ 7*7 }}{% raw %}<b onmouseover=pwned(12)>",
    "--><script>pwned(13)</script><!--",
    "</script><script>pwned(14)</script>",
    "\u2028<ſcript>pwned(15)</ſcript>＜script＞",
)
WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation',
    e => window.__violations.push(e.violatedDirective + ' ' + e.blockedURI));
"""
# Attributes and elements that none of our own pages has. The one frame there is shows a mail: its own address, no
# scripts; what it holds is looked at like the page around it. Ours there is a first line that says where links open.
FOREIGN = """() => {
    const isMail = node => node.tagName === 'IFRAME' && node.className === 'mail-frame' && node.contentDocument
        && node.hasAttribute('sandbox') && !node.sandbox.contains('allow-scripts')
        && new URL(node.src).origin === location.origin && new URL(node.src).pathname.endsWith('/mail');
    const look = page => [...page.querySelectorAll('*')].flatMap(node => {
        const found = [...node.attributes].filter(a => /^on/i.test(a.name) || /^(data-)?hx-on/i.test(a.name)
            || (/^(href|src|action|formaction|data|xlink:href)$/i.test(a.name)
                && /^\\s*javascript:/i.test(a.value)) || a.name === 'srcdoc').map(a => node.tagName + ' ' + a.name);
        if (node.tagName === 'SCRIPT' && !node.src && node.type !== 'application/json') found.push('inline script');
        if (page !== document && node === page.head.firstElementChild && !node.hasAttribute('href')) return found;
        if (isMail(node)) return [...found, ...look(node.contentDocument)];
        if (['IFRAME', 'OBJECT', 'EMBED', 'BASE'].includes(node.tagName)) found.push(node.tagName);
        return found;
    });
    return look(document);
}"""
FORMS = """() => [...document.forms].map((form, number) => ({number,
    method: form.method, action: new URL(form.action).pathname,
    texts: [...form.elements].filter(e => e.matches('textarea, input:not([type]), input[type=text], input[type=search],'
        + ' input[type=url], input[type=tel]')).length,
    closed: form.querySelector('input[type=password], input[type=file]') !== null}))"""
FILL = """([number, payload]) => {
    const form = document.forms[number];
    for (const field of form.elements) {
        if (field.matches('textarea, input:not([type]), input[type=text], input[type=search]'))
            { field.removeAttribute('maxlength'); field.value = payload; }
    }
    form.removeAttribute('hx-post'); form.submit();
}"""


def kind_of(path: str) -> str:
    """Return the address with its ids taken out."""
    return _ID.sub("*", path)


@dataclass
class Attack:
    """A browser that tells when a planted script ran, and what was tried so far."""

    context: BrowserContext
    problems: list[str] = field(default_factory=list)
    filled: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    async def page(self) -> Page:
        """Open a tab that is watched."""
        page = await self.context.new_page()
        page.on("console", lambda m: self._note(m.text) if "Content Security Policy" in m.text else None)

        async def refuse(dialog: Any) -> None:
            self.problems.append(f"dialog: {dialog.message}")
            await dialog.dismiss()

        page.on("dialog", lambda dialog: asyncio.ensure_future(refuse(dialog)))
        return page

    def _note(self, words: str) -> None:
        self.problems.append(words[:300])

    async def read(self, page: Page, where: str) -> None:
        """Look at the page as it stands for anything that came out of its text."""
        violations: list[str] = await page.evaluate("window.__violations || []")
        foreign: list[str] = await page.evaluate(FOREIGN)
        self.problems += [f"{where}: {found}" for found in (*violations, *foreign)]

    async def walk(self, page: Page, starts: list[str], *, fill: bool) -> None:
        """Follow every link from the starts; with fill, send every form with text fields, a payload in turn."""
        waiting, seen = deque(starts), set[str]()
        while waiting and len(seen) < PAGES_MAX:
            path = waiting.popleft()
            if kind_of(path) in seen or any(part in path for part in NO_PAGES):
                continue
            seen.add(kind_of(path))
            answer = await page.goto(path)
            if answer is None or "text/html" not in answer.headers.get("content-type", ""):
                continue
            await self.read(page, path)
            hrefs: list[str] = await page.evaluate(
                "[...document.querySelectorAll('a[href]')].map(a => a.href)"
            )
            own = urlsplit(page.url).netloc
            waiting += [urlsplit(h).path for h in hrefs if urlsplit(h).netloc == own and "/passes/" not in h]
            if fill:
                await self.send_forms(page, path)
        self.seen |= seen

    async def send_forms(self, page: Page, path: str) -> None:
        """Fill and send the page's forms; the answer, which often shows what was typed, is read at once."""
        forms: list[dict[str, Any]] = await page.evaluate(FORMS)
        for form in forms:
            kind = f"{form['method']} {kind_of(form['action'])}"
            if not form["texts"] or form["closed"] or kind in self.filled:
                continue
            self.filled.add(kind)
            if urlsplit(page.url).path != path:
                await page.goto(path)
            payload = PAYLOADS[len(self.filled) % len(PAYLOADS)]
            async with page.expect_navigation():
                await page.evaluate(FILL, [form["number"], payload])
            await self.read(page, f"answer of {kind}")


@pytest_asyncio.fixture(loop_scope="session")
async def attack(chrome: Browser, demo: Demo) -> AsyncIterator[Attack]:
    """Return a browser whose pages may call pwned(), which no page must ever do."""
    context = await chrome.new_context(viewport=DESK, base_url=demo.url, locale="en-GB")
    context.set_default_timeout(WAIT_MS_MAX)
    made = Attack(context)
    await context.expose_function("pwned", lambda number: made.problems.append(f"script {number} ran"))
    await context.add_init_script(WATCH)
    yield made
    await context.close()


async def plant_shop(demo: Demo) -> tuple[list[dict[str, str]], list[str], list[str]]:
    """Make a shop whose every name is a payload; return the cookies, and the pages to begin with."""
    process = build_process(demo.server.settings)
    database = process.database
    merchant = await make_merchant(database, name=f"Shop {PAYLOADS[0]}")
    store = await make_store(database, merchant, "hybrid", name=f"Store {PAYLOADS[1]}")
    _, pin = await make_staff(database, store, name=f"Staff {PAYLOADS[2]}")
    device = await make_device(database, store, name=f"Till {PAYLOADS[3]}", pin=pin)
    cards = [
        await make_card(database, store, stamps=10, points=900, name=f"N {payload}"[:120])
        for payload in PAYLOADS
    ]
    async with tenant_scope(database, merchant.id) as session:
        names = [module.name for module in INSTALLED if module.switchable]
        await session.execute(
            text("UPDATE merchant SET modules_on = :names WHERE id = :id"),
            {"names": names, "id": merchant.id},
        )
        for number, payload in enumerate(PAYLOADS[:4]):
            await session.execute(
                text("UPDATE reward SET title = :title WHERE id = (SELECT id FROM reward OFFSET :n LIMIT 1)"),
                {"title": f"R {payload}"[:120], "n": number},
            )
    kept = "~".join(card.token for card in cards[:8])
    cookies = {**merchant.cookies, **device.cookies, cookie_name(database.settings, CARDS_COOKIE): kept}
    await process.aclose()
    customer = [f"/card/{cards[0].id}", f"/card/{cards[1].id}", "/cards", f"/join/{store.id}?new=1"]
    customer += [f"/find/{store.id}", f"/stamp/{store.id}", f"/points/{store.id}", "/staff"]
    customer += [f"/staff?card={cards[2].card_number}", "/staff/cards/new"]
    jar = [{"name": name, "value": value, "url": demo.url} for name, value in cookies.items()]
    return jar, ["/dashboard", "/dashboard/customers", "/dashboard/visits"], customer


async def test_no_planted_script_runs_on_any_page(demo: Demo, attack: Attack) -> None:
    """Every form filled, every page read afterwards: no script, no dialog, no report of the policy, no foreign tag."""
    cookies, dashboard, customer = await plant_shop(demo)
    await attack.context.add_cookies(cookies)  # type: ignore[arg-type]
    page = await attack.page()
    await attack.walk(page, customer, fill=True)
    await attack.walk(page, dashboard, fill=True)
    attack.seen.clear()
    await attack.walk(page, [*dashboard, *customer], fill=False)

    assert len(attack.filled) >= 10, attack.filled
    assert len(attack.seen) >= 25, attack.seen
    assert {"/dashboard/customers/*", "/card/*", "/staff"} <= attack.seen, attack.seen
    assert attack.problems == []


async def test_control_an_unescaped_page_is_caught(demo: Demo, attack: Attack) -> None:
    """The same payloads put into a page as HTML: the policy stops them and reports, foreign tags are seen."""
    page = await attack.page()
    await page.goto("/sign-in")
    await page.evaluate("html => { document.body.innerHTML = html }", " ".join(PAYLOADS))
    await page.wait_for_function("window.__violations.length > 0")
    await attack.read(page, "planted")

    assert any("img-src" in found or "script-src" in found for found in attack.problems), attack.problems
    assert any("onerror" in found for found in attack.problems)


async def test_control_without_the_policy_the_script_runs(demo: Demo, chrome: Browser) -> None:
    """Without Content-Security-Policy the same text runs: the policy and the escaping are what stops it."""
    ran: list[int] = []
    context = await chrome.new_context(base_url=demo.url, bypass_csp=True)
    await context.expose_function("pwned", lambda number: ran.append(number))
    page = await context.new_page()
    await page.goto("/sign-in")
    await page.evaluate("html => { document.body.innerHTML = html }", PAYLOADS[1])
    await page.wait_for_timeout(300)
    await context.close()

    assert ran == [2]
