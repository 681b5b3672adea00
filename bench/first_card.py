"""Seconds from the code on the counter to the card, by a thumb that never paused, on a 3G network.

Each round is a new phone of 360 px with nothing kept, in a real Chromium on a running demo: the code's address is
opened, the one button is pressed as soon as it is seen, and the clock stops when the card's stamps are seen. The
network is WebPageTest's "3G" (1.6 Mbit/s, 768 kbit/s up, 300 ms there and back), and in turn no limit at all, which is
what machine and browser need by themselves.
Run: ./stempel demo, then ./stempel bench first_card --demo <its data folder>/demo.json [--rounds 7] [--at-most 10]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from demo import running_demo
from findings import Figure, Finding

THREE_G = {
    "offline": False,
    "latency": 300,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 768_000 / 8,
}
SECONDS_MAX = 10
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


async def walk_up(browser: Browser, join_url: str, network: dict[str, Any] | None) -> tuple[float, float]:
    """Take a card on a new phone; return the seconds until it shows, and until the first page was painted."""
    context = await browser.new_context(
        viewport={"width": 360, "height": 740}, locale="en-GB", has_touch=True
    )
    page = await context.new_page()
    if network is not None:
        session = await context.new_cdp_session(page)
        await session.send("Network.enable")
        await session.send("Network.emulateNetworkConditions", network)
    began = time.perf_counter()
    await page.goto(join_url, wait_until="commit")
    button = page.get_by_role("button", name="Get my card")
    await button.wait_for(state="visible")
    while (painted := await page.evaluate(PAINT)) is None:
        await asyncio.sleep(0.02)
    await button.tap()
    await page.locator("#card-state svg.stamps").wait_for(state="visible")
    seconds = time.perf_counter() - began
    await context.close()
    return seconds, float(painted) / 1_000


async def measure(join_url: str, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return what each round took, both networks in turn."""
    networks: dict[str, dict[str, Any] | None] = {"3G": THREE_G, "no limit": None}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in networks}
    async with async_playwright() as driver:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = await driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(rounds):
            for name, network in networks.items():
                found[name].append(await walk_up(browser, join_url, network))
        await browser.close()
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demo", type=Path, help="the demo.json of a running demo; else one of the moment")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--at-most", type=float, help="fail when the median on 3G takes longer, in seconds")
    wanted = parser.parse_args()
    finding = Finding("first_card")
    with running_demo(wanted.demo) as demo:
        join_url = demo["merchants"][0]["stores"][0]["join_url"]
        found = asyncio.run(measure(join_url, wanted.rounds))
    for name, walks in found.items():
        seconds, paints = ([walk[place] for walk in walks] for place in (0, 1))
        print(
            f"{name:9}  to the card {statistics.median(seconds):5.2f} s"
            f" ({min(seconds):.2f}–{max(seconds):.2f})   first paint {statistics.median(paints):5.2f} s"
        )
    on_3g = [seconds for seconds, _paint in found["3G"]]
    finding.keep(
        [
            Figure("from the code to the card on 3G", on_3g, "s", SECONDS_MAX, at_most=True, digits=1),
            Figure(
                "the same with no limit", [seconds for seconds, _paint in found["no limit"]], "s", digits=1
            ),
        ],
        on=f"{wanted.rounds} phones each of 360 px with nothing kept, Chromium and the demo on the same machine",
    )
    median = statistics.median(on_3g)
    return int(wanted.at_most is not None and median > wanted.at_most)


if __name__ == "__main__":
    sys.exit(main())
