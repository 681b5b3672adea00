"""LoyaltyClass and LoyaltyObject as Google takes them, made from the neutral view of a card. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.kernel.i18n import LANGUAGES, msg, translator
from app.modules.wallets.google_wallet.accounts import GoogleAccount
from app.modules.wallets.google_wallet.images import (
    Picture,
    hero_picture,
    logo_picture,
    picture_token,
    plain_picture,
)
from app.modules.wallets.google_wallet.rules import class_id, object_id
from app.modules.wallets.hooks import PassField
from app.modules.wallets.messages.rules import CardMessage
from app.modules.wallets.view import CardView
from app.utils.security import Keyring

# Google shows ten of each and refuses more; account fields are cut at twenty.
MODULES_MAX = 10
ACCOUNT_LENGTH_MAX = 20
LABEL_LENGTH_MAX = 9
NAME_LENGTH_MAX = 120
TEXT_LENGTH_MAX = 500
STATES = {"active": "ACTIVE", "blocked": "INACTIVE", "merged": "EXPIRED", "erased": "EXPIRED"}
OWN_FIELDS = frozenset({"stamps", "points", "holder", "message"})
LABELS = {
    "AccountId": msg("Card number"),
    "AccountName": msg("Name"),
}


@dataclass(frozen=True)
class BodyMaker:
    """What every body needs besides the card: the account, our address and the keys that sign pictures."""

    account: GoogleAccount
    public_url: str
    keyring: Keyring

    def picture_url(self, picture: Picture) -> str:
        """Return the address of a picture for Google's servers."""
        return f"{self.public_url.rstrip('/')}/wallet-pictures/{picture_token(self.keyring, picture)}.png"

    def class_body(self, view: CardView) -> dict[str, Any]:
        """Return the class of the card's programme; the same for every card of it."""
        name = view.program_names.get("en", view.program_name)
        body: dict[str, Any] = {
            "id": class_id(self.account.issuer_id, view.merchant_id, view.program_id),
            "issuerName": _text(view.merchant_name, NAME_LENGTH_MAX),
            "programName": _text(name, NAME_LENGTH_MAX),
            "programLogo": _image(self._logo(view), _text(view.merchant_name, NAME_LENGTH_MAX)),
            "heroImage": _image(self.picture_url(plain_picture(view.colors)), name),
            "hexBackgroundColor": view.colors.background,
            # Anything else is refused on a change, whatever Google stored.
            "reviewStatus": "UNDER_REVIEW",
            "multipleDevicesAndHoldersAllowedStatus": "ONE_USER_ALL_DEVICES",
            "linksModuleData": {"uris": [_uri(f"{self.public_url.rstrip('/')}/cards", "cards", "My cards")]},
            "classTemplateInfo": card_template(view.loyalty_type),
        }
        for name, label in LABELS.items():
            body[f"{name[0].lower()}{name[1:]}Label"] = label
            body[f"localized{name}Label"] = localized(label)
        if len(set(view.program_names.values())) > 1:
            body["localizedProgramName"] = in_languages(view.program_names)
        if view.locations:
            body["merchantLocations"] = [
                {"latitude": place.latitude, "longitude": place.longitude} for place in view.locations
            ][:MODULES_MAX]
        if callback := self.callback_url():
            body["callbackOptions"] = {"url": callback}
        return body

    def callback_url(self) -> str | None:
        """Return where Google tells of saves and deletions; it takes https only, a stand-in takes both."""
        if self.account.is_google and urlsplit(self.public_url).scheme != "https":
            return None
        return f"{self.public_url.rstrip('/')}/google/callbacks"

    def object_body(self, view: CardView, *, card_token: str | None = None) -> dict[str, Any]:
        """Return the object of a card.

        card_token: given once the holder asked for the pass; only then the name and the link that opens the
        card go to Google.
        """
        body: dict[str, Any] = {
            "id": object_id(self.account.issuer_id, view.merchant_id, view.pass_id),
            "classId": class_id(self.account.issuer_id, view.merchant_id, view.program_id),
            "state": STATES.get(view.status, "INACTIVE"),
            "accountId": _text(view.card_number, ACCOUNT_LENGTH_MAX),
        }
        if view.status == "erased":
            # An erased person's pass says nothing any more; Google keeps old messages unless told.
            return body | {"messages": []}
        body["barcode"] = {
            "type": "QR_CODE",
            "value": view.barcode_text,
            "alternateText": view.card_number_printed,
        }
        body |= _balances(view)
        shown = view.points_balance if view.loyalty_type == "points" else _stamps_shown(view)
        body["heroImage"] = _image(self.picture_url(hero_picture(view)), str(shown))
        if modules := _modules(view):
            body["textModulesData"] = modules
        body["linksModuleData"] = {"uris": self._links(view, card_token)}
        if card_token is not None and view.customer_name:
            body["accountName"] = _text(view.customer_name, ACCOUNT_LENGTH_MAX)
        return body

    def _links(self, view: CardView, card_token: str | None) -> list[dict[str, str]]:
        speak = translator(view.locale)
        address = f"{self.public_url.rstrip('/')}/card/{view.pass_id}"
        query = f"?t={card_token}" if card_token else ""
        return [
            _uri(f"{address}{query}", "card", speak.gettext("My card in the browser")),
            _uri(f"{address}{query}#my-data", "data", speak.gettext("My data and messages")),
        ]

    def _logo(self, view: CardView) -> str:
        if view.logo_url and urlsplit(view.logo_url).scheme in {"https", "http"}:
            return view.logo_url
        if view.logo_url and view.logo_url.startswith("/pictures/"):
            # Google cuts logos to a circle.
            return f"{self.public_url.rstrip('/')}{view.logo_url.removesuffix('.png')}/round.png"
        if view.logo_url and view.logo_url.startswith("/"):
            return f"{self.public_url.rstrip('/')}{view.logo_url}"
        return self.picture_url(logo_picture(view))


def message_body(message: CardMessage, *, is_loud: bool) -> dict[str, Any]:
    """Return the body of addMessage; Google takes the message off by itself when its time is over."""
    return {
        "message": {
            "id": message.id.hex,
            "header": _text(message.header, TEXT_LENGTH_MAX),
            "body": _text(message.body, TEXT_LENGTH_MAX * 3),
            "messageType": "TEXT_AND_NOTIFY" if is_loud else "TEXT",
            "displayInterval": {
                "start": {"date": message.created_at.isoformat()},
                "end": {"date": message.expires_at.isoformat()},
            },
        }
    }


def localized(text: str) -> dict[str, Any]:
    """Return a text of ours in all languages, English first."""
    return in_languages({language: translator(language).gettext(text) for language in LANGUAGES})


def in_languages(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a text in all languages as Google takes it, English first. texts: {language: text}."""
    values = {language: _text(text, NAME_LENGTH_MAX) for language, text in texts.items()}
    others = [language for language in values if language != "en"]
    return {
        "defaultValue": {"language": "en", "value": values["en"]},
        "translatedValues": [{"language": language, "value": values[language]} for language in others],
    }


def card_template(loyalty_type: str) -> dict[str, Any]:
    """Return which facts stand on the front: the balance, beside it the second one or the holder's name."""
    second = "object.secondaryLoyaltyPoints.balance" if loyalty_type == "hybrid" else "object.accountName"
    return {
        "cardTemplateOverride": {
            "cardRowTemplateInfos": [
                {"twoItems": {"startItem": _item("object.loyaltyPoints.balance"), "endItem": _item(second)}}
            ]
        }
    }


def _item(path: str) -> dict[str, Any]:
    return {"firstValue": {"fields": [{"fieldPath": path}]}}


def _balances(view: CardView) -> dict[str, Any]:
    speak = translator(view.locale)
    stamps = {
        "label": _text(speak.gettext("Stamps"), LABEL_LENGTH_MAX),
        "balance": {"string": f"{view.stamp_count}/{view.stamps_needed}"},
    }
    points = {
        "label": _text(speak.gettext("Points"), LABEL_LENGTH_MAX),
        "balance": {"int": view.points_balance},
    }
    if view.loyalty_type == "stamps":
        return {"loyaltyPoints": stamps}
    if view.loyalty_type == "points":
        return {"loyaltyPoints": points}
    return {"loyaltyPoints": stamps, "secondaryLoyaltyPoints": points}


def _stamps_shown(view: CardView) -> str:
    return f"{view.stamp_count} / {view.stamps_needed}"


def _modules(view: CardView) -> list[dict[str, str]]:
    """Return the lines below the card: what is waiting, what is next, what modules contribute."""
    speak = translator(view.locale)
    lines: list[tuple[str, str, str]] = []
    ready = [reward.title for reward in view.rewards if reward.ready]
    if ready:
        lines.append(("ready", speak.gettext("Waiting for you"), ", ".join(ready)))
    if view.next_reward:
        lines.append(("next", view.next_reward.title, view.next_reward.text))
    lines += [(_module_id(field), field.label, str(field.value)) for field in _contributed(view)]
    if view.store_names:
        lines.append(("stores", speak.gettext("Where it works"), ", ".join(view.store_names)))
    return [
        {"id": key, "header": _text(label, TEXT_LENGTH_MAX), "body": _text(value, TEXT_LENGTH_MAX)}
        for key, label, value in lines[:MODULES_MAX]
    ]


def _contributed(view: CardView) -> list[PassField]:
    return [field for field in view.fields if field.key not in OWN_FIELDS]


def _module_id(field: PassField) -> str:
    # A dot would be read as a path in the template.
    return "x-" + "".join(s if s.isalnum() and s.isascii() else "-" for s in field.key)[:60]


def _image(url: str, description: str) -> dict[str, Any]:
    return {
        "sourceUri": {"uri": url},
        "contentDescription": {
            "defaultValue": {"language": "en", "value": _text(description, NAME_LENGTH_MAX)}
        },
    }


def _uri(url: str, key: str, description: str) -> dict[str, str]:
    return {"uri": url, "id": key, "description": description}


def _text(value: str, length: int) -> str:
    """Return a text that is never empty, without half a symbol at the cut and without lone surrogates."""
    clean = value.encode("utf-8", "ignore").decode("utf-8").strip()
    return clean[:length].strip() or "–"
