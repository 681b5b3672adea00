"""The encrypted file: a readable header, then AES-256-GCM in chunks, written and read as a stream.

Layout: MAGIC, the header's length (4 bytes), the header (JSON), its SHA-256, chunks. A chunk's nonce is the file's
prefix, its number and whether it is the last; the header's digest is authenticated with every chunk. So chunks can
be neither changed, swapped, left out nor taken from another file. After the last chunk stands END.

The file's key is drawn for each file and locked by what may open it: a passphrase (scrypt), a public key (X25519),
or both. A server that knows the public key only can write backups and open none.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from app.backup.refusals import BackupRefused
from app.utils.security import b64, unb64

MAGIC = b"STEMPEL-BACKUP\n"
END = b"\nSTEMPEL-BACKUP-END\n"
FORMAT = 1
CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
HEADER_BYTES_MAX = 64_000
KEY_BYTES = 32
PREFIX_BYTES = 7
# About a third of a second and 128 MiB: a copied file is tried on the thief's machine, without any limit of ours.
SCRYPT = {"n": 1 << 17, "r": 8, "p": 1}
SCRYPT_N_MAX, SCRYPT_R_MAX, SCRYPT_P_MAX = 1 << 20, 16, 4
PASSPHRASE_LENGTH_MIN = 12
PUBLIC_PREFIX, SECRET_PREFIX = "stempel-backup-public-", "stempel-backup-secret-"  # noqa: S105 (names, no secrets)
_PASSPHRASE_BOUND, _RECIPIENT_BOUND = b"stempel backup passphrase", b"stempel backup recipient"


@dataclass(frozen=True)
class Openers:
    """What locks and opens a file. recipient: a public key, or for opening the secret one."""

    passphrase: str = field(default="", repr=False)
    recipient: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.passphrase or self.recipient)


def make_recipient() -> tuple[str, str]:
    """Return a new secret key and its public key, as text."""
    secret = X25519PrivateKey.generate()
    return (
        SECRET_PREFIX + b64(secret.private_bytes_raw()),
        PUBLIC_PREFIX + b64(secret.public_key().public_bytes_raw()),
    )


class SealedWriter:
    """A file object that encrypts what is written into it; close() makes it whole, forgetting to leaves it cut."""

    def __init__(self, target: IO[bytes], openers: Openers) -> None:
        self._target = target
        self.key = os.urandom(KEY_BYTES)
        prefix = os.urandom(PREFIX_BYTES)
        header = {
            "format": FORMAT,
            "chunk": CHUNK_BYTES,
            "prefix": b64(prefix),
            "locks": make_locks(self.key, openers),
        }
        head = json.dumps(header, sort_keys=True).encode()
        digest = hashlib.sha256(head).digest()
        self._chunks = _Chunks(self.key, prefix, digest)
        target.write(MAGIC + len(head).to_bytes(4, "big") + head + digest)
        self._waiting = bytearray()

    def write(self, data: Any) -> int:
        """Take bytes; a chunk leaves when it is full and more has come."""
        self._waiting += data
        while len(self._waiting) > CHUNK_BYTES:
            self._target.write(self._chunks.seal(bytes(self._waiting[:CHUNK_BYTES]), is_last=False))
            del self._waiting[:CHUNK_BYTES]
        return len(data)

    def flush(self) -> None:
        """Do nothing: chunks leave when they are full."""

    def close(self) -> None:
        """Write the last chunk and the end."""
        self._target.write(self._chunks.seal(bytes(self._waiting), is_last=True) + END)
        self._waiting.clear()


class SealedReader:
    """A file object that decrypts; every byte it gives was authenticated. Raises BackupRefused."""

    def __init__(self, source: IO[bytes], openers: Openers, *, key: bytes | None = None) -> None:
        header, digest = read_header(source)
        self._source = source
        self._size = int(header["chunk"]) + TAG_BYTES
        self._chunks = _Chunks(key or open_locks(header["locks"], openers), unb64(header["prefix"]), digest)
        self._sealed = b""
        self._plain = memoryview(b"")
        self._done = False

    def read(self, size: int = -1) -> bytes:
        """Return up to size bytes; nothing at the end."""
        if not self._plain and not self._done:
            self._open_next()
        wanted = len(self._plain) if size < 0 else min(size, len(self._plain))
        given, self._plain = bytes(self._plain[:wanted]), self._plain[wanted:]
        return given

    def _open_next(self) -> None:
        # A chunk that is not the last is followed by more than the end mark: by the last one's tag at least.
        enough = self._size + len(END) + 1
        self._sealed += self._source.read(enough - len(self._sealed))
        is_last = len(self._sealed) < enough
        if is_last and not self._sealed.endswith(END):
            raise BackupRefused("backup_cut_short")
        length = len(self._sealed) - len(END) if is_last else self._size
        this, self._sealed, self._done = self._sealed[:length], self._sealed[length:], is_last
        try:
            self._plain = memoryview(self._chunks.open(this, is_last=is_last))
        except InvalidTag:
            raise BackupRefused("backup_damaged") from None


class _Chunks:
    """Numbers, seals and opens the chunks of one file."""

    def __init__(self, key: bytes, prefix: bytes, bound: bytes) -> None:
        self._cipher, self._prefix, self._bound, self._number = AESGCM(key), prefix, bound, 0

    def _nonce(self, *, is_last: bool) -> bytes:
        nonce = self._prefix + self._number.to_bytes(4, "big") + (b"\1" if is_last else b"\0")
        self._number += 1
        return nonce

    def seal(self, plain: bytes, *, is_last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(is_last=is_last), plain, self._bound)

    def open(self, sealed: bytes, *, is_last: bool) -> bytes:
        return self._cipher.decrypt(self._nonce(is_last=is_last), sealed, self._bound)


def read_header(source: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Return the header and its digest; raises BackupRefused for what is no backup, damaged, or too new."""
    if source.read(len(MAGIC)) != MAGIC:
        raise BackupRefused("backup_foreign")
    length = int.from_bytes(source.read(4), "big")
    if not 0 < length <= HEADER_BYTES_MAX:
        raise BackupRefused("backup_damaged")
    head, digest = source.read(length), source.read(hashlib.sha256().digest_size)
    if len(head) < length or len(digest) < hashlib.sha256().digest_size:
        raise BackupRefused("backup_cut_short")
    if hashlib.sha256(head).digest() != digest:
        raise BackupRefused("backup_damaged")
    header: dict[str, Any] = json.loads(head)
    if header["format"] > FORMAT:
        raise BackupRefused("backup_newer")
    if header["chunk"] > 64 * CHUNK_BYTES:
        raise BackupRefused("backup_damaged")
    return header, digest


def make_locks(key: bytes, openers: Openers) -> list[dict[str, Any]]:
    """Lock a file's key for each of the openers; raises BackupRefused where there is none, or a bad one."""
    locks: list[dict[str, Any]] = []
    if openers.passphrase:
        if len(openers.passphrase) < PASSPHRASE_LENGTH_MIN:
            raise BackupRefused("backup_weak_passphrase", f"At least {PASSPHRASE_LENGTH_MIN} characters.")
        salt = os.urandom(16)
        wrapping = _from_passphrase(openers.passphrase, {"salt": b64(salt), **SCRYPT})
        locks.append(
            {"kind": "passphrase", "salt": b64(salt), **SCRYPT, **_wrap(wrapping, key, _PASSPHRASE_BOUND)}
        )
    if openers.recipient:
        once = X25519PrivateKey.generate()
        public = _public_key(openers.recipient)
        bound = once.public_key().public_bytes_raw() + public.public_bytes_raw()
        wrapping = _derive(once.exchange(public), bound)
        ephemeral = b64(once.public_key().public_bytes_raw())
        locks.append({"kind": "recipient", "ephemeral": ephemeral, **_wrap(wrapping, key, _RECIPIENT_BOUND)})
    if not locks:
        raise BackupRefused("backup_no_key")
    return locks


def open_locks(locks: list[dict[str, Any]], openers: Openers) -> bytes:
    """Return the file's key; raises BackupRefused where no opener fits."""
    if not openers:
        raise BackupRefused("backup_no_key")
    for lock in locks:
        try:
            if lock["kind"] == "passphrase" and openers.passphrase:
                return _unwrap(_from_passphrase(openers.passphrase, lock), lock, _PASSPHRASE_BOUND)
            if lock["kind"] == "recipient" and openers.recipient.startswith(SECRET_PREFIX):
                secret = X25519PrivateKey.from_private_bytes(
                    unb64(openers.recipient.removeprefix(SECRET_PREFIX))
                )
                ephemeral = unb64(lock["ephemeral"])
                shared = secret.exchange(X25519PublicKey.from_public_bytes(ephemeral))
                bound = ephemeral + secret.public_key().public_bytes_raw()
                return _unwrap(_derive(shared, bound), lock, _RECIPIENT_BOUND)
        except (InvalidTag, ValueError):
            continue
    raise BackupRefused("backup_wrong_key")


def _public_key(text: str) -> X25519PublicKey:
    try:
        if not text.startswith(PUBLIC_PREFIX):
            raise ValueError(text[:8])
        return X25519PublicKey.from_public_bytes(unb64(text.removeprefix(PUBLIC_PREFIX)))
    except ValueError:
        raise BackupRefused("backup_bad_recipient") from None


def _from_passphrase(passphrase: str, lock: dict[str, Any]) -> bytes:
    n, r, p = int(lock["n"]), int(lock["r"]), int(lock["p"])
    # The header can be written by anybody: it must not choose how much memory we take.
    if n > SCRYPT_N_MAX or r > SCRYPT_R_MAX or p > SCRYPT_P_MAX:
        raise BackupRefused("backup_damaged")
    return Scrypt(salt=unb64(lock["salt"]), length=KEY_BYTES, n=n, r=r, p=p).derive(passphrase.encode())


def _derive(shared: bytes, bound: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=bound, info=_RECIPIENT_BOUND).derive(shared)


def _wrap(wrapping: bytes, key: bytes, bound: bytes) -> dict[str, str]:
    nonce = os.urandom(12)
    return {"nonce": b64(nonce), "key": b64(AESGCM(wrapping).encrypt(nonce, key, bound))}


def _unwrap(wrapping: bytes, lock: dict[str, Any], bound: bytes) -> bytes:
    return AESGCM(wrapping).decrypt(unb64(lock["nonce"]), unb64(lock["key"]), bound)
