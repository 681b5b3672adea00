"""The texts of a pass in every language: <lang>.lproj/pass.strings, from the text in pass.json to its translation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.modules.wallets.apple_wallet.package import Part, keep_part

TRANSLATED = ("label", "value", "changeMessage", "attributedValue")


def texts_of(card: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return every shown text of a storeCard by field key and place."""
    return {
        (entry["key"], name): entry[name]
        for entry in _entries(card)
        for name in TRANSLATED
        if entry.get(name)
    }


def _entries(card: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for fields in card.values():
        yield from fields


def text_parts(cards: Mapping[str, Mapping[str, Any]], base: str) -> list[Part]:
    """Return pass.strings for each language; cards: the same storeCard in each, base: the one in pass.json."""
    own = texts_of(cards[base])
    parts: list[Part] = []
    for language, card in cards.items():
        theirs = texts_of(card)
        pairs = {text: theirs[place] for place, text in own.items() if place in theirs}
        parts.append(keep_part(f"{language}.lproj/pass.strings", write_strings(pairs)))
    return parts


def write_strings(pairs: Mapping[str, str]) -> bytes:
    """Return a .strings file, UTF-16 with its byte order mark as Apple documents."""
    lines = [f'"{_escape(key)}" = "{_escape(value)}";\n' for key, value in pairs.items()]
    return b"\xff\xfe" + "".join(lines).encode("utf-16-le")


def _escape(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")
