"""Draws QR codes with segno: SVG that passes a strict Content-Security-Policy, and PNG for print."""

from __future__ import annotations

import io
from functools import lru_cache
from html import escape
from typing import Literal

import segno

ErrorLevel = Literal["l", "m", "q", "h"]

TEXT_LENGTH_MAX = 1_000
SCALE_MAX = 40
QUIET_MAX = 20
CACHED_CODES = 512

# Trying all eight masks takes two thirds of the time and makes no code that reads any better at our sizes.
MASK = 4


@lru_cache(maxsize=CACHED_CODES)
def make_code(text: str, error: ErrorLevel) -> segno.QRCode:
    """Return the symbol for the text; the smallest that fits, with the best correction that costs no size."""
    assert 0 < len(text) <= TEXT_LENGTH_MAX, "a code holds an address or a number"
    return segno.make_qr(text, error=error, mask=MASK)


@lru_cache(maxsize=CACHED_CODES)
def draw_svg(text: str, quiet: int, error: ErrorLevel, title: str) -> str:
    """Return the code as one <svg>: attributes only, no style, white ground of its own also in dark mode."""
    assert 0 <= quiet <= QUIET_MAX
    return _svg_of(make_code(text, error), quiet, title)


def draw_secret_svg(text: str, title: str) -> str:
    """Return the code of something secret: nothing of it stays in the process."""
    assert 0 < len(text) <= TEXT_LENGTH_MAX
    return _svg_of(segno.make_qr(text, error="m", mask=MASK), 4, title)


@lru_cache(maxsize=CACHED_CODES)
def code_rows(text: str, error: ErrorLevel) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the code's rows as runs of dark modules (where they start, how many), without the quiet zone."""
    return tuple(_runs(modules) for modules in make_code(text, error).matrix)


def _runs(modules: bytearray) -> tuple[tuple[int, int], ...]:
    runs: list[tuple[int, int]] = []
    for column, is_dark in enumerate(modules):
        if is_dark and runs and sum(runs[-1]) == column:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        elif is_dark:
            runs.append((column, 1))
    return tuple(runs)


def _svg_of(code: segno.QRCode, quiet: int, title: str) -> str:
    side = code.symbol_size(border=quiet)[0]
    steps: list[str] = []
    for row, modules in enumerate(code.matrix):
        column = 0
        while column < len(modules):
            start = column
            while column < len(modules) and modules[column]:
                column += 1
            if column > start:
                steps.append(f"M{start + quiet} {row + quiet}h{column - start}v1h-{column - start}z")
            column += 1
    label = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="qr" role="img" aria-label="{label}"'
        f' viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><title>{label}</title>'
        f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path fill="#000" d="{"".join(steps)}"/></svg>'
    )


@lru_cache(maxsize=64)
def draw_png(text: str, scale: int, quiet: int, error: ErrorLevel) -> bytes:
    """Return the code as a black and white PNG, scale pixels a module."""
    assert 1 <= scale <= SCALE_MAX
    buffer = io.BytesIO()
    make_code(text, error).save(buffer, kind="png", scale=scale, border=quiet)
    return buffer.getvalue()
