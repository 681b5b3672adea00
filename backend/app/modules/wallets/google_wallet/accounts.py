"""Which Google Wallet account serves a merchant: its own, else the operator's, else the demo's stand-in."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.foreign_keys import load_foreign_key
from app.kernel.observability import get_logger
from app.kernel.sealing import SealedColumn
from app.modules.wallets.google_wallet.models import GoogleAccountRow
from app.utils.security import Keyring

STAND_IN_ISSUER = "3388000000000000001"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
REST_PATH = "/walletobjects/v1"
GOOGLE_HOST = "walletobjects.googleapis.com"
KEY_FILE_BYTES_MAX = 20_000

log = get_logger("stempel.google_wallet")


class UnusableKey(Exception):
    """The file is not a service account's JSON key; reason is a code the dashboard puts into words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class GoogleAccount:
    """A service account with the issuer it acts for. source: merchant, operator or stand_in."""

    issuer_id: str
    client_email: str
    private_key: str
    key_id: str
    token_uri: str
    api_url: str
    source: str

    def __repr__(self) -> str:
        """Say which account this is and keep its key out of logs."""
        return f"GoogleAccount({self.source}, issuer {self.issuer_id})"

    @property
    def is_stand_in(self) -> bool:
        """Tell whether nobody but ourselves answers."""
        return self.source == "stand_in"

    @property
    def is_google(self) -> bool:
        """Tell whether Google itself answers, which takes public https addresses only."""
        return urlsplit(self.api_url).hostname == GOOGLE_HOST


# So many merchants' keys stay read in a process, as Apple's certificates do.
ACCOUNTS_KEPT_MAX = 200


def read_key(text: str | bytes) -> dict[str, Any]:
    """Return the parts of a service account's JSON key; raises UnusableKey."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableKey("not_json") from error
    if not isinstance(data, dict) or data.get("type") != "service_account":
        raise UnusableKey("not_service_account")
    for name in ("client_email", "private_key"):
        if not isinstance(data.get(name), str) or not data[name]:
            raise UnusableKey("incomplete")
    token_uri = str(data.get("token_uri") or TOKEN_URI)
    parts = urlsplit(token_uri)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise UnusableKey("incomplete")
    try:
        key = load_foreign_key(data["private_key"].encode(), None)
    except (ValueError, TypeError) as error:
        raise UnusableKey("bad_key") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UnusableKey("bad_key")
    return {
        "client_email": data["client_email"],
        "private_key": data["private_key"],
        "key_id": str(data.get("private_key_id") or ""),
        "token_uri": token_uri,
    }


def sign_jwt(account: GoogleAccount, claims: Mapping[str, Any]) -> str:
    """Return a JWT with these claims, signed by the account's key."""
    headers = {"kid": account.key_id} if account.key_id else None
    return jwt.encode(dict(claims), signing_key(account.private_key), algorithm="RS256", headers=headers)


@lru_cache(maxsize=ACCOUNTS_KEPT_MAX)
def signing_key(pem: str) -> rsa.RSAPrivateKey:
    """Return a key that read_key has tested, ready to sign.

    A text would be read and tested anew at every signature, which takes a hundred times as long as the signature.
    """
    key = serialization.load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def is_google_token_uri(token_uri: str) -> bool:
    """Tell whether an uploaded key names Google's own token address.

    A merchant's upload must not choose where the server sends requests; the operator's file may.
    """
    parts = urlsplit(token_uri)
    # The bare name: what stands before an "@" or behind a ":" is read by one program so and by another otherwise.
    return parts.scheme == "https" and parts.netloc in {"oauth2.googleapis.com", "accounts.google.com"}


def rest_base(url: str) -> str:
    """Return the base address without a trailing slash; a bare host gets Google's path."""
    base = url.rstrip("/")
    return base if urlsplit(base).path else f"{base}{REST_PATH}"


async def find_account(session: AsyncSession, merchant_id: UUID) -> GoogleAccount | None:
    """Return the account that serves the merchant of the bound tenant, or None where nothing is set up."""
    resources = resources_of(session)
    settings, keyring = resources.get(Settings), resources.get(Keyring)
    row = await session.get(GoogleAccountRow, merchant_id)
    base = rest_base(settings.google_api_url)
    if row is not None:
        plain = keyring.unseal(row.sealed, context=seal_context(merchant_id))
        # OpenSSL tests the key's numbers for some milliseconds: once a process, and beside the event loop.
        parts = await asyncio.to_thread(_read_stored, plain)
        return GoogleAccount(issuer_id=row.issuer_id, api_url=base, source="merchant", **parts)
    if settings.google_service_account is not None and settings.google_issuer_id:
        given = await asyncio.to_thread(_read_file, settings.google_service_account)
        if given is None:
            return None
        return GoogleAccount(issuer_id=settings.google_issuer_id, api_url=base, source="operator", **given)
    return stand_in_account(settings.keys_dir) if settings.demo else None


@lru_cache(maxsize=ACCOUNTS_KEPT_MAX)
def _read_stored(plain: bytes) -> dict[str, Any]:
    return read_key(plain)


def seal_context(merchant_id: UUID) -> str:
    """Return what a sealed key is bound to: the row of its merchant."""
    return f"google_account:{merchant_id}"


SEALED_ACCOUNTS = SealedColumn(GoogleAccountRow.sealed, lambda row: seal_context(row.merchant_id))


def _read_file(path: Path) -> dict[str, Any] | None:
    try:
        return _read_file_once(path, path.stat().st_mtime_ns)
    except (OSError, UnusableKey) as error:
        log.error("google_service_account_unusable", reason=getattr(error, "reason", "not readable"))
        return None


@lru_cache(maxsize=4)
def _read_file_once(path: Path, _changed: int) -> dict[str, Any]:
    with path.open("rb") as file:
        return read_key(file.read(KEY_FILE_BYTES_MAX))


@lru_cache(maxsize=4)
def stand_in_account(folder: Path) -> GoogleAccount:
    """Return the demo's account; its key is made on the spot and kept, so that web and worker share it."""
    path = folder / "google-stand-in.json"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = folder / f".google-stand-in-{os.getpid()}"
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(make_key_file("demo@stand-in.invalid")))
        try:
            os.link(temporary, path)  # two processes at once agree on the first one's
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return GoogleAccount(
        issuer_id=STAND_IN_ISSUER,
        api_url=f"http://stand-in.invalid{REST_PATH}",
        source="stand_in",
        **read_key(path.read_bytes()),
    )


def make_key_file(email: str, *, token_uri: str = "http://stand-in.invalid/token") -> dict[str, str]:
    """Return the content of a service account's JSON key with a fresh RSA key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "client_email": email,
        "private_key": pem.decode(),
        "private_key_id": "stand-in",
        "token_uri": token_uri,
    }
