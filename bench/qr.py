"""A store's QR code as SVG: segno as it is, ours when it is first drawn, ours from then on, in CPU time.

Run: ./stempel bench qr [--rounds 9] [--codes 20]. All take turns with addresses of their own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from uuid import uuid4

import segno

from app.modules.qr.public import qr_svg
from findings import Figure, Finding

ADDRESS = "https://loyalty.example.com/join/{}?s=counter"


def cpu_of(draw: Callable[[str], object], texts: list[str]) -> float:
    """Return the milliseconds of CPU that one code takes."""
    began = time.process_time()
    for text in texts:
        draw(text)
    return (time.process_time() - began) / len(texts) * 1000


def plainly(text: str) -> str:
    """Return the code as segno's readme makes it: every mask is tried."""
    drawn: str = segno.make_qr(text, error="m").svg_inline(border=4)
    return drawn


def titled(text: str) -> str:
    """Return the code as the pages ask for it."""
    return qr_svg(text, title="QR code")


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--codes", type=int, default=20)
    options = parser.parse_args()
    finding = Finding("qr")
    segno_ms, ours_ms, again_ms = [], [], []
    for draw in (titled, plainly):
        draw(ADDRESS.format("warm"))
    for _round in range(options.rounds):
        texts = [ADDRESS.format(uuid4()) for _ in range(options.codes)]
        segno_ms.append(cpu_of(plainly, texts))
        ours_ms.append(cpu_of(titled, texts))
        again_ms.append(cpu_of(titled, texts * 50))
    ratios = [bare / ours for bare, ours in zip(segno_ms, ours_ms, strict=True)]
    finding.keep(
        [
            Figure("codes a second against segno as it is", ratios, goal=1.0),
            Figure("segno as it is", segno_ms, "ms"),
            Figure("ours, drawn once a store", ours_ms, "ms"),
            Figure("ours, from then on", again_ms, "ms", digits=4),
        ],
        on=f"addresses of {len(texts[0])} characters, error correction M, CPU time of one core",
    )


if __name__ == "__main__":
    main()
