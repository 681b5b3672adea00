"""What the browser is asked for and what it answers, in the words of the webauthn package.

The package takes a third of a second to import; only the two handlers that need it pay for it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from app.utils.security import b64, unb64

if TYPE_CHECKING:
    from webauthn.helpers.structs import AuthenticatorTransport

CREDENTIAL_LENGTH_MAX = 16_000
CREDENTIAL_ID_BYTES_MAX = 1_023
HANDLE_BYTES = 32
TIMEOUT_MS = 120_000
RELYING_PARTY = "Stempel"


class UnusableAnswer(Exception):
    """What came back is no good: another origin, a wrong signature, or not even the right shape."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where passkeys of this installation are good: the host they are bound to and the origin of its pages."""

    rp_id: str
    origin: str

    @classmethod
    def of(cls, public_url: str) -> Site:
        """Return the site of the installation's own address."""
        parts = urlsplit(public_url)
        # Browsers leave the standard port out of the origin.
        standard = {"http": 80, "https": 443}.get(parts.scheme)
        host = str(parts.hostname)
        port = "" if parts.port in {None, standard} else f":{parts.port}"
        return cls(host, f"{parts.scheme}://{host}{port}")

    @property
    def takes_passkeys(self) -> bool:
        """Tell whether the host can own passkeys at all: an address of numbers cannot."""
        try:
            ipaddress.ip_address(self.rp_id.strip("[]"))
        except ValueError:
            return True
        return False


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key the browser should offer, or should not make again."""

    credential_id: bytes
    transports: Sequence[str]


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a good registration brought."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]
    is_synced: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came in; nothing of it is proven yet. member: whom the key says it belongs to."""

    body: dict[str, Any]
    credential_id: bytes
    challenge: bytes
    member: tuple[UUID, UUID] | None


def handle_of(merchant_id: UUID, member_id: UUID) -> bytes:
    """Return what a passkey carries to say whose it is: two random ids, nothing about the person."""
    return merchant_id.bytes + member_id.bytes


def read_answer(text: str) -> Answer:
    """Return what a browser sent; raises UnusableAnswer where it is not of the shape."""
    if len(text) > CREDENTIAL_LENGTH_MAX:
        raise UnusableAnswer
    try:
        body = json.loads(text)
        client = json.loads(unb64(body["response"]["clientDataJSON"]))
        handle = body["response"].get("userHandle")
        credential_id, challenge = unb64(body["rawId"]), unb64(client["challenge"])
        member = _member_of(unb64(handle)) if handle else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnusableAnswer from error
    if not 0 < len(credential_id) <= CREDENTIAL_ID_BYTES_MAX:
        raise UnusableAnswer
    return Answer(body, credential_id, challenge, member)


def _member_of(handle: bytes) -> tuple[UUID, UUID] | None:
    if len(handle) != HANDLE_BYTES:
        return None
    return UUID(bytes=handle[:16]), UUID(bytes=handle[16:])


def creation_options(
    site: Site, challenge: bytes, *, handle: bytes, account: str, name: str, known: Sequence[KnownKey]
) -> dict[str, Any]:
    """Return what navigator.credentials.create is asked for. account: the sign-in's name, shown by the device."""
    return {
        "rp": {"id": site.rp_id, "name": RELYING_PARTY},
        "user": {"id": b64(handle), "name": account, "displayName": name},
        "challenge": b64(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-8, -7, -257)],
        "timeout": TIMEOUT_MS,
        "excludeCredentials": [_descriptor(key) for key in known],
        # Found without typing a name, and only after the device has recognised its owner: two factors in one.
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


def request_options(site: Site, challenge: bytes, *, known: Sequence[KnownKey] = ()) -> dict[str, Any]:
    """Return what navigator.credentials.get is asked for. known: empty lets the person choose any key of ours."""
    return {
        "rpId": site.rp_id,
        "challenge": b64(challenge),
        "timeout": TIMEOUT_MS,
        "allowCredentials": [_descriptor(key) for key in known],
        "userVerification": "required",
    }


def _descriptor(key: KnownKey) -> dict[str, Any]:
    return {"type": "public-key", "id": b64(key.credential_id), "transports": list(key.transports)}


def verify_new_key(site: Site, answer: Answer) -> NewKey:
    """Return the key of a registration; raises UnusableAnswer. The challenge was used up by the caller."""
    from webauthn import verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException
    from webauthn.helpers.structs import AuthenticatorTransport, CredentialDeviceType

    try:
        made = verify_registration_response(
            credential=answer.body,
            expected_challenge=answer.challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnusableAnswer from error
    return NewKey(
        made.credential_id,
        made.credential_public_key,
        made.sign_count,
        _transports(answer.body, AuthenticatorTransport),
        made.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
    )


def verify_use(site: Site, answer: Answer, *, public_key: bytes) -> int:
    """Return the authenticator's counter after a good signature; raises UnusableAnswer.

    The counter is not judged here: a copied key has a good signature, and is to leave a trace.
    """
    from webauthn import verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        used = verify_authentication_response(
            credential=answer.body,
            expected_challenge=answer.challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnusableAnswer from error
    return used.new_sign_count


def _transports(body: dict[str, Any], known: type[AuthenticatorTransport]) -> list[str]:
    given = body["response"].get("transports")
    words = {transport.value for transport in known}
    return sorted({word for word in given if word in words}) if isinstance(given, list) else []
