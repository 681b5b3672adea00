"""An authenticator in software: makes passkeys and signs with them, as a phone would; it can also misbehave."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from app.utils.security import b64, unb64

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class SoftwareKey:
    """One passkey. count: its counter, raised by each use; None: a synchronised key that always says 0."""

    origin: str = "http://testserver"
    rp_id: str = "testserver"
    count: int | None = None
    flags: int = PRESENT | VERIFIED
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def make(self, options: dict[str, Any]) -> str:
        """Answer navigator.credentials.create: the page's field as it is sent."""
        self.handle = unb64(options["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        public = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        )
        attested = b"\0" * 16 + len(self.credential_id).to_bytes(2, "big") + self.credential_id + public
        data = self._authenticator_data(ATTESTED) + attested
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": b64(self._client_data("webauthn.create", options["challenge"])),
            "attestationObject": b64(statement),
            "transports": ["internal"],
        }
        return self._credential(response)

    def use(self, options: dict[str, Any], *, count: int | None = None) -> str:
        """Answer navigator.credentials.get. count: what a copy of the key would say."""
        if count is not None:
            self.count = count
        elif self.count is not None:
            self.count += 1
        client = self._client_data("webauthn.get", options["challenge"])
        data = self._authenticator_data(0)
        signature = self._key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": b64(client),
            "authenticatorData": b64(data),
            "signature": b64(signature),
            "userHandle": b64(self.handle),
        }
        return self._credential(response)

    def _authenticator_data(self, more: int) -> bytes:
        flags = (self.flags | more).to_bytes(1, "big")
        return sha256(self.rp_id.encode()).digest() + flags + (self.count or 0).to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(data).encode()

    def _credential(self, response: dict[str, Any]) -> str:
        name = b64(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
