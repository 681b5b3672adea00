"""A pass's own password: derived, never stored, good for this pass only."""

from __future__ import annotations

from uuid import UUID

from app.utils.security import Keyring, b64, same

KEY = "apple"
SCHEME = "applepass"


def pass_token(keyring: Keyring, merchant_id: UUID, pass_id: UUID, *, version: int) -> str:
    """Return the token of a pass. version: of the key, kept with the card, so that it never changes."""
    return b64(keyring.mac(KEY, "pass", merchant_id, pass_id, version=version))


def is_pass_token(keyring: Keyring, given: str, *, merchant_id: UUID, pass_id: UUID, version: int) -> bool:
    """Tell, in constant time, whether an Authorization header carries this pass's token."""
    scheme, _, token = given.partition(" ")
    if scheme.lower() != SCHEME or version not in keyring.versions(KEY):
        return False
    return same(token.strip(), pass_token(keyring, merchant_id, pass_id, version=version))
