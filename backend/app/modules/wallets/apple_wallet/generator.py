"""Makes a pass from the neutral view of a card: pass.json from its template, pictures, texts, signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from app.kernel.i18n import current, use_language
from app.kernel.i18n import gettext as _
from app.modules.wallets.apple_wallet.identity import Identity
from app.modules.wallets.apple_wallet.package import make_part, write_package
from app.modules.wallets.apple_wallet.pictures import BAR_STEPS, Look, StripState, look_parts, strip_parts
from app.modules.wallets.apple_wallet.schema import HEADER_MAX, MIDDLE_MAX, PRIMARY_MAX, check_pass
from app.modules.wallets.apple_wallet.signer import sign_manifest
from app.modules.wallets.apple_wallet.texts import text_parts
from app.modules.wallets.hooks import PassField
from app.modules.wallets.view import CardView

TEMPLATE = Path(__file__).parent / "templates" / "loyalty_pass.json"
MIME_TYPE = "application/vnd.apple.pkpass"
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PassOrder:
    """What a pass is made of. views: the card in each language; base: the language of pass.json itself."""

    identity: Identity
    serial: str
    token: str
    service_url: str
    card_url: str
    views: Mapping[str, CardView]
    base: str


def build_pass(order: PassOrder) -> bytes:
    """Return the signed .pkpass. Costs a signature, and a drawing the first time: call it in a thread."""
    cards = {language: _card_fields(view, order.card_url) for language, view in order.views.items()}
    content = _content(order, cards[order.base])
    check_pass(content)
    view = order.views[order.base]
    look = Look(view.colors.background, view.colors.foreground, view.colors.accent, view.icon)
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    parts = [
        make_part("pass.json", body),
        *look_parts(look),
        *strip_parts(look, strip_state(view)),
        *text_parts(cards, order.base),
    ]
    return write_package(parts, lambda manifest: sign_manifest(order.identity, manifest))


def strip_state(view: CardView) -> StripState:
    """Return what the strip shows: the stamps, or how far the next reward for points is."""
    if view.loyalty_type != "points":
        return StripState(max(0, min(view.stamp_count, view.stamps_needed)), view.stamps_needed)
    if view.next_reward is None:
        return StripState(BAR_STEPS if view.rewards_waiting else 0, 0)
    reached = view.next_reward.threshold - view.next_reward.distance
    return StripState(max(0, reached * BAR_STEPS // max(1, view.next_reward.threshold)), 0)


@cache
def _template() -> Any:
    return json.loads(TEMPLATE.read_text())


def _content(order: PassOrder, card: Mapping[str, list[Entry]]) -> dict[str, Any]:
    view = order.views[order.base]
    with use_language(order.base):
        description = _("Loyalty card of %(shop)s", shop=view.merchant_name)
    values: dict[str, Any] = {
        "pass_type": order.identity.pass_type,
        "team": order.identity.team,
        "serial": order.serial,
        "organization": view.merchant_name,
        "description": description,
        "logo_text": view.merchant_name,
        "foreground": _rgb(view.colors.foreground),
        "background": _rgb(view.colors.background),
        "label_color": _rgb(view.colors.foreground),
        "service_url": order.service_url,
        "token": order.token,
        "voided": True if view.status != "active" else None,
        # What was merged or erased will not come back, and goes to the phone's expired passes.
        "expires": _w3c(view.changed_at) if view.status in {"merged", "erased"} else None,
        "locations": _locations(view) or None,
        "barcode": {
            "format": "PKBarcodeFormatQR",
            "message": view.barcode_text,
            "messageEncoding": "iso-8859-1",
            "altText": view.card_number_printed,
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


def _w3c(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _locations(view: CardView) -> list[dict[str, Any]]:
    return [
        {"latitude": place.latitude, "longitude": place.longitude, "relevantText": place.name}
        for place in view.locations
    ]


def _card_fields(view: CardView, card_url: str) -> dict[str, list[Entry]]:
    """Return the storeCard's fields in the view's language; what finds no room goes to the back."""
    with use_language(view.locale):
        groups: dict[str, list[Entry]] = {
            name: [] for name in ("header", "primary", "secondary", "auxiliary")
        }
        back: list[Entry] = []
        for place, entry in [*_reward_entries(view), *_module_entries(view)]:
            group = groups.get(place, back)
            group.append(entry)
        back += _overflow(groups)
        back += _back_entries(view, card_url)
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


def _module_entries(view: CardView) -> list[tuple[str, Entry]]:
    return [(field.place, _field_entry(field)) for field in view.fields if field.value != ""]


def _field_entry(field: PassField) -> Entry:
    # Always text: other wallets leave out numbers, and a zero.
    value = field.value if isinstance(field.value, str) else current().format_number(field.value)
    return _entry(field.key, field.label, value, field.change_message)


def _reward_entries(view: CardView) -> list[tuple[str, Entry]]:
    entries: list[tuple[str, Entry]] = []
    ready = ", ".join(reward.title for reward in view.rewards if reward.ready)
    if ready:
        change = _("Waiting for you: %(reward)s", reward="%@")
        entries.append(("secondary", _entry("reward_ready", _("Waiting for you"), ready, change)))
    if view.next_reward is not None:
        entries.append(("secondary", _entry("reward_next", view.next_reward.text, view.next_reward.title)))
    return entries


def _back_entries(view: CardView, card_url: str) -> list[Entry]:
    offer = "\n".join(reward.title for reward in view.rewards if reward.active)
    entries = [
        _entry("card_number", _("Card number"), view.card_number_printed),
        _link("web_card", _("Your card in the browser"), card_url, _("Open the card")),
        _link("my_data", _("Your data"), f"{card_url}#my-data", _("See, download or delete my data")),
        _entry(
            "terms",
            _("Conditions"),
            _(
                "A card of %(shop)s. It is free, cannot be exchanged for money and is valid in: %(stores)s.",
                shop=view.merchant_name,
                stores=", ".join(view.store_names) or view.merchant_name,
            ),
        ),
    ]
    if offer:
        entries.insert(0, _entry("offer", _("Rewards"), offer))
    return entries


def _link(key: str, label: str, url: str, words: str) -> Entry:
    return _entry(key, label, url) | {"attributedValue": f'<a href="{escape(url)}">{escape(words)}</a>'}
