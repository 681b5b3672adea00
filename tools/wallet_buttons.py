"""Make the "Add to Google Wallet" buttons from Google's own drawings.

Google publishes its button as Android drawings (paths, one file a language); the npm package named in
static/vendor/VENDORED.md carries them. This writes the same paths as SVG, on the black pill with the grey outline
of the brand guidelines. Shapes and colours are not altered.

Run: python tools/wallet_buttons.py FOLDER, the unpacked package of `npm pack @premieroctet/react-native-wallet`
"""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

VERSION = "1.0.2"
TARGET = Path(__file__).resolve().parent.parent / f"backend/app/static/vendor/google-wallet-buttons-{VERSION}"
# Luxembourgish has no drawing; Google's rule for such a language is the English one.
LANGUAGES = {"en": "drawable-en-rus", "fr": "drawable-fr-rfr", "de": "drawable-de"}
ANDROID = "{http://schemas.android.com/apk/res/android}"
HEIGHT, SIDE = 56, 28
FILL, OUTLINE = "#1f1f1f", "#747775"


def main() -> None:
    """Write one SVG for each language."""
    folder = Path(sys.argv[1]) / "android/src/main/res"
    TARGET.mkdir(exist_ok=True)
    for language, name in LANGUAGES.items():
        drawing = ET.parse(folder / name / "add_to_googlewallet_button_content.xml").getroot()
        (TARGET / f"add-{language}.svg").write_text(svg_of(drawing))


def svg_of(drawing: ET.Element) -> str:
    """Return the drawing on its pill."""
    width = float(drawing.get(f"{ANDROID}viewportWidth", "0"))
    height = float(drawing.get(f"{ANDROID}viewportHeight", "0"))
    paths = "".join(_path(path) for path in drawing.iter("path"))
    whole, top = width + 2 * SIDE, (HEIGHT - height) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole:g}" height="{HEIGHT}"'
        f' viewBox="0 0 {whole:g} {HEIGHT}"><rect x=".5" y=".5" width="{whole - 1:g}" height="{HEIGHT - 1}"'
        f' rx="{(HEIGHT - 1) / 2:g}" fill="{FILL}" stroke="{OUTLINE}"/><g transform="translate({SIDE} {top:g})">'
        f"{paths}</g></svg>\n"
    )


def _path(path: ET.Element) -> str:
    data = " ".join(path.get(f"{ANDROID}pathData", "").split())
    return f'<path d="{data}" fill="{path.get(f"{ANDROID}fillColor")}"/>'


if __name__ == "__main__":
    main()
