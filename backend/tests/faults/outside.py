"""The world outside as processes that can be killed: Google, the mail server, Apple's push service; and Redis.

What each was told is on disk before it answers, as at the real ones: a kill makes nobody forget.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.modules.wallets.apple_wallet.tests.standin import StandInApns
from app.modules.wallets.google_wallet.stand_in import StandIn
from app.modules.wallets.google_wallet.tests.wire import Wire

MOOD = "mood"


def read_mood(folder: Path) -> Any:
    """Return how the stand-in behaves now: None (well), a status, "reset", "lost" or "kill:…"."""
    try:
        text = (folder / MOOD).read_text()
    except FileNotFoundError:
        return None
    return int(text) if text.isdigit() else text or None


def kill_asker(mood: Any) -> None:
    """In the mood "kill:<number>": end that process before it hears the answer."""
    if isinstance(mood, str) and mood.startswith("kill:"):
        with suppress(ProcessLookupError):
            os.kill(int(mood.removeprefix("kill:")), signal.SIGKILL)


def write_mood(folder: Path, mood: int | str | None) -> None:
    """Tell a stand-in how to behave from its next request on."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{MOOD}.new"
    unfinished.write_text("" if mood is None else str(mood))
    unfinished.replace(folder / MOOD)


class Google(Wire):
    """Google's REST API, in the mood that the file says."""

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.down = read_mood(self.stand_in._folder)
        more = await super()._serve_one(reader, writer)
        if self.calls:  # what was asked for is done; fetching a token is not
            kill_asker(self.down)
        if self.calls:
            line = {"at": time.time(), "method": self.calls[-1][0], "path": self.calls[-1][1]}
            _note(self.stand_in._folder / "calls.jsonl", line)
            self.calls.clear()
        return more


class Apns(StandInApns):
    """Apple's push service; its certificate stays over a restart."""

    def _certificate(self) -> Path:
        both = self.folder / "apns.pem"
        return both if both.exists() and self.ca_file.exists() else super()._certificate()

    async def listen(self, port: int) -> asyncio.Server:
        """Listen on a given port."""
        self._context.load_cert_chain(self._certificate())
        self._context.set_alpn_protocols(["h2"])
        return await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=self._context)

    def _answer(self, connection: Any, stream: int, headers: dict[str, str], body: bytes) -> None:
        mood = read_mood(self.folder)
        self.always = (mood, {"reason": "ServiceUnavailable"}) if isinstance(mood, int) else None
        kill_asker(mood)
        _note(self.folder / "pushes.jsonl", {"at": time.time(), "token": headers[":path"].rpartition("/")[2]})
        super()._answer(connection, stream, headers, body)


class Mails:
    """A mail server that keeps each mail as a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail, then say so; or say what the mood is."""
        mood = read_mood(self._folder)
        if isinstance(mood, int):
            return f"{mood} 4.3.0 later"
        assert isinstance(envelope.content, bytes)
        path = self._folder / f"{uuid4().hex}.eml"
        path.with_suffix(".new").write_bytes(envelope.content)
        path.with_suffix(".new").replace(path)
        kill_asker(mood)
        if mood == "lost":
            assert server.transport is not None
            server.transport.abort()
        return "250 OK"


def _note(path: Path, line: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def google(folder: Path, port: int) -> None:
    """Be Google until killed."""
    wire = Google(StandIn(folder))
    asyncio.run(_serve(lambda: asyncio.start_server(wire.serve, "127.0.0.1", port)))


def apns(folder: Path, port: int) -> None:
    """Be Apple's push service until killed."""
    asyncio.run(_serve(lambda: Apns(folder).listen(port)))


def smtp(folder: Path, port: int) -> None:
    """Be the mail server until killed."""
    Controller(Mails(folder), hostname="127.0.0.1", port=port).start()
    while os.getppid() != 1:
        time.sleep(0.5)


async def _serve(start: Callable[[], Awaitable[asyncio.Server]]) -> None:
    await (await start()).serve_forever()


def redis(folder: Path, port: int) -> None:
    """Become the distribution's Redis, which keeps nothing."""
    os.execvp("redis-server", redis_command(folder, port))  # noqa: S606, S607 (as the operator's path finds it)


def redis_command(folder: Path, port: int) -> list[str]:
    """Return how it is started."""
    settings = {"port": str(port), "bind": "127.0.0.1", "save": "", "dir": str(folder)}
    return ["redis-server", *(part for name, value in settings.items() for part in (f"--{name}", value))]


STAND_INS: dict[str, Callable[[Path, int], None]] = {
    "google": google,
    "apns": apns,
    "smtp": smtp,
    "redis": redis,
}
