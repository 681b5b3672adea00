"""A small stand-in of Google's REST API for the demo: passes are files, so that web and worker see the same.

It knows what our client needs to be right about: unknown classes, existing ids, wrong issuers, fields that a PATCH
leaves alone. Tests put the same core behind a socket that misbehaves.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN = "stand-in-token"  # noqa: S105 (opens nothing but itself)
KINDS = {"loyaltyClass": "LoyaltyClass", "loyaltyObject": "LoyaltyObject"}
BASE = "/walletobjects/v1"
_ID = re.compile(r"[0-9]{1,30}\.[A-Za-z0-9._-]{1,100}")

Reply = tuple[int, dict[str, Any]]


class StandIn:
    """Classes and objects in a folder, one JSON file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return status and JSON for a request."""
        if path == "/token":
            return 200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(401, "UNAUTHENTICATED")
        parts = path.removeprefix(BASE).strip("/").split("/")
        if not path.startswith(BASE) or parts[0] not in KINDS:
            return _error(404, "NOT_FOUND")
        try:
            data = json.loads(body or b"{}")
        except ValueError:
            return _error(400, "INVALID_ARGUMENT")
        if method == "POST" and len(parts) == 1:
            return self._insert(parts[0], data)
        if len(parts) < 2 or not _ID.fullmatch(parts[1]):
            return _error(400, "Invalid resource ID")
        known = self.find(parts[0], parts[1])
        if known is None:
            return _error(404, f"{parts[0]} not found")
        if method == "POST" and parts[2:] == ["addMessage"]:
            known["messages"] = [*known.get("messages", []), data.get("message")][-10:]
            return self._keep(parts[0], known)
        if method == "PATCH":
            changed = {**known, **data}
            return self._keep(parts[0], {name: v for name, v in changed.items() if v is not None})
        return (200, known) if method == "GET" else _error(404, "NOT_FOUND")

    def _insert(self, kind: str, data: dict[str, Any]) -> Reply:
        key = str(data.get("id", ""))
        if not _ID.fullmatch(key):
            return _error(400, "Invalid resource ID")
        if kind == "loyaltyObject" and self.find("loyaltyClass", str(data.get("classId", ""))) is None:
            return _error(404, "Wallet Object Class not found")
        path = self._path(kind, key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = _write(path.parent, data)
        try:
            os.link(temporary, path)  # the first of two inserts wins
        except FileExistsError:
            return _error(409, f"Wallet Object {key} already exists.")
        finally:
            os.unlink(temporary)
        return 200, data

    def _keep(self, kind: str, data: dict[str, Any]) -> Reply:
        path = self._path(kind, data["id"])
        os.replace(_write(path.parent, data), path)
        return 200, data

    def find(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return what is stored under an id."""
        if not _ID.fullmatch(key):
            return None
        try:
            found: dict[str, Any] = json.loads(self._path(kind, key).read_text())
        except FileNotFoundError:
            return None
        return found

    def count(self, kind: str) -> int:
        """Return how many there are."""
        folder = self._folder / kind
        return len(list(folder.glob("*.json"))) if folder.is_dir() else 0

    def _path(self, kind: str, key: str) -> Path:
        assert kind in KINDS
        return self._folder / kind / f"{key}.json"


def _write(folder: Path, data: dict[str, Any]) -> str:
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
    with os.fdopen(descriptor, "w") as file:
        json.dump(data, file)
    return temporary


def _error(status: int, message: str) -> Reply:
    return status, {"error": {"code": status, "message": message}}


def make_stand_in_app(stand_in: StandIn) -> ASGIApp:
    """Return the stand-in as an application of its own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        status, data = stand_in.answer(scope["method"], scope["path"], headers, body)
        content = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": content})
        await send({"type": "http.response.body", "body": json.dumps(data).encode()})

    return app
