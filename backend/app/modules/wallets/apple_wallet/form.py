"""The form of a pass: pass.json with gaps for what is one card's own. Made and checked once for many cards.

A form is made of a Shape, and a Shape holds nothing of a single card: no card's data can get into another's pass.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.modules.wallets.apple_wallet.package import Opening
from app.modules.wallets.apple_wallet.schema import (
    HEADER_MAX,
    MIDDLE_MAX,
    PRIMARY_MAX,
    BadPass,
    check_pass,
)
from app.modules.wallets.apple_wallet.texts import (
    Card,
    Pairs,
    open_strings,
    pair_heads,
    pair_texts,
)

TEMPLATE = Path(__file__).parent / "templates" / "loyalty_pass.json"
FORMS_KEPT = 1_024
Entry = dict[str, Any]

# The gaps: what is a card's own. "value:<key>" and NEXT have a text in each language.
SERIAL, TOKEN, CARD_URL, BARCODE, NUMBER, NEXT = "serial", "token", "card_url", "barcode", "number", "next"
# Drawn anew in each process, so that nobody can write a gap into a shop's name.
_MARK = secrets.token_hex(12)
_GAP = re.compile(rf"<{_MARK} ([^ ]+) {_MARK}>")


def _value_gap(key: str) -> str:
    return f"value:{key}"


def _gap(name: str) -> str:
    return f"<{_MARK} {name} {_MARK}>"


# A field without its value: key, label, change message, place.
Line = tuple[str, str, str, str]


class Wording(NamedTuple):
    """What the card says in a language, without its own values.

    titles: of the shape's rewards; next_title: of the one that is next. name: what the shop calls the card, or nothing.
    """

    language: str
    lines: tuple[Line, ...]
    titles: tuple[str, ...] = ()
    next_title: str | None = None
    name: str = ""


class Shape(NamedTuple):
    """All that a form is made of. rewards: (is_active, is_ready); wordings: that of pass.json first.

    Plain tuples: one is made for every pass, to find the form by.
    """

    pass_type: str
    team: str
    service_url: str
    foreground: str
    background: str
    merchant_name: str
    store_names: tuple[str, ...]
    locations: tuple[tuple[str, float, float], ...]
    rewards: tuple[tuple[bool, bool], ...]
    has_next: bool
    is_voided: bool
    expires: str | None
    wordings: tuple[Wording, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Form:
    """pass.json as text with gaps at every second place.

    spoken: the gaps with a text in each language, in the order of the fields. strings: the start of pass.strings in
    each language, in the order of the wordings, for what is not a gap.
    """

    pieces: tuple[str, ...]
    gaps: tuple[str, ...]
    spoken: tuple[str, ...]
    strings: tuple[Opening, ...]

    def fill(self, values: Mapping[str, str]) -> bytes:
        """Return pass.json with a value in every gap."""
        quoted = {name: encode_basestring(value)[1:-1] for name, value in values.items()}
        pieces = [*self.pieces]
        pieces[1::2] = [quoted[name] for name in self.gaps]
        return "".join(pieces).encode()


@lru_cache(maxsize=FORMS_KEPT)
def make_form(shape: Shape) -> Form:
    """Return the form of a shape; raises BadPass for one that a phone would refuse."""
    keys = {tuple(line[0] for line in wording.lines) for wording in shape.wordings}
    if len(keys) > 1:
        raise BadPass("a card has other fields in another language")
    cards = {wording.language: _card(shape, wording) for wording in shape.wordings}
    heads = {wording.language: _head(shape, wording) for wording in shape.wordings}
    base = shape.wordings[0].language
    content = _content(shape, cards[base], heads[base])
    check_pass(content)
    pieces = _GAP.split(json.dumps(content, ensure_ascii=False, separators=(",", ":")))
    spoken = [_value_gap(key) for key in keys.pop()] + ([NEXT] if shape.has_next else [])
    strings = [
        # The fields come last: a label reads as a label, whatever the shop calls its card.
        open_strings(language, pair_heads(heads[base], heads[language]) | dict(_without_gaps(pairs)))
        for language, pairs in pair_texts(cards, base).items()
    ]
    return Form(tuple(pieces), tuple(pieces[1::2]), tuple(spoken), tuple(strings))


def _without_gaps(pairs: Pairs) -> Iterator[tuple[str, str]]:
    for text, translation in pairs.items():
        if _GAP.search(text) is None:
            yield text, translation
        elif text != translation:
            raise BadPass(f"{translation} mixes a translation with a card's own value")


@cache
def _template() -> Any:
    return json.loads(TEMPLATE.read_text())


def _head(shape: Shape, wording: Wording) -> dict[str, str]:
    """Return what stands beside the logo, and what a screen reader says of the whole card."""
    with use_language(wording.language):
        description = _("Loyalty card of %(shop)s", shop=shape.merchant_name)
    # Together with the shop's own name: beside the logo there is room for one of them only.
    spoken = f"{wording.name} · {description}" if wording.name else description
    return {"description": spoken, "logo_text": wording.name or shape.merchant_name}


def _content(shape: Shape, card: Card, head: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "pass_type": shape.pass_type,
        "team": shape.team,
        "serial": _gap(SERIAL),
        "organization": shape.merchant_name,
        **head,
        "foreground": _rgb(shape.foreground),
        "background": _rgb(shape.background),
        "label_color": _rgb(shape.foreground),
        "service_url": shape.service_url,
        "token": _gap(TOKEN),
        "voided": shape.is_voided or None,
        "expires": shape.expires,
        "locations": [
            {"latitude": latitude, "longitude": longitude, "relevantText": name}
            for name, latitude, longitude in shape.locations
        ]
        or None,
        "barcode": {
            "format": "PKBarcodeFormatQR",
            "message": _gap(BARCODE),
            "messageEncoding": "iso-8859-1",
            "altText": _gap(NUMBER),
        },
        **{name.removesuffix("Fields"): fields or None for name, fields in card.items()},
    }
    filled: dict[str, Any] = _fill(_template(), values)
    return filled


def _fill(node: Any, values: Mapping[str, Any]) -> Any:
    """Put values where the template says {{name}}; what has none is left out, for Apple takes no null."""
    if isinstance(node, dict):
        pairs = ((key, _fill(inner, values)) for key, inner in node.items())
        return {key: inner for key, inner in pairs if inner is not None}
    if isinstance(node, list):
        return [inner for inner in (_fill(entry, values) for entry in node) if inner is not None]
    if isinstance(node, str) and node.startswith("{{"):
        return values[node[2:-2]]
    return node


def _rgb(color: str) -> str:
    return f"rgb({int(color[1:3], 16)}, {int(color[3:5], 16)}, {int(color[5:7], 16)})"


def _card(shape: Shape, wording: Wording) -> dict[str, list[Entry]]:
    """Return the storeCard's fields in one language; what finds no room goes to the back."""
    with use_language(wording.language):
        groups: dict[str, list[Entry]] = {
            name: [] for name in ("header", "primary", "secondary", "auxiliary")
        }
        back: list[Entry] = []
        for place, entry in [*_reward_entries(shape, wording), *_line_entries(wording.lines)]:
            group = groups.get(place, back)
            group.append(entry)
        back += _overflow(groups)
        back += _back_entries(shape, wording)
    return {f"{name}Fields": entries for name, entries in {**groups, "back": back}.items()}


def _overflow(groups: dict[str, list[Entry]]) -> list[Entry]:
    """Take out of the front what Apple would not show."""
    room = {"header": HEADER_MAX, "primary": PRIMARY_MAX, "secondary": MIDDLE_MAX}
    room["auxiliary"] = MIDDLE_MAX - min(MIDDLE_MAX, len(groups["secondary"]))
    over: list[Entry] = []
    for name, most in room.items():
        over += groups[name][most:]
        del groups[name][most:]
    return over


def _entry(key: str, label: str, value: str, change: str = "") -> Entry:
    entry = {"key": key, "label": label, "value": value}
    return entry | {"changeMessage": change} if change else entry


def _line_entries(lines: Sequence[Line]) -> list[tuple[str, Entry]]:
    return [
        (place, _entry(key, label, _gap(_value_gap(key)), change_message))
        for key, label, change_message, place in lines
    ]


def _reward_entries(shape: Shape, wording: Wording) -> list[tuple[str, Entry]]:
    entries: list[tuple[str, Entry]] = []
    titled = zip(wording.titles, shape.rewards, strict=True)
    ready = ", ".join(title for title, (_is_active, is_ready) in titled if is_ready)
    if ready:
        change = _("Waiting for you: %(reward)s", reward="%@")
        entries.append(("secondary", _entry("reward_ready", _("Waiting for you"), ready, change)))
    if wording.next_title is not None:
        entries.append(("secondary", _entry("reward_next", _gap(NEXT), wording.next_title)))
    return entries


def _back_entries(shape: Shape, wording: Wording) -> list[Entry]:
    url, host = _gap(CARD_URL), urlsplit(shape.service_url).netloc
    titled = zip(wording.titles, shape.rewards, strict=True)
    offer = "\n".join(title for title, (is_active, _is_ready) in titled if is_active)
    entries = [
        _entry("card_number", _("Card number"), _gap(NUMBER)),
        _link("web_card", _("Your card in the browser"), url, host),
        _link("my_data", _("See, download or delete my data"), f"{url}#my-data", host),
        _conditions(shape, wording),
    ]
    if offer:
        entries.insert(0, _entry("offer", _("Rewards"), offer))
    return entries


def _conditions(shape: Shape, wording: Wording) -> Entry:
    """Return what holds for every card; where the shop wrote terms of its own, only where the card works."""
    stores = ", ".join(shape.store_names) or shape.merchant_name
    if any(line[0] == "terms" for line in wording.lines):
        return _entry("conditions", _("Where it works"), stores)
    words = _(
        "A card of %(shop)s. It is free, cannot be exchanged for money and is valid in: %(stores)s.",
        shop=shape.merchant_name,
        stores=stores,
    )
    return _entry("conditions", _("Conditions"), words)


def _link(key: str, label: str, url: str, host: str) -> Entry:
    """Return a link that shows where it leads; its words, the same in every language, are the host's name."""
    return _entry(key, label, url) | {"attributedValue": f'<a href="{url}">{host}</a>'}
