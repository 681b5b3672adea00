"""Strips put together from packed rows show what is drawn, on every ground."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from app.modules.wallets import own_icons
from app.modules.wallets.apple_wallet.grounds import PATTERNS, TEXT_RATIO_MIN, draw_ground, shade_of
from app.modules.wallets.apple_wallet.pictures import Look
from app.modules.wallets.apple_wallet.strips import (
    BAR_STEPS,
    STRIP,
    Frame,
    StripState,
    state_image,
    strip_parts,
)
from app.modules.wallets.rules import PALETTES, card_colors

FRAME = Frame(*STRIP, 12, 1)


def look(ground: str = "") -> Look:
    """Return a look of the forest palette."""
    colors = PALETTES["forest"]
    return Look(colors.background, colors.foreground, colors.accent, "coffee", ground)


def photo(*colors: str) -> bytes:
    """Return a photo of stripes."""
    image = Image.new("RGB", (90, 60))
    for place, color in enumerate(colors):
        image.paste(color, (place * 90 // len(colors), 0, 90, 60))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("ground", ["", "rings"])
@pytest.mark.parametrize("needed", [0, 1, 7, 10, 23])
def test_a_packed_strip_is_the_drawn_one(ground: str, needed: int) -> None:
    """For each count, dot for dot: the joined rows and their checksums are right."""
    for filled in range((needed or BAR_STEPS) + 1):
        state = StripState(filled, needed)
        with Image.open(io.BytesIO(strip_parts(look(ground), state)[0].packed)) as packed:
            assert (
                packed.convert("RGB").tobytes()
                == state_image(look(ground), state, FRAME).convert("RGB").tobytes()
            )


def test_strips_of_other_counts_differ() -> None:
    """Eleven counts of ten stamps are eleven pictures, each under 8 KB at twice the size."""
    strips = [strip_parts(look(), StripState(count, 10)) for count in range(11)]

    assert len({parts[0].digest for parts in strips}) == 11
    assert max(parts[1].size for parts in strips) < 8_192


def test_patterns_are_seen_but_quiet() -> None:
    """Each pattern is another picture, and none goes far from the card's colour."""
    pictures = {
        name: draw_ground(name, (375, 144), background="#0b5c46", foreground="#ffffff", scale=1)
        for name in PATTERNS
    }

    assert len({picture.tobytes() for picture in pictures.values()}) == len(PATTERNS) >= 5
    for picture in pictures.values():
        for (low, high), color in zip(picture.getextrema(), (0x0B, 0x5C, 0x46), strict=True):
            assert color <= low <= high <= color + 24


@pytest.mark.parametrize(("background", "foreground"), [("#0b5c46", "#ffffff"), ("#fbf8f1", "#23201a")])
def test_a_photo_is_shaded_until_text_is_readable(background: str, foreground: str) -> None:
    """The harshest photo, black beside white, takes more of the card's colour than one that fits already."""
    harsh = photo("#ffffff", "#000000")
    fitting = photo(background)

    share = shade_of(harsh, background, foreground)

    assert shade_of(fitting, background, foreground) == 0.4 < share <= 0.95
    own_icons._photos["photo-test"] = harsh
    picture = draw_ground("photo-test", (375, 144), background=background, foreground=foreground, scale=1)
    corners = [picture.getpixel((x, 72)) for x in (5, 370)]
    assert all(ratio(corner, foreground) >= TEXT_RATIO_MIN for corner in corners)
    assert ratio((255, 255, 255), "#ffffff") == 1


def ratio(color: object, ink: str) -> float:
    """Return the contrast of a dot and a colour (WCAG 2.2)."""
    assert isinstance(color, tuple)
    both = [color, tuple(int(ink[i : i + 2], 16) for i in (1, 3, 5))]
    light = []
    for one in both:
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in one)
        )
        light.append(0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    return float(max(light) / min(light))


def test_a_photo_nobody_learned_leaves_the_plain_colour() -> None:
    """A missing photo is no broken pass."""
    picture = draw_ground("photo-missing", (10, 10), background="#0b5c46", foreground="#ffffff", scale=1)

    assert picture.getextrema() == ((0x0B, 0x0B), (0x5C, 0x5C), (0x46, 0x46))


def test_the_ground_is_the_programmes() -> None:
    """A design without one has plain colour."""
    assert card_colors({"ground": "dots"}, {}).ground == "dots"
    assert card_colors({}, {}).ground == ""
