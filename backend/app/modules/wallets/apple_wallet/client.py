"""Apple's push service over HTTP/2: one pooled connection an identity, many pushes at once, time limits.

libcurl's multi interface does the protocol, in a thread of its own; callers await an answer.
"""

from __future__ import annotations

import asyncio
import io
import json
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote

import pycurl

from app.kernel.tracing.spans import outgoing
from app.modules.wallets.apple_wallet.identity import Identity

CONNECT_MS, TOTAL_MS = 5_000, 10_000
STREAMS_AT_ONCE = 100
LINES_KEPT = 2 * STREAMS_AT_ONCE
PAYLOAD = b"{}"
_WAIT_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """What Apple said to one push. status 0: nothing, reason says why. gone_at: with 410."""

    status: int
    reason: str = ""
    gone_at: datetime | None = None


class PushService(Protocol):
    """Takes pushes."""

    async def push_all(self, identity: Identity, push_tokens: Sequence[str]) -> list[PushAnswer]:
        """Tell devices that one of their passes changed; answers in the order of the tokens."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class StandInPush:
    """The demo's push service: takes everything and remembers the last tokens."""

    KEPT = 100

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def push_all(self, identity: Identity, push_tokens: Sequence[str]) -> list[PushAnswer]:
        """Note the pushes."""
        self.taken = [*self.taken, *push_tokens][-self.KEPT :]
        return [PushAnswer(200)] * len(push_tokens)

    async def aclose(self) -> None:
        """Nothing to close."""


class _Batch:
    """Pushes that somebody waits for, all together."""

    def __init__(self, identity: Identity, push_tokens: Sequence[str]) -> None:
        self.identity = identity
        self.push_tokens = push_tokens
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[list[PushAnswer]] = self.loop.create_future()
        self._answers = [PushAnswer(0, "Closed")] * len(push_tokens)
        self._left = len(push_tokens)

    def answer(self, place: int, answer: PushAnswer) -> None:
        """Keep an answer; the last one ends the wait. Called in the thread."""
        self._answers[place] = answer
        self._left -= 1
        if not self._left:
            self.end()

    def end(self) -> None:
        """End the wait with the answers that there are; a loop that has ended waits for nothing."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self.done.done():
            self.done.set_result(self._answers)


class _Line:
    """A libcurl handle set up for an identity, used for one push after the other."""

    def __init__(self, identity: Identity, ca_file: str) -> None:
        self.identity = identity.fingerprint
        self.batch: _Batch | None = None
        self.place = 0
        self.body = io.BytesIO()
        self.curl = curl = pycurl.Curl()
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        curl.setopt(pycurl.PIPEWAIT, 1)
        curl.setopt(pycurl.POSTFIELDS, PAYLOAD)
        curl.setopt(
            pycurl.HTTPHEADER, [f"apns-topic: {identity.pass_type}", "content-type: application/json"]
        )
        curl.setopt(pycurl.WRITEDATA, self.body)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, CONNECT_MS)
        curl.setopt(pycurl.TIMEOUT_MS, TOTAL_MS)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.SSLCERTTYPE, "PEM")
        curl.setopt(pycurl.SSLKEYTYPE, "PEM")
        # From memory: the private key is never written to a file.
        curl.setopt(pycurl.SSLCERT_BLOB, identity.certificate_pem())
        curl.setopt(pycurl.SSLKEY_BLOB, identity.key_pem())
        if ca_file:
            curl.setopt(pycurl.CAINFO, ca_file)

    def begin(self, batch: _Batch, place: int, url: str) -> None:
        """Make ready for a push."""
        self.batch, self.place = batch, place
        self.body.seek(0)
        self.body.truncate()
        self.curl.setopt(pycurl.URL, f"{url}/3/device/{quote(batch.push_tokens[place], safe='')}")

    def end(self, curl_error: int | None) -> None:
        """Hand out what Apple answered, or what libcurl met."""
        assert self.batch is not None
        if curl_error is None:
            answer = read_answer(self.curl.getinfo(pycurl.RESPONSE_CODE), self.body.getvalue())
        else:
            answer = PushAnswer(0, curl_reason(curl_error))
        self.batch.answer(self.place, answer)
        self.batch = None


class CurlPush:
    """Pushes through libcurl. ca_file: further authorities to trust, for a push service of one's own."""

    def __init__(self, url: str, ca_file: str = "") -> None:
        self._url = url.rstrip("/")
        self._ca_file = ca_file
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        # Only the thread touches these.
        self._multi = pycurl.CurlMulti()
        self._busy: dict[pycurl.Curl, _Line] = {}
        self._idle: list[_Line] = []
        self._begun: _Batch | None = None
        self._next = 0

    async def push_all(self, identity: Identity, push_tokens: Sequence[str]) -> list[PushAnswer]:
        """Send pushes and return what Apple said to each; never raises for what the other side does."""
        if not push_tokens:
            return []
        with outgoing("POST Apple push", {"stempel.pushes": len(push_tokens)}):
            batch = _Batch(identity, push_tokens)
            self._start()
            self._batches.put(batch)
            return await batch.done

    async def aclose(self) -> None:
        """End the thread and its connections."""
        thread = self._thread
        if thread is not None:
            self._batches.put(None)
            await asyncio.to_thread(thread.join, TOTAL_MS / 1_000)

    def _start(self) -> None:
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
                self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, STREAMS_AT_ONCE)
                self._thread = threading.Thread(target=self._run, name="apns", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while self._take():
            self._multi.perform()
            self._finish()
            # Short: an order that comes meanwhile waits for it. -1: no socket yet to wait for.
            if self._busy and self._multi.select(_WAIT_SECONDS) == -1:
                time.sleep(_WAIT_SECONDS)
        for batch in {line.batch for line in self._busy.values() if line.batch}:
            batch.end()
        self._multi.close()

    def _take(self) -> bool:
        """Begin what is waiting; False when asked to end. Sleeps while there is nothing to do."""
        while len(self._busy) < STREAMS_AT_ONCE:
            if self._begun is None:
                try:
                    self._begun = self._batches.get(block=not self._busy)
                except queue.Empty:
                    return True
                self._next = 0
            batch = self._begun
            if batch is None:
                return False
            line = self._line_for(batch.identity)
            line.begin(batch, self._next, self._url)
            self._busy[line.curl] = line
            self._multi.add_handle(line.curl)
            self._next += 1
            if self._next == len(batch.push_tokens):
                self._begun = None
        return True

    def _line_for(self, identity: Identity) -> _Line:
        """Return a free line of the identity's, or make one; the oldest of others make room."""
        wanted = identity.fingerprint
        for place in range(len(self._idle) - 1, -1, -1):
            if self._idle[place].identity == wanted:
                return self._idle.pop(place)
        while len(self._idle) >= LINES_KEPT:
            self._idle.pop(0).curl.close()
        return _Line(identity, self._ca_file)

    def _finish(self) -> None:
        """Hand out the answers that came."""
        waiting = 1
        while waiting:
            waiting, good, bad = self._multi.info_read(STREAMS_AT_ONCE)
            for handle in good:
                self._end(handle, None)
            for handle, number, _text in bad:
                self._end(handle, number)

    def _end(self, handle: pycurl.Curl, curl_error: int | None) -> None:
        line = self._busy.pop(handle)
        self._multi.remove_handle(handle)
        line.end(curl_error)
        self._idle.append(line)


CURL_REASONS = {
    pycurl.E_COULDNT_RESOLVE_HOST: "NameNotFound",
    pycurl.E_COULDNT_CONNECT: "NotReachable",
    pycurl.E_SSL_CERTPROBLEM: "ClientCertificateUnusable",
    pycurl.E_PEER_FAILED_VERIFICATION: "ServerNotTrusted",
    pycurl.E_SSL_CACERT_BADFILE: "CaFileUnreadable",
}


def curl_reason(number: int) -> str:
    """Return a short name for what libcurl met."""
    if number == pycurl.E_OPERATION_TIMEDOUT:
        return "TimedOut"
    return CURL_REASONS.get(number, f"Connection{number}")


def read_answer(status: int, body: bytes) -> PushAnswer:
    """Return what an answer says."""
    if not body:
        return PushAnswer(status)
    try:
        said = json.loads(body)
        reason, stamp = str(said.get("reason", "")), said.get("timestamp")
        gone_at = datetime.fromtimestamp(int(stamp) / 1_000, UTC) if stamp is not None else None
    except (ValueError, AttributeError, TypeError, OverflowError):
        reason, gone_at = "", None
    return PushAnswer(status, reason[:80], gone_at)
