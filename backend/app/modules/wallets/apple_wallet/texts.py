"""The texts of a pass in every language: <lang>.lproj/pass.strings, from the text in pass.json to its translation.

What says the same in every language, as names and numbers do, is not in these files. So they are the same for
many cards and are made once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.modules.wallets.apple_wallet.package import Opening

TRANSLATED = ("label", "value", "changeMessage", "attributedValue")
Card = Mapping[str, list[dict[str, Any]]]
Pairs = dict[str, str]
_SPECIAL = re.compile(r'[\\"\r\n]')


def pair_texts(cards: Mapping[str, Card], base: str) -> dict[str, Pairs]:
    """Return the translations by language; cards: the same fields in each, base: the one in pass.json.

    Labels are always there, for a file without any text might not be read.
    """
    own = dict(_texts_of(cards[base]))
    others = {language: dict(_texts_of(card)) for language, card in cards.items()}
    wanted = [
        place
        for place, text in own.items()
        if place[1] == "label" or any(theirs.get(place, text) != text for theirs in others.values())
    ]
    return {
        language: {own[place]: theirs[place] for place in wanted if place in theirs}
        for language, theirs in others.items()
    }


def pair_heads(own: Mapping[str, str], other: Mapping[str, str]) -> Pairs:
    """Return the translations of what heads a pass, where they say something else."""
    return {text: other[name] for name, text in own.items() if other[name] != text}


def _texts_of(card: Card) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield every shown text by the key of its field and its place in it."""
    for fields in card.values():
        for entry in fields:
            for name in TRANSLATED:
                if entry.get(name):
                    yield (entry["key"], name), entry[name]


def write_strings(pairs: Mapping[str, str]) -> bytes:
    """Return a .strings file, UTF-16 with its byte order mark as Apple documents."""
    return b"\xff\xfe" + write_lines(pairs)


def write_lines(pairs: Mapping[str, str]) -> bytes:
    """Return lines that may be added to such a file."""
    lines = [f'"{_escape(key)}" = "{_escape(value)}";\n' for key, value in pairs.items()]
    return "".join(lines).encode("utf-16-le")


def open_strings(language: str, pairs: Mapping[str, str]) -> Opening:
    """Return the start of pass.strings in a language, to which lines may be added."""
    return Opening(f"{language}.lproj/pass.strings", write_strings(pairs))


def _escape(text: str) -> str:
    # Hardly any text has something to escape: looking once is four times as fast as replacing five times.
    if _SPECIAL.search(text) is None:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")
