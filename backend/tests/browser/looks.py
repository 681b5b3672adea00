"""What a page has to stand: four looks of it, a rule book for everybody's use, and a scale."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python
from playwright.async_api import Page

import app
from tests.browser.conftest import DESK, PHONE

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
SERIOUS = {"serious", "critical"}
# The order turns one thing at a time. A page is loaded once: its size and its scheme are media queries.
LOOKS: tuple[tuple[dict[str, int], Literal["light", "dark"]], ...] = (
    (PHONE, "light"),
    (DESK, "light"),
    (DESK, "dark"),
    (PHONE, "dark"),
)
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    # Off unless asked for by name.
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
# After a turn: the resize has been told, and colours that fade over have arrived.
SETTLED = """async () => {
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  for (const moving of document.getAnimations()) if (moving instanceof CSSTransition) moving.finish();
  return document.documentElement.scrollWidth - document.documentElement.clientWidth;
}"""
STATIC = Path(app.__file__).parent / "static"
# What reads codes where the browser itself cannot; fetched with the camera, not with the page.
CAMERA = ("jsQR.js", "zxing_reader.js")
# Compressed bytes, as docs/performance.md promises them.
HTML_BYTES_MAX = 60_000
SHARED_BYTES_MAX = 160_000
CUSTOMER_BYTES_MAX = 60_000
WEIGHT = """() => ({
  isCustomers: document.body.classList.contains("customer"),
  files: performance.getEntriesByType("resource").map(file => new URL(file.name).pathname),
})"""


async def look_at(page: Page, path: str, *, status: int = 200) -> list[str]:
    """Open a page and return what is wrong with it in any of the looks; a download is no page."""
    await turn(page, *LOOKS[0])
    answer = await page.goto(path)
    assert answer is not None
    if "text/html" not in answer.headers.get("content-type", ""):
        return []
    problems = [] if answer.status == status else [f"{path}: status {answer.status}"]
    seen = await page.evaluate(WEIGHT)
    html = len(gzip.compress(await answer.body()))
    files = [(name, compressed_size(name)) for name in seen["files"]]
    weight = {"isCustomers": seen["isCustomers"], "html": html, "files": files}
    problems += [f"{path}: {fault}" for fault in overweight(weight)]
    return problems + await look_around(page, path)


async def look_around(page: Page, name: str, *, within: str = "html") -> list[str]:
    """Return what is wrong with the open page in any of the looks; within: the part that lies on top."""
    problems = [] if await page.title() else [f"{name}: no title"]
    await page.evaluate(AXE)
    for size, scheme in LOOKS:
        await turn(page, size, scheme)
        found = await faults(page, within)
        problems += [f"{name} ({size['width']} px, {scheme}): {problem}" for problem in found]
    return problems


async def turn(page: Page, size: dict[str, int], scheme: Literal["light", "dark"]) -> None:
    """Show the page at a size and by day or by night."""
    await page.set_viewport_size({"width": size["width"], "height": size["height"]})
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")


async def faults(page: Page, within: str) -> list[str]:
    """Return what is wrong with the page as it stands, axe having been put into it."""
    wide = await page.evaluate(SETTLED)
    problems = [f"{wide} px too wide"] if wide > 0 else []
    found: dict[str, Any] = await page.evaluate(
        "([within, rules]) => axe.run(within, rules)", [within, RULES]
    )
    for violation in found["violations"]:
        if violation["impact"] in SERIOUS:
            nodes = [node["html"][:160] for node in violation["nodes"][:3]]
            problems.append(f"{violation['id']} ({violation['impact']}) {nodes}")
    return problems


@cache
def compressed_size(path: str) -> int:
    """Return what a static file weighs on its way; 0 for what is none."""
    file = STATIC / path.removeprefix("/static/").partition("/")[2]
    return len(gzip.compress(file.read_bytes())) if path.startswith("/static/") and file.is_file() else 0


def overweight(weight: dict[str, Any]) -> list[str]:
    """Return what is too heavy about a page that was just loaded; what a camera needs later is not counted."""
    html: int = weight["html"]
    files = {path: size for path, size in weight["files"] if path.startswith("/static/")}
    shared = sum(
        size
        for path, size in files.items()
        if path.endswith((".css", ".js", ".svg")) and not path.endswith(CAMERA)
    )
    problems = []
    if not 0 < html < HTML_BYTES_MAX:
        problems.append(f"{html} bytes of HTML")
    if shared >= SHARED_BYTES_MAX:
        problems.append(f"{shared} bytes of shared files")
    if weight["isCustomers"] and html + shared >= CUSTOMER_BYTES_MAX:
        problems.append(f"{html + shared} bytes in all for a customer: {files}")
    if weight["isCustomers"] and any("tabler-core" in path for path in files):
        problems.append("the dashboard's framework on a customer's page")
    return problems
