"""Build the icon sprite from an unpacked @tabler/icons package.

Usage: python tools/icons.py PATH_TO_PACKAGE
One sprite of our own choosing keeps the pages at one cached request for all icons. Run
`python tools/vendor.py --write` afterwards, because the sprite's checksum is recorded too.
"""

import re
import sys
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "backend/app/static/vendor"
SPRITE = VENDOR / "tabler-icons-3.51.0" / "icons.svg"

OUTLINE_TEXT = """
alert-circle alert-triangle arrow-back-up arrow-down-right arrow-left arrow-right arrow-up-right
arrows-sort backspace barbell beer bell bike bolt book bottle bread brush building-store bulb burger
cake calendar camera car cards chart-bar chart-line check chevron-down chevron-left chevron-right
circle-check clock code coffee coins confetti cookie copy credit-card crown cup dental
device-mobile device-tablet diamond discount dots download edit external-link eye eye-off filter fish
flame flower gift glass heart help history home ice-cream id-badge-2 info-circle key keyboard language
leaf list-check lock login logout mail map-pin meat menu-2 message minus music note palette paw phone
photo pizza plug plus printer qrcode razor receipt refresh rubber-stamp salad scan scissors search send
settings share shield-check shirt shopping-bag sparkles star tag target ticket tools-kitchen-2 trash
trophy upload user user-check user-plus users wallet wash webhook world x
"""

BLANK = '<path stroke="none" d="M0 0h24v24H0z" fill="none"/>'


def symbol(path: Path) -> str:
    """Return one icon as a symbol that takes its colour and stroke from where it is used."""
    body = re.search(r"<svg[^>]*>(.*)</svg>", path.read_text(), re.S)
    assert body is not None
    shapes = re.sub(r"\s+/>", "/>", re.sub(r"\s*\n\s*", "", body.group(1))).replace(BLANK, "")
    return f'<symbol id="{path.stem}" viewBox="0 0 24 24">{shapes}</symbol>'


def main() -> None:
    """Write the sprite."""
    icons = Path(sys.argv[1]) / "icons" / "outline"
    symbols = "\n".join(symbol(icons / f"{name}.svg") for name in sorted(set(OUTLINE_TEXT.split())))
    SPRITE.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n')


if __name__ == "__main__":
    main()
