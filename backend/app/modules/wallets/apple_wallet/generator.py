"""Makes a pass from the neutral view of a card: its form filled in, pictures, texts, signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from app.kernel.i18n import translator
from app.modules.wallets.apple_wallet.form import (
    BARCODE,
    CARD_URL,
    NEXT,
    NUMBER,
    SERIAL,
    TOKEN,
    Form,
    Line,
    Shape,
    Wording,
    make_form,
    value_gap,
)
from app.modules.wallets.apple_wallet.identity import Identity
from app.modules.wallets.apple_wallet.package import Bundle, make_bundle, own_part, write_package
from app.modules.wallets.apple_wallet.pictures import BAR_STEPS, Look, StripState, look_parts, strip_parts
from app.modules.wallets.apple_wallet.schema import check_own
from app.modules.wallets.apple_wallet.texts import strings_part, write_lines
from app.modules.wallets.view import CardView

MIME_TYPE = "application/vnd.apple.pkpass"
BUNDLES_KEPT = 2_048
Spoken = Mapping[str, str]
# The texts in a card's gaps and their translations, by language.
Changes = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


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


def build_pass(order: PassOrder) -> bytes:
    """Return the signed .pkpass. Costs a signature, and a drawing the first time: call it in a thread."""
    view = order.views[order.base]
    spoken = {language: _spoken(one) for language, one in order.views.items()}
    own = {
        SERIAL: order.serial,
        TOKEN: order.token,
        CARD_URL: order.card_url,
        BARCODE: view.barcode_text,
        NUMBER: view.card_number_printed,
    }
    check_own(serial=order.serial, token=order.token, barcode=view.barcode_text, card_url=order.card_url)
    form = make_form(_shape(order))
    content = own_part("pass.json", form.fill(own | spoken[order.base]))
    bundle = _bundle(form, _look(view), strip_state(view), _changes(spoken, order.base))
    return write_package(bundle, content, lambda manifest: sign_manifest(order, manifest))


def sign_manifest(order: PassOrder, manifest: bytes) -> bytes:
    """Return the detached signature over a manifest."""
    return order.identity.signer.sign(manifest, at=order.now)


@lru_cache(maxsize=BUNDLES_KEPT)
def _bundle(form: Form, look: Look, state: StripState, changes: Changes) -> Bundle:
    """Return all files but pass.json: the same for every card of this form that shows the same count."""
    texts = [
        strings_part(language, form.strings[language] + write_lines(dict(pairs)))
        for language, pairs in changes
    ]
    return make_bundle([*look_parts(look), *strip_parts(look, state), *texts])


def strip_state(view: CardView) -> StripState:
    """Return what the strip shows: the stamps, or how far the next reward for points is."""
    if view.loyalty_type != "points":
        return StripState(max(0, min(view.stamp_count, view.stamps_needed)), view.stamps_needed)
    if view.next_reward is None:
        return StripState(BAR_STEPS if view.rewards_waiting else 0, 0)
    reached = view.next_reward.threshold - view.next_reward.distance
    return StripState(max(0, reached * BAR_STEPS // max(1, view.next_reward.threshold)), 0)


def _look(view: CardView) -> Look:
    return Look(view.colors.background, view.colors.foreground, view.colors.accent, view.icon)


def _shape(order: PassOrder) -> Shape:
    """Return what the card has in common with others."""
    view = order.views[order.base]
    others = [one for language, one in order.views.items() if language != order.base]
    # What was merged or erased will not come back, and goes to the phone's expired passes.
    is_over = view.status in {"merged", "erased"}
    return Shape(
        order.identity.pass_type,
        order.identity.team,
        order.service_url,
        view.colors.foreground,
        view.colors.background,
        tuple((place.name, place.latitude, place.longitude) for place in view.locations),
        view.status != "active",
        view.changed_at.strftime("%Y-%m-%dT%H:%M:%SZ") if is_over else None,
        (_wording(view), *map(_wording, others)),
    )


def _wording(view: CardView) -> Wording:
    rewards, ahead = view.rewards, view.next_reward
    return Wording(
        view.locale,
        view.merchant_name,
        view.store_names,
        tuple(
            Line(field.key, field.label, field.change_message, field.place)
            for field in view.fields
            if field.value != ""
        ),
        tuple(reward.title for reward in rewards if reward.active),
        tuple(reward.title for reward in rewards if reward.ready),
        ahead.title if ahead else None,
    )


def _spoken(view: CardView) -> dict[str, str]:
    """Return the card's own texts in the view's language. Always text: other wallets leave out numbers."""
    texts = {
        value_gap(field.key): field.value
        if isinstance(field.value, str)
        else translator(view.locale).format_number(field.value)
        for field in view.fields
    }
    if view.next_reward is not None:
        texts[NEXT] = view.next_reward.text
    return texts


def _changes(spoken: Mapping[str, Spoken], base: str) -> Changes:
    """Return which of the card's own texts say something else in another language, and what."""
    own = spoken[base]
    wanted = [
        name
        for name, text in own.items()
        if any(theirs.get(name, text) != text for theirs in spoken.values())
    ]
    return tuple(
        (language, tuple((own[name], theirs[name]) for name in wanted if name in theirs))
        for language, theirs in spoken.items()
    )
