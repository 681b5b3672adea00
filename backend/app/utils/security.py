"""Keys, tokens and hashes: everything secret passes through here."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN_BYTES = 24
KEY_BYTES = 32
KEY_NAMES = ("pepper", "token", "lookup", "field", "apple")
# What finds rows again (a sign-in by its address) cannot change without them: this one is never rotated.
KEYS_THAT_ROTATE = ("field", "token", "pepper", "apple")
KEY_FILE = "keys.json"
KEY_FILE_LOOK_SECONDS = 5.0
ACTIVE_FROM = "_active_from"

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
    """Decode what b64 wrote; raises ValueError for anything else, another spelling of the same bytes included."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if b64(data) != text:
        # The last letter may hold bits that no byte uses: a token has one spelling, so that it has one text to end.
        raise ValueError("not as b64 writes it")
    return data


class KeyFile:
    """Where a key ring was read from; tells when the file has changed, so that a rotation needs no restart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = self._changed_at()
        self._looked_at = time.monotonic()

    def _changed_at(self) -> int:
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return 0

    def has_changed(self) -> bool:
        """Tell whether the file is another than at the last look; looks every few seconds at most."""
        if time.monotonic() - self._looked_at < KEY_FILE_LOOK_SECONDS:
            return False
        self._looked_at = time.monotonic()
        seen, self._seen = self._seen, self._changed_at()
        return self._seen not in {seen, 0}


@dataclass(frozen=True)
class Keyring:
    """The installation's keys, by name and version; the newest version signs, all versions verify.

    active_from: when a version begins to sign ("field:2": seconds since 1970). A rotation writes the new version
    first and lets it sign a little later, when every process has read it and can verify what it signs.
    """

    keys: dict[str, dict[int, bytes]]
    active_from: dict[str, float] = field(default_factory=dict)
    source: KeyFile | None = field(default=None, compare=False, repr=False)

    @classmethod
    def load_or_create(cls, folder: Path) -> Keyring:
        """Read keys.json (0600) from the folder; the first start makes it, two starts at once agree on one."""
        path = folder / KEY_FILE
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = {name: {"1": b64(secrets.token_bytes(KEY_BYTES))} for name in KEY_NAMES}
            temporary = _write_beside(folder, fresh)
            try:
                os.link(temporary, path)  # fails where another process was first: then its keys count
            except FileExistsError:
                pass
            finally:
                os.unlink(temporary)
        source = KeyFile(path)
        return cls(*_read_keys(path), source)

    @staticmethod
    def add_versions(folder: Path, names: Sequence[str], *, active_in_seconds: float) -> dict[str, int]:
        """Add a version to each of the named keys in the file, and return their numbers.

        A version that waits to become active is used instead of another: a rotation that was cut short goes on.
        """
        path = folder / KEY_FILE
        with _only_one_rotation(folder):
            keys, active_from = _read_keys(path)
            now, made = time.time(), {}
            for name in names:
                newest = max(keys[name])
                if active_from.get(f"{name}:{newest}", 0) <= now:
                    newest += 1
                    keys[name][newest] = secrets.token_bytes(KEY_BYTES)
                    active_from[f"{name}:{newest}"] = now + active_in_seconds
                made[name] = newest
            os.replace(_write_beside(folder, _as_json(keys, active_from)), path)
        return made

    @staticmethod
    def retire(folder: Path, name: str, *, keep: int) -> list[int]:
        """Take every version below keep out of the file; what was signed or sealed by them is void. Returns them."""
        path = folder / KEY_FILE
        with _only_one_rotation(folder):
            keys, active_from = _read_keys(path)
            gone = [version for version in keys[name] if version < keep]
            for version in gone:
                del keys[name][version]
                active_from.pop(f"{name}:{version}", None)
            if gone:
                os.replace(_write_beside(folder, _as_json(keys, active_from)), path)
        return gone

    @classmethod
    def for_tests(cls) -> Keyring:
        """Return random keys that live in memory only."""
        return cls({name: {1: secrets.token_bytes(KEY_BYTES)} for name in KEY_NAMES})

    def _look(self) -> None:
        if self.source is not None and self.source.has_changed():
            keys, active_from = _read_keys(self.source.path)
            self.keys.update(keys)
            self.active_from.update(active_from)

    def newest(self, name: str) -> int:
        """Return the version that signs now."""
        self._look()
        if not self.active_from:
            return max(self.keys[name])
        now = time.time()
        return max(v for v in self.keys[name] if self.active_from.get(f"{name}:{v}", 0) <= now)

    def versions(self, name: str) -> tuple[int, ...]:
        """Return every version still accepted, newest first."""
        self._look()
        return tuple(sorted(self.keys[name], reverse=True))

    def mac(self, name: str, *parts: bytes | str | UUID, version: int | None = None) -> bytes:
        """Return HMAC-SHA256 over the length-prefixed parts with the named key. Raises KeyError: unknown version."""
        self._look()
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
        self._look()
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


def sealed_version(sealed: bytes) -> int:
    """Return the version of the key that a sealed value was made with."""
    return int.from_bytes(sealed[:2], "big")


def _read_keys(path: Path) -> tuple[dict[str, dict[int, bytes]], dict[str, float]]:
    stored = json.loads(path.read_text())
    active_from = {str(name): float(at) for name, at in stored.pop(ACTIVE_FROM, {}).items()}
    keys = {name: {int(v): unb64(key) for v, key in versions.items()} for name, versions in stored.items()}
    return keys, active_from


def _as_json(keys: dict[str, dict[int, bytes]], active_from: dict[str, float]) -> dict[str, Any]:
    plain: dict[str, Any] = {
        name: {str(v): b64(key) for v, key in found.items()} for name, found in keys.items()
    }
    return plain | {ACTIVE_FROM: active_from}


def _write_beside(folder: Path, content: Mapping[str, Any]) -> str:
    """Write a whole key file (0600) under another name, on the disk, and return the name."""
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".keys-")
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return temporary


@contextmanager
def _only_one_rotation(folder: Path) -> Iterator[None]:
    """Let one process change the key file at a time; the lock goes with the process."""
    with (folder / "keys.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
