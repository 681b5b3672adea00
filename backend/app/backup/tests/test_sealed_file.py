"""The encrypted file: what was written comes out, and nothing else does."""

from __future__ import annotations

import hashlib
import io
import json
import os

import pytest

from app.backup.refusals import BackupRefused
from app.backup.sealed_file import (
    CHUNK_BYTES,
    END,
    MAGIC,
    TAG_BYTES,
    Openers,
    SealedReader,
    SealedWriter,
    make_recipient,
)

SECRET, PUBLIC = make_recipient()
CLOSED, OPEN = Openers(recipient=PUBLIC), Openers(recipient=SECRET)
PASSPHRASE = "correct horse battery"  # noqa: S105 (a test's)


def sealed(plain: bytes, openers: Openers = CLOSED) -> bytes:
    """Return a file with this content."""
    target = io.BytesIO()
    writer = SealedWriter(target, openers)
    for start in range(0, len(plain), 300_000):
        writer.write(plain[start : start + 300_000])
    writer.close()
    return target.getvalue()


def opened(data: bytes, openers: Openers = OPEN) -> bytes:
    """Return the content of a file."""
    reader, parts = SealedReader(io.BytesIO(data), openers), []
    while part := reader.read(70_000):
        parts.append(part)
    return b"".join(parts)


def refusal(data: bytes, openers: Openers = OPEN) -> str:
    """Return the code a file is refused with."""
    with pytest.raises(BackupRefused) as refused:
        opened(data, openers)
    return refused.value.code


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 7])
def test_what_goes_in_comes_out(size: int) -> None:
    """Around the borders of chunks, too; and nothing of it can be read in the file."""
    plain = os.urandom(size)
    data = sealed(plain)

    assert opened(data) == plain
    assert size < 16 or plain[:16] not in data


def test_a_passphrase_and_a_key_each_open_a_file() -> None:
    """Whoever has one of the two; another passphrase, another key and the public key do not."""
    data = sealed(b"content", Openers(PASSPHRASE, PUBLIC))

    assert opened(data, Openers(PASSPHRASE)) == b"content"
    assert opened(data, OPEN) == b"content"
    assert refusal(data, Openers(PASSPHRASE + "!")) == "backup_wrong_key"
    assert refusal(data, Openers(recipient=make_recipient()[0])) == "backup_wrong_key"
    assert refusal(data, CLOSED) == "backup_wrong_key"
    assert refusal(data, Openers()) == "backup_no_key"


@pytest.mark.parametrize(
    ("openers", "code"),
    [
        (Openers(), "backup_no_key"),
        (Openers("too short"), "backup_weak_passphrase"),
        (Openers(recipient="age1something"), "backup_bad_recipient"),
        (Openers(recipient=PUBLIC[:-3]), "backup_bad_recipient"),
        (OPEN, "backup_bad_recipient"),
    ],
)
def test_a_file_that_nobody_should_trust_is_not_begun(openers: Openers, code: str) -> None:
    """No lock, a weak one, or none that opens: refused before a byte is written."""
    target = io.BytesIO()
    with pytest.raises(BackupRefused) as refused:
        SealedWriter(target, openers)

    assert refused.value.code == code
    assert target.getvalue() == b""


def test_a_change_of_any_byte_is_seen() -> None:
    """One bit turned: in the mark, the header, a chunk, a tag, the end."""
    data = sealed(os.urandom(CHUNK_BYTES + 100))
    codes = set()
    places = [
        0,
        16,
        40,
        200,
        600,
        CHUNK_BYTES // 2,
        len(data) - len(END) - 1,
        len(data) - len(END) - 120,
        len(data) - 3,
    ]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1
        codes.add(refusal(bytes(changed)))

    assert codes == {"backup_foreign", "backup_damaged", "backup_cut_short"}


def test_a_file_that_was_cut_is_seen_wherever_it_was_cut() -> None:
    """In the header, in a chunk, between two chunks, before the end: never taken for a whole one."""
    data = sealed(os.urandom(2 * CHUNK_BYTES))
    body = data.index(b"}]}") if b"}]}" in data else 300
    between = len(data) - len(END) - TAG_BYTES - CHUNK_BYTES
    cuts = [
        len(MAGIC) + 2,
        body,
        between,
        between + 1,
        between + len(END),
        len(data) - len(END),
        len(data) - 1,
    ]

    assert {refusal(data[:cut]) for cut in cuts} == {"backup_cut_short", "backup_damaged"}
    assert (
        refusal(data[:-1])
        == refusal(data[: len(data) - len(END)])
        == refusal(data[:between])
        == "backup_cut_short"
    )


def test_chunks_keep_their_place() -> None:
    """Two chunks swapped, one left out with the end kept, one of another file: refused."""
    data, other = sealed(b"a" * 3 * CHUNK_BYTES), sealed(b"b" * 3 * CHUNK_BYTES)
    size = CHUNK_BYTES + TAG_BYTES
    start = len(data) - len(END) - 3 * size
    head, chunks = data[:start], [data[start + n * size : start + (n + 1) * size] for n in range(3)]

    assert opened(head + b"".join(chunks) + END) == b"a" * 3 * CHUNK_BYTES
    assert refusal(head + chunks[1] + chunks[0] + chunks[2] + END) == "backup_damaged"
    assert refusal(head + chunks[0] + chunks[1] + END) == "backup_damaged"
    assert (
        refusal(head + chunks[0] + other[start + size : start + 2 * size] + chunks[2] + END)
        == "backup_damaged"
    )


def test_what_is_no_backup_is_said_to_be_none() -> None:
    """A photo, an empty file, a newer format."""
    head = json.dumps({"format": 2, "chunk": 1}).encode()
    newer = MAGIC + len(head).to_bytes(4, "big") + head + hashlib.sha256(head).digest()

    assert refusal(b"\x89PNG" * 100) == "backup_foreign"
    assert refusal(b"") == "backup_foreign"
    assert refusal(newer) == "backup_newer"


def test_a_header_cannot_ask_for_our_memory() -> None:
    """A header written by somebody else with a greedy scrypt is refused before any memory is taken."""
    data = sealed(b"content", Openers(PASSPHRASE))
    length = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "big")
    header = json.loads(data[len(MAGIC) + 4 : len(MAGIC) + 4 + length])
    header["locks"][0]["n"] = 1 << 30
    head = json.dumps(header, sort_keys=True).encode()
    greedy = MAGIC + len(head).to_bytes(4, "big") + head + hashlib.sha256(head).digest() + data[-100:]

    assert refusal(greedy, Openers(PASSPHRASE)) == "backup_damaged"
