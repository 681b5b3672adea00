"""Contrast by WCAG 2.2, the nearest colour that passes, and how long a change takes to reach the phones. Pure."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

# WCAG 2.2, 1.4.3 and 1.4.11: text, and shapes that carry meaning.
TEXT_RATIO_MIN = 4.5
SHAPE_RATIO_MIN = 3.0
STEPS = 200
# What the slower of the two wallets takes without queueing (Google asks for at most 20 calls a second).
CARDS_PER_SECOND = 20
SECONDS_AT_LEAST = 20


def luminance(color: str) -> float:
    """Return the relative luminance of a #rrggbb colour (WCAG 2.2, definition)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def nearest_passing(color: str, background: str, *, least: float) -> str:
    """Return the colour of the same hue, closest in lightness, that stands out enough; the colour itself if it does.

    On any background black or white reaches 4.58, so that there is always one for text and for shapes.
    """
    if contrast(color, background) >= least:
        return color
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    for step in range(1, STEPS + 1):
        for moved in (lightness + step / STEPS, lightness - step / STEPS):
            if 0 <= moved <= 1:
                candidate = _hex(colorsys.hls_to_rgb(hue, moved, saturation))
                if contrast(candidate, background) >= least:
                    return candidate
    return max(("#ffffff", "#000000"), key=lambda end: contrast(end, background))


def _hex(channels: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


@dataclass(frozen=True, slots=True)
class Crop:
    """Which part of a picture is wanted, in percent of its sides."""

    left: float = 0
    top: float = 0
    width: float = 100
    height: float = 100

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is cut off."""
        return self.width >= 100 and self.height >= 100

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the part in pixels: inside the picture, at least one pixel a side."""
        left, top = int(min(self.left, 99) * width / 100), int(min(self.top, 99) * height / 100)
        right = min(width, max(left + 1, left + round(self.width * width / 100)))
        bottom = min(height, max(top + 1, top + round(self.height * height / 100)))
        return left, top, right, bottom


def update_seconds(cards: int) -> int:
    """Return about how long a change takes to reach so many cards in wallets."""
    return max(SECONDS_AT_LEAST, cards // CARDS_PER_SECOND) if cards else 0
