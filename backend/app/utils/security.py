"""Keys, tokens and hashes: everything secret passes through here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN_BYTES = 24
KEY_BYTES = 32
KEY_NAMES = ("pepper", "token", "lookup", "field", "apple")

# Argon2id for PINs: 19 MiB, two passes (OWASP password storage cheat sheet, read November 2026).
PIN_MEMORY_KIB = 19 * 1024
PIN_TIME_COST = 2
PIN_HASH_BYTES = 32

_passwords = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_DUMMY_HASH = _passwords.hash(secrets.token_urlsafe(TOKEN_BYTES))


def new_token() -> str:
    """Return a random URL-safe secret of 192 bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return what is stored of a random token: its SHA-256. Only for secrets of at least 128 random bits."""
    return hashlib.sha256(token.encode()).digest()


def same(left: bytes | str, right: bytes | str) -> bool:
    """Compare two secrets in constant time."""
    to_bytes = [value.encode() if isinstance(value, str) else value for value in (left, right)]
    return hmac.compare_digest(*to_bytes)


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, with its parameters. Costs about 30 ms: call it in a thread."""
    return _passwords.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Tell whether the password matches; None hashes a dummy so that unknown users take as long as known ones."""
    try:
        _passwords.verify(stored or _DUMMY_HASH, password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def password_needs_rehash(stored: str) -> bool:
    """Tell whether the hash was made with older parameters than today's."""
    return _passwords.check_needs_rehash(stored)


def b64(data: bytes) -> str:
    """Return URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Decode URL-safe base64 without padding; raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@dataclass(frozen=True)
class Keyring:
    """The installation's keys, by name and version; the newest version signs, all versions verify."""

    keys: dict[str, dict[int, bytes]]

    @classmethod
    def load_or_create(cls, folder: Path) -> Keyring:
        """Read keys.json (0600) from the folder; the first start makes it, two starts at once agree on one."""
        path = folder / "keys.json"
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = {name: {"1": b64(secrets.token_bytes(KEY_BYTES))} for name in KEY_NAMES}
            descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".keys-")
            with os.fdopen(descriptor, "w") as file:
                json.dump(fresh, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, path)  # fails where another process was first: then its keys count
            except FileExistsError:
                pass
            finally:
                os.unlink(temporary)
        stored = json.loads(path.read_text())
        return cls(
            {name: {int(v): unb64(key) for v, key in versions.items()} for name, versions in stored.items()}
        )

    @classmethod
    def for_tests(cls) -> Keyring:
        """Return random keys that live in memory only."""
        return cls({name: {1: secrets.token_bytes(KEY_BYTES)} for name in KEY_NAMES})

    def newest(self, name: str) -> int:
        """Return the version that signs now."""
        return max(self.keys[name])

    def versions(self, name: str) -> tuple[int, ...]:
        """Return every version still accepted, newest first."""
        return tuple(sorted(self.keys[name], reverse=True))

    def mac(self, name: str, *parts: bytes | str | UUID, version: int | None = None) -> bytes:
        """Return HMAC-SHA256 over the length-prefixed parts with the named key. Raises KeyError: unknown version."""
        key = self.keys[name][version if version is not None else self.newest(name)]
        digest = hmac.new(key, digestmod=hashlib.sha256)
        for part in parts:
            data = part.encode() if isinstance(part, str) else part.bytes if isinstance(part, UUID) else part
            digest.update(len(data).to_bytes(4, "big") + data)
        return digest.digest()

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Encrypt a secret for storage (AES-256-GCM, bound to its context such as table and row)."""
        version, nonce = self.newest("field"), secrets.token_bytes(12)
        sealed = AESGCM(self.keys["field"][version]).encrypt(nonce, plain, context.encode())
        return version.to_bytes(2, "big") + nonce + sealed

    def unseal(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt what seal made; raises ValueError where key, context or bytes do not fit."""
        try:
            key = self.keys["field"][int.from_bytes(sealed[:2], "big")]
            return AESGCM(key).decrypt(sealed[2:14], sealed[14:], context.encode())
        except Exception as error:
            raise ValueError("sealed value cannot be opened") from error

    def check_values(self) -> dict[str, bytes]:
        """Return one fingerprint per key and version, to recognise in a database the keys it was made with."""
        return {
            f"{name}:{version}": self.mac(name, "key-check", version=version)[:8]
            for name, versions in self.keys.items()
            for version in versions
        }


def pin_verifier(keyring: Keyring, pin: str, *, salt: bytes, pepper_version: int) -> bytes:
    """Return Argon2id(HMAC(pepper, pin), salt of the store): the hash and the index in one.

    Costs about 50 ms and 19 MiB: call it in a thread, and only after the attempt was reserved.
    Source: promises.md 1.2.
    """
    return hash_secret_raw(
        keyring.mac("pepper", pin, version=pepper_version),
        salt,
        time_cost=PIN_TIME_COST,
        memory_cost=PIN_MEMORY_KIB,
        parallelism=1,
        hash_len=PIN_HASH_BYTES,
        type=Type.ID,
    )
