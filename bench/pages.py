"""What pages weigh over the wire: the HTML of each, the files they share, and a customer's page with all it loads.

A demo is walked through as a browser reads it, compressed: every page of the dashboard that links lead to, one of each
kind, and the customer's way from the code on the counter to the card.
Run: ./stempel bench pages [--demo its demo.json] [--pages 150]
"""

from __future__ import annotations

import argparse
import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx2

from demo import running_demo
from findings import Figure, Finding

PAGE_KB_MAX = 60
SHARED_KB_MAX = 160
BROWSER = {
    "accept": "text/html,*/*",
    "accept-encoding": "gzip",
    "sec-fetch-site": "none",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36",
}
FILES = re.compile(r"""<(?:link|script|img|source|use)\b[^>]*?\b(?:href|src)="([^"]+)"[^>]*>""")
LINKS = re.compile(r'<a\b[^>]*?\bhref="([^"#]+)')
HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*>')
ATTRIBUTE = re.compile(r'\b(name|value)="([^"]*)"')
IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{24,}|\d+")
# What a page only offers: other languages of it, the app's icons and list, the next page.
OFFERED = re.compile(r'rel="(?:alternate|canonical|manifest|apple-touch-icon|icon|next|prev)')
NOT_PAGES = re.compile(r"sign-out|/export|\.(?:csv|xlsx|pdf|png|svg|json|ics|pkpass)\b|download")


@dataclass
class Weights:
    """What was weighed, in bytes as they came over the wire; each file once."""

    pages: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    of_page: dict[str, set[str]] = field(default_factory=dict)
    lasting: dict[str, bool] = field(default_factory=dict)


def get(client: httpx2.Client, url: str) -> tuple[int, str, Any]:
    """Return the bytes of a body over the wire, its text, and the answer; redirects are followed."""
    answer = client.get(url, headers=BROWSER, follow_redirects=True)
    return answer.num_bytes_downloaded, answer.text, answer


def weigh(client: httpx2.Client, url: str, weights: Weights) -> str | None:
    """Weigh a page and the files it loads; return its HTML, or None where it is none."""
    size, html, answer = get(client, url)
    if answer.status_code != 200 or not answer.headers.get("content-type", "").startswith("text/html"):
        return None
    page = str(answer.url)
    weights.pages[page] = size
    loaded = weights.of_page.setdefault(page, set())
    for tag in FILES.finditer(html):
        # What follows the # names a part of the same file, an icon of the sprite.
        at = urldefrag(urljoin(page, tag.group(1).replace("&amp;", "&"))).url
        if OFFERED.search(tag.group(0)) or not at.startswith("http") or not same_site(at, page):
            continue
        loaded.add(at)
        if at not in weights.files:
            weights.files[at], _text, file = get(client, at)
            weights.lasting[at] = "immutable" in file.headers.get("cache-control", "")
    return html


def same_site(one: str, other: str) -> bool:
    """Tell whether both addresses are of one host."""
    return urlsplit(one).netloc == urlsplit(other).netloc


def walk(client: httpx2.Client, begin: str, weights: Weights, *, most: int) -> None:
    """Weigh every page below the first that links lead to, one of each kind."""
    waiting, seen = deque([begin]), {kind_of(begin)}
    while waiting and len(weights.pages) < most:
        html = weigh(client, waiting.popleft(), weights)
        for link in LINKS.findall(html or ""):
            at = urljoin(begin, link.replace("&amp;", "&"))
            kind = kind_of(at)
            if at.startswith(begin) and kind not in seen and not NOT_PAGES.search(at):
                seen.add(kind)
                waiting.append(at)


def kind_of(url: str) -> str:
    """Return the address without what names one row, and without its query."""
    return IDS.sub("N", urlsplit(url).path)


def fields_of(html: str, form: str) -> dict[str, str]:
    """Return the hidden fields of the form that is sent there."""
    part = html[html.index(f'action="{form}') :]
    found = (dict(ATTRIBUTE.findall(tag)) for tag in HIDDEN.findall(part[: part.index("</form>")]))
    return {values["name"]: values.get("value", "") for values in found}


def press(client: httpx2.Client, page: str, html: str, *, given: dict[str, str]) -> str:
    """Send the page's own form; return the address it leads to."""
    path = urlsplit(page).path
    answer = client.post(
        page, data=fields_of(html, path) | given, headers=BROWSER | {"sec-fetch-site": "same-origin"}
    )
    assert answer.status_code in {302, 303}, (path, answer.status_code)
    return urljoin(page, answer.headers["location"])


def owner_of(demo: dict[str, Any]) -> httpx2.Client:
    """Return a signed-in client."""
    client = httpx2.Client(timeout=60)
    page = demo["base_url"] + "/sign-in"
    shop = demo["merchants"][0]
    press(client, page, get(client, page)[1], given={"email": shop["email"], "password": shop["password"]})
    return client


def main() -> None:
    """Walk and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, help="the demo.json of a running demo")
    parser.add_argument("--pages", type=int, default=150, help="at most so many of the dashboard")
    options = parser.parse_args()
    finding = Finding("pages")
    desk, phone = Weights(), Weights()
    with running_demo(options.demo) as demo:
        walk(owner_of(demo), demo["base_url"] + "/dashboard", desk, most=options.pages)
        with httpx2.Client(timeout=60) as client:
            join = demo["merchants"][0]["stores"][0]["join_url"]
            html = weigh(client, join, phone)
            assert html is not None
            for page in (press(client, join, html, given={}), demo["base_url"] + "/"):
                assert weigh(client, page, phone) is not None, page
    whole = {
        page: size + sum(phone.files[file] for file in phone.of_page[page])
        for page, size in phone.pages.items()
    }
    for name, sizes in (("dashboard", desk.pages), ("customer, with all it loads", whole)):
        for page in sorted(sizes, key=lambda at: -sizes[at])[:3]:
            print(f"{name}: {kind_of(page)} {sizes[page] / 1000:.1f} KB")
    shared = {file: size for file, size in desk.files.items() if "/static/" in file}
    for file in sorted(shared, key=lambda at: -shared[at])[:3]:
        print(f"shared: {urlsplit(file).path} {shared[file] / 1000:.1f} KB")
    fleeting = [file for file in shared if not desk.lasting[file]]
    finding.keep(
        [
            kilobytes("heaviest page of the dashboard, its HTML", max(desk.pages.values()), PAGE_KB_MAX),
            kilobytes("files that all pages of the dashboard share", sum(shared.values()), SHARED_KB_MAX),
            Figure(
                "of them not kept for ever by the browser", [len(fleeting)], "", 0, at_most=True, digits=0
            ),
            kilobytes("heaviest page of a customer with all it loads", max(whole.values()), PAGE_KB_MAX),
        ],
        on=f"{len(desk.pages)} kinds of pages of the demo's dashboard, {len(phone.pages)} of a customer's phone,"
        " gzip as served; bodies without headers",
    )


def kilobytes(name: str, size: float, most: float) -> Figure:
    """Return a weight as a figure."""
    return Figure(name, [size / 1000], "KB", most, at_most=True, digits=0)


if __name__ == "__main__":
    main()
