"""Static files under addresses that name their content, so that browsers may keep them for ever.

The digest covers the whole folder: files refer to each other by relative address (a script to its wasm file,
a stylesheet to an image), and such a reference must lead to the same version.
"""

from __future__ import annotations

import hashlib
import mimetypes
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.kernel.errors import NotFound
from app.kernel.permissions import public

STATIC_FOLDER = Path(__file__).parents[2] / "static"
STATIC_ROUTE = "/static/{digest}/{path:path}"
FOREVER = "public, max-age=31536000, immutable"
DIGEST_LENGTH = 12
COMPRESS_FROM_BYTES = 800
COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml", "application/wasm")

# Named here: a machine's own table may lack them or say otherwise.
TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".png": "image/png",
    ".json": "application/json",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class StaticFile:
    """One file in memory, also as gzip where that helps."""

    media_type: str
    content: bytes

    @cached_property
    def compressed(self) -> bytes | None:
        """Return the gzip form, or None where it would not be smaller."""
        if len(self.content) < COMPRESS_FROM_BYTES or not self.media_type.startswith(COMPRESSIBLE):
            return None
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = packer.compress(self.content) + packer.flush()
        return packed if len(packed) < len(self.content) else None


class StaticFiles:
    """The files of one folder; read when first asked for."""

    def __init__(self, folder: Path = STATIC_FOLDER) -> None:
        self.folder = folder
        self._files: dict[str, StaticFile] = {}

    @cached_property
    def names(self) -> frozenset[str]:
        """Return the relative names of all files; nothing else is ever opened."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        return frozenset(path.relative_to(self.folder).as_posix() for path in found)

    @cached_property
    def digest(self) -> str:
        """Return the digest of all names and contents."""
        digest = hashlib.sha256()
        for name in sorted(self.names):
            content = (self.folder / name).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:DIGEST_LENGTH]

    def url(self, name: str) -> str:
        """Return the address of a file; raises LookupError for one that is not there."""
        if name not in self.names:
            raise LookupError(f"there is no static file {name}")
        return f"/static/{self.digest}/{name}"

    def find(self, name: str) -> StaticFile | None:
        """Return a file, or None."""
        if name not in self.names:
            return None
        if name not in self._files:
            path = self.folder / name
            media_type = (
                TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            )
            self._files[name] = StaticFile(media_type, path.read_bytes())
        return self._files[name]


def static_response(request: Request, name: str, *, cache: str = FOREVER) -> Response:
    """Return a static file as an answer, compressed where the browser takes it; raises NotFound."""
    files: StaticFiles = request.app.state.static
    file = files.find(name)
    if file is None:
        raise NotFound("file")
    headers = {"cache-control": cache, "cross-origin-resource-policy": "same-origin"}
    if file.compressed is not None:
        headers["vary"] = "accept-encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(file.compressed, media_type=file.media_type, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


@router.get(STATIC_ROUTE, dependencies=[public("Shared files of the pages.")])
async def get_static_file(digest: str, path: str, request: Request) -> Response:
    """Serve a static file; an address from an older release gets today's file, for a short while."""
    files: StaticFiles = request.app.state.static
    return static_response(request, path, cache=FOREVER if digest == files.digest else "public, max-age=60")
