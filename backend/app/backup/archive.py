"""What is inside the encrypted file: a compressed tar of table pieces and files, with the list of all at its end.

about.json says first what this is; manifest.json says last what must have been there: for each table its columns,
rows, bytes and SHA-256, for each file the same. Both directions are streams; nothing larger than a piece is held.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, cast

from app.backup.refusals import BackupRefused
from app.backup.sealed_file import Openers, SealedReader, SealedWriter

ABOUT, MANIFEST = "about.json", "manifest.json"
PIECE_BYTES = 4 << 20
PART_BYTES_MAX = 64 << 20  # a file, or the manifest
COMPRESSION = 3  # of 9: a third of the size in a fifth of the time


@dataclass
class Count:
    """What was seen of a table or a file: rows (of a table), bytes, digest."""

    rows: int = 0
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, data: bytes) -> None:
        """Count a piece; a row of COPY's text ends with the one newline it has."""
        self.rows += data.count(b"\n")
        self.size += len(data)
        self.digest.update(data)

    def said(self) -> dict[str, Any]:
        """Return it as the manifest says it."""
        return {"rows": self.rows, "bytes": self.size, "sha256": self.digest.hexdigest()}


class ArchiveWriter:
    """Writes an archive into an open file."""

    def __init__(self, target: IO[bytes], openers: Openers) -> None:
        self._sealed = SealedWriter(target, openers)
        self.key = self._sealed.key
        self._packed = gzip.GzipFile(
            filename="",
            mode="wb",
            compresslevel=COMPRESSION,
            fileobj=cast("IO[bytes]", self._sealed),
            mtime=0,
        )
        self._tar = tarfile.open(mode="w|", fileobj=self._packed)
        self.tables: dict[str, Count] = {}
        self.files: dict[str, Count] = {}

    def add_json(self, name: str, content: dict[str, Any]) -> None:
        """Add about.json or the manifest."""
        self._add(name, json.dumps(content, indent=1, sort_keys=True).encode())

    def add_piece(self, table: str, data: bytes) -> None:
        """Add the next piece of a table."""
        count = self.tables.setdefault(table, Count())
        self._add(f"data/{table}/{count.size:015d}", data)
        count.add(data)

    def add_file(self, name: str, data: bytes) -> None:
        """Add a file under its name, with folders."""
        self.files.setdefault(name, Count()).add(data)
        self._add(f"files/{name}", data)

    def finish(self) -> None:
        """Close all three layers."""
        self._tar.close()
        self._packed.close()
        self._sealed.close()

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        member.mode = 0o600
        self._tar.addfile(member, io.BytesIO(data))


@dataclass(frozen=True)
class Member:
    """A part as it comes out. kind: about, table, file or manifest."""

    kind: str
    name: str
    data: bytes


def read_members(source: IO[bytes], openers: Openers, *, key: bytes | None = None) -> Iterator[Member]:
    """Yield the parts in their order; raises BackupRefused for whatever is wrong with the file."""
    sealed = SealedReader(source, openers, key=key)
    try:
        with (
            gzip.GzipFile(mode="rb", fileobj=cast("IO[bytes]", sealed)) as packed,
            tarfile.open(mode="r|", fileobj=packed) as tar,
        ):
            for info in tar:
                file = tar.extractfile(info)
                if file is None or info.size > PART_BYTES_MAX:
                    raise BackupRefused("backup_damaged")
                yield _member(info.name, file.read())
        # What stands after the tar's end is still to be authenticated, up to the last chunk.
        while sealed.read(PIECE_BYTES):
            pass
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error):
        raise BackupRefused("backup_damaged") from None


def _member(name: str, data: bytes) -> Member:
    folder, _, rest = name.partition("/")
    if folder == "data":
        return Member("table", rest.rpartition("/")[0], data)
    if folder == "files":
        return Member("file", rest, data)
    if name in {ABOUT, MANIFEST}:
        return Member(name.removesuffix(".json"), name, data)
    raise BackupRefused("backup_damaged")


@dataclass(frozen=True)
class Contents:
    """What a whole backup says about itself, after all of it was read and found to be so."""

    about: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def rows(self) -> int:
        """Return the rows of all tables."""
        return sum(table["rows"] for table in self.manifest["tables"].values())


def examine_archive(source: IO[bytes], openers: Openers, *, key: bytes | None = None) -> Contents:
    """Read a backup to its end and compare everything with its manifest; raises BackupRefused."""
    said: dict[str, dict[str, Any]] = {}
    seen: dict[str, dict[str, Count]] = {"table": {}, "file": {}}
    for member in read_members(source, openers, key=key):
        if member.kind in seen:
            seen[member.kind].setdefault(member.name, Count()).add(member.data)
        else:
            said[member.kind] = json.loads(member.data)
    if set(said) != {"about", "manifest"}:
        raise BackupRefused("backup_damaged")
    for kind, listed in (("table", said["manifest"]["tables"]), ("file", said["manifest"]["files"])):
        counts = {name: count.said() for name, count in seen[kind].items()}
        # A table without rows has no piece.
        empty = {name: Count().said() for name in listed if name not in counts}
        if {name: _counted(entry) for name, entry in listed.items()} != counts | empty:
            raise BackupRefused("backup_damaged")
    return Contents(said["about"], said["manifest"])


def _counted(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("rows", "bytes", "sha256")}
