"""Makes a pass from the neutral view of a card: its form filled in, pictures, texts, signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from app.kernel.i18n import translator
from app.modules.wallets.apple_wallet.form import (
    BARCODE,
    CARD_URL,
    NUMBER,
    SERIAL,
    TOKEN,
    Form,
    Shape,
    Wording,
    make_form,
)
from app.modules.wallets.apple_wallet.identity import Identity
from app.modules.wallets.apple_wallet.logos import logo_parts
from app.modules.wallets.apple_wallet.package import Bundle, make_bundle, make_part, write_package
from app.modules.wallets.apple_wallet.pictures import Look, look_parts
from app.modules.wallets.apple_wallet.schema import check_own
from app.modules.wallets.apple_wallet.strips import BAR_STEPS, StripState, strip_parts
from app.modules.wallets.apple_wallet.texts import write_lines
from app.modules.wallets.view import CardView

MIME_TYPE = "application/vnd.apple.pkpass"
BUNDLES_KEPT = 1_024
# The texts in a card's gaps that are not the same in every language: each in all of them, in the form's order.
Translations = tuple[tuple[str, ...], ...]


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
    now: datetime
    logo: bytes = b""


def build_pass(order: PassOrder) -> bytes:
    """Return the signed .pkpass. Costs a signature, and a drawing the first time: call it in a thread."""
    view = order.views[order.base]
    check_own(serial=order.serial, token=order.token, barcode=view.barcode_text, card_url=order.card_url)
    wordings, spoken = [_wording(view)], [_spoken(view)]
    for language, other in order.views.items():
        if language != order.base:
            wordings.append(_wording(other))
            spoken.append(_spoken(other))
    form = make_form(_shape(order, view, wordings))
    own = {
        SERIAL: order.serial,
        TOKEN: order.token,
        CARD_URL: order.card_url,
        BARCODE: view.barcode_text,
        NUMBER: view.card_number_printed,
        **dict(zip(form.spoken, spoken[0], strict=True)),
    }
    content = make_part("pass.json", form.fill(own))
    translations = tuple([texts for texts in zip(*spoken, strict=True) if texts.count(texts[0]) < len(texts)])
    pictures = _pictures(_look(view), strip_state(view), order.logo)
    texts = _texts(form, translations, pictures.end)
    return write_package(pictures, texts, content, lambda manifest: sign_manifest(order, manifest))


def sign_manifest(order: PassOrder, manifest: bytes) -> bytes:
    """Return the detached signature over a manifest."""
    return order.identity.signer.sign(manifest, at=order.now)


@lru_cache(maxsize=BUNDLES_KEPT)
def _pictures(look: Look, state: StripState, logo: bytes) -> Bundle:
    """Return the pictures: the same for every card of this look that shows the same count."""
    return make_bundle([*((logo and logo_parts(look, logo)) or look_parts(look)), *strip_parts(look, state)])


@lru_cache(maxsize=BUNDLES_KEPT)
def _texts(form: Form, translations: Translations, start: int) -> Bundle:
    """Return the texts, which in most programmes many cards share."""
    parts = [
        opening.end_with(write_lines({texts[0]: texts[place] for texts in translations}))
        for place, opening in enumerate(form.strings)
    ]
    return make_bundle(parts, start=start)


def strip_state(view: CardView) -> StripState:
    """Return what the strip shows: the stamps, or how far the next reward for points is."""
    if view.loyalty_type != "points":
        return StripState(max(0, min(view.stamp_count, view.stamps_needed)), view.stamps_needed)
    if view.next_reward is None:
        return StripState(BAR_STEPS if view.rewards_waiting else 0, 0)
    reached = view.next_reward.threshold - view.next_reward.distance
    return StripState(max(0, reached * BAR_STEPS // max(1, view.next_reward.threshold)), 0)


def _look(view: CardView) -> Look:
    colors = view.colors
    return Look(colors.background, colors.foreground, colors.accent, view.icon, colors.ground)


def _shape(order: PassOrder, view: CardView, wordings: Sequence[Wording]) -> Shape:
    """Return what the card has in common with others. Names are in the merchant's own words."""
    # What was merged or erased will not come back, and goes to the phone's expired passes.
    is_over = view.status in {"merged", "erased"}
    return Shape(
        order.identity.pass_type,
        order.identity.team,
        order.service_url,
        view.colors.foreground,
        view.colors.background,
        view.merchant_name,
        view.store_names,
        tuple([(place.name, place.latitude, place.longitude) for place in view.locations]),
        tuple([(reward.active, reward.ready) for reward in view.rewards]),
        view.next_reward is not None,
        view.status != "active",
        view.changed_at.strftime("%Y-%m-%dT%H:%M:%SZ") if is_over else None,
        tuple(wordings),
    )


def _wording(view: CardView) -> Wording:
    fields = view.fields
    return Wording(
        view.locale,
        tuple([(f.key, f.label, f.change_message, f.place) for f in fields if f.value != ""]),
        tuple([reward.title for reward in view.rewards]),
        view.next_reward.title if view.next_reward else None,
        view.card_title,
    )


def _spoken(view: CardView) -> list[str]:
    """Return the card's own texts in the view's language. Always text: other wallets leave out numbers."""
    texts = [
        field.value if isinstance(field.value, str) else translator(view.locale).format_number(field.value)
        for field in view.fields
        if field.value != ""
    ]
    if view.next_reward is not None:
        texts.append(view.next_reward.text)
    return texts
