"""Checks pass.json against what Apple documents, before anything is signed: a phone only says "cannot open"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

TEXT, NUMBER, FLAG, ITEMS, OBJECT = str, (int, float), bool, list, dict
COLOR = re.compile(r"rgb\((?:\d{1,3}, ){2}\d{1,3}\)")
W3C_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)")
LINK = re.compile(r"https?://[^\s\"'<>&]+")
FORMATS = frozenset(
    {"PKBarcodeFormatQR", "PKBarcodeFormatPDF417", "PKBarcodeFormatAztec", "PKBarcodeFormatCode128"}
)
TOKEN_LENGTH_MIN = 16
HEADER_MAX, PRIMARY_MAX, MIDDLE_MAX, LOCATIONS_MAX = 3, 1, 4, 10

REQUIRED: Mapping[str, Any] = {
    "formatVersion": int,
    "passTypeIdentifier": TEXT,
    "teamIdentifier": TEXT,
    "serialNumber": TEXT,
    "organizationName": TEXT,
    "description": TEXT,
    "storeCard": OBJECT,
}
OPTIONAL: Mapping[str, Any] = {
    "logoText": TEXT,
    "foregroundColor": TEXT,
    "backgroundColor": TEXT,
    "labelColor": TEXT,
    "webServiceURL": TEXT,
    "authenticationToken": TEXT,
    "sharingProhibited": FLAG,
    "voided": FLAG,
    "expirationDate": TEXT,
    "locations": ITEMS,
    "barcodes": ITEMS,
    "barcode": OBJECT,
}
FIELD: Mapping[str, Any] = {
    "key": TEXT,
    "label": TEXT,
    "value": (str, int, float),
    "changeMessage": TEXT,
    "attributedValue": TEXT,
    "textAlignment": TEXT,
    "dataDetectorTypes": ITEMS,
}
GROUPS = ("headerFields", "primaryFields", "secondaryFields", "auxiliaryFields", "backFields")


class BadPass(AssertionError):
    """Our own mistake: the pass would not open. The text says which key and why."""


def check_pass(content: Mapping[str, Any]) -> None:
    """Refuse a pass.json that Wallet would refuse; raises BadPass."""
    _check_keys("pass", content, REQUIRED, OPTIONAL)
    _check(content["formatVersion"] == 1, "formatVersion", "is 1")
    for name in REQUIRED:
        if name not in {"formatVersion", "storeCard"}:
            _check(bool(content[name]), name, "is not empty")
    for name in ("foregroundColor", "backgroundColor", "labelColor"):
        if name in content:
            _check(COLOR.fullmatch(content[name]) is not None, name, "is rgb(r, g, b)")
    _check_service(content)
    _check_barcodes(content)
    _check_locations(content.get("locations", []))
    if "expirationDate" in content:
        _check(W3C_DATE.fullmatch(content["expirationDate"]) is not None, "expirationDate", "is a W3C date")
    _check_groups(content["storeCard"])


def check_own(*, serial: str, token: str, barcode: str, card_url: str) -> None:
    """Refuse values of a single card that Wallet, or a link on the back, would refuse; raises BadPass."""
    _check(bool(serial), "serialNumber", "is not empty")
    _check(len(token) >= TOKEN_LENGTH_MIN, "authenticationToken", "has 16 characters at least")
    _check(bool(barcode), "barcode.message", "is not empty")
    _check(LINK.fullmatch(card_url) is not None, "attributedValue", "links to an address without markup")


def _check(is_right: bool, where: str, rule: str) -> None:  # noqa: FBT001 (an assertion's own shape)
    if not is_right:
        raise BadPass(f"{where} {rule}")


def _check_keys(
    where: str, content: Mapping[str, Any], required: Mapping[str, Any], optional: Mapping[str, Any]
) -> None:
    known = {**required, **optional}
    for name in required:
        _check(name in content, f"{where}.{name}", "is there")
    for name, value in content.items():
        _check(name in known, f"{where}.{name}", "is a key of Apple's")
        is_flag = isinstance(value, bool)
        _check(
            isinstance(value, known[name]) and (not is_flag or known[name] is FLAG),
            f"{where}.{name}",
            "has the right type",
        )


def _check_service(content: Mapping[str, Any]) -> None:
    url, token = content.get("webServiceURL"), content.get("authenticationToken")
    _check((url is None) == (token is None), "webServiceURL", "comes with authenticationToken")
    if url is None or token is None:
        return
    parts = urlsplit(url)
    _check(parts.scheme in {"https", "http"} and bool(parts.hostname), "webServiceURL", "is an address")
    _check(not url.endswith(("/", "/v1")), "webServiceURL", "ends before /v1, without a slash")
    _check(len(token) >= TOKEN_LENGTH_MIN, "authenticationToken", "has 16 characters at least")


def _check_barcodes(content: Mapping[str, Any]) -> None:
    both = [*content.get("barcodes", []), *([content["barcode"]] if "barcode" in content else [])]
    names = {"format": TEXT, "message": TEXT, "messageEncoding": TEXT}
    for code in both:
        _check(isinstance(code, dict), "barcode", "is an object")
        _check_keys("barcode", code, names, {"altText": TEXT})
        _check(code["format"] in FORMATS, "barcode.format", "is one of Apple's")
        _check(bool(code["message"]), "barcode.message", "is not empty")


def _check_locations(locations: list[Any]) -> None:
    _check(len(locations) <= LOCATIONS_MAX, "locations", "are ten at most")
    for place in locations:
        _check_keys("location", place, {"latitude": NUMBER, "longitude": NUMBER}, {"relevantText": TEXT})
        _check(-90 <= place["latitude"] <= 90, "location.latitude", "is on the globe")
        _check(-180 <= place["longitude"] <= 180, "location.longitude", "is on the globe")


def _check_groups(card: Mapping[str, Any]) -> None:
    seen: set[str] = set()
    for name, fields in card.items():
        _check(name in GROUPS and isinstance(fields, list), f"storeCard.{name}", "is a list of fields")
        for entry in fields:
            _check(isinstance(entry, dict), f"storeCard.{name}", "holds fields")
            required: Callable[[str], bool] = {"key", "value"}.__contains__
            _check_keys(
                f"{name}.{entry.get('key')}",
                entry,
                {key: kind for key, kind in FIELD.items() if required(key)},
                {key: kind for key, kind in FIELD.items() if not required(key)},
            )
            _check(entry["key"] not in seen, f"{name}.{entry['key']}", "has a key of its own")
            seen.add(entry["key"])
            if "changeMessage" in entry:
                _check(
                    entry["changeMessage"].count("%@") <= 1, f"{name}.{entry['key']}", "says %@ once at most"
                )
    count = {name: len(card.get(name, ())) for name in GROUPS}
    _check(count["headerFields"] <= HEADER_MAX, "headerFields", "are three at most")
    _check(count["primaryFields"] <= PRIMARY_MAX, "primaryFields", "is one at most")
    middle = count["secondaryFields"] + count["auxiliaryFields"]
    _check(middle <= MIDDLE_MAX, "secondaryFields and auxiliaryFields", "are four at most together")
