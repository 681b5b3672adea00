"""The link behind "Add to Google Wallet": a JWT signed by the service account. Pure.

The object is on Google's side before the link is opened, so that the JWT names it and no more: browsers cut
addresses that are too long. A fat JWT with the whole object exists as a fallback for where REST cannot be reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.modules.wallets.google_wallet.accounts import GoogleAccount, sign_jwt

SAVE_URL = "https://pay.google.com/gp/v/save/"
JWT_LENGTH_MAX = 1_800


class LinkTooLong(Exception):
    """The JWT would not survive a browser's address line."""


def make_jwt(account: GoogleAccount, loyalty_object: Mapping[str, Any], *, now: datetime) -> str:
    """Return the signed JWT around an object; raises LinkTooLong."""
    claims = {
        "iss": account.client_email,
        "aud": "google",
        "typ": "savetowallet",
        "iat": int(now.timestamp()),
        "origins": [],
        "payload": {"loyaltyObjects": [dict(loyalty_object)]},
    }
    text = sign_jwt(account, claims)
    if len(text) > JWT_LENGTH_MAX:
        raise LinkTooLong
    return text


def skinny_jwt(account: GoogleAccount, *, object_id: str, class_id: str, now: datetime) -> str:
    """Return the JWT of an object that was inserted by REST: its id and its class's."""
    return make_jwt(account, {"id": object_id, "classId": class_id}, now=now)


def save_url(token: str) -> str:
    """Return the address that saves a pass."""
    return SAVE_URL + token
