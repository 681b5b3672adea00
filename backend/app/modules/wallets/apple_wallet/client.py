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
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote

import pycurl

from app.modules.wallets.apple_wallet.identity import Identity

CONNECT_MS, TOTAL_MS = 5_000, 10_000
STREAMS_AT_ONCE = 100
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

    async def push(self, identity: Identity, push_token: str) -> PushAnswer:
        """Tell a device that one of its passes changed."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class StandInPush:
    """The demo's push service: takes everything and remembers the last tokens."""

    KEPT = 100

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def push(self, identity: Identity, push_token: str) -> PushAnswer:
        """Note the push."""
        self.taken = [*self.taken[-self.KEPT + 1 :], push_token]
        return PushAnswer(200)

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class _Order:
    identity: Identity
    push_token: str
    answer: Future[PushAnswer]


class CurlPush:
    """Pushes through libcurl. ca_file: further authorities to trust, for a push service of one's own."""

    def __init__(self, url: str, ca_file: str = "") -> None:
        self._url = url.rstrip("/")
        self._ca_file = ca_file
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._multi: pycurl.CurlMulti | None = None
        self._lock = threading.Lock()

    async def push(self, identity: Identity, push_token: str) -> PushAnswer:
        """Send one push and return what Apple said; never raises for what the other side does."""
        order = _Order(identity, push_token, Future())
        self._start()
        self._orders.put(order)
        return await asyncio.wrap_future(order.answer)

    async def aclose(self) -> None:
        """End the thread and its connections."""
        thread = self._thread
        if thread is not None:
            self._orders.put(None)
            await asyncio.to_thread(thread.join, TOTAL_MS / 1_000)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._multi = pycurl.CurlMulti()
                self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
                self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, STREAMS_AT_ONCE)
                self._thread = threading.Thread(target=self._run, name="apns", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        multi = self._multi
        assert multi is not None
        running: dict[pycurl.Curl, tuple[_Order, io.BytesIO]] = {}
        while True:
            if not self._take(multi, running):
                break
            multi.perform()
            self._finish(multi, running)
            if running:
                # Short: an order that comes meanwhile waits for it. -1: no socket yet to wait for.
                if multi.select(_WAIT_SECONDS) == -1:
                    time.sleep(_WAIT_SECONDS)
        for order, _body in running.values():
            order.answer.set_result(PushAnswer(0, "Closed"))
        multi.close()

    def _take(self, multi: pycurl.CurlMulti, running: dict[pycurl.Curl, tuple[_Order, io.BytesIO]]) -> bool:
        """Begin what is waiting; False when asked to end. Sleeps while there is nothing to do."""
        while len(running) < STREAMS_AT_ONCE:
            try:
                order = self._orders.get(block=not running)
            except queue.Empty:
                return True
            if order is None:
                return False
            body = io.BytesIO()
            handle = self._handle(order, body)
            running[handle] = (order, body)
            multi.add_handle(handle)
        return True

    def _handle(self, order: _Order, body: io.BytesIO) -> pycurl.Curl:
        handle = pycurl.Curl()
        handle.setopt(pycurl.URL, f"{self._url}/3/device/{quote(order.push_token, safe='')}")
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        handle.setopt(pycurl.PIPEWAIT, 1)
        handle.setopt(pycurl.POSTFIELDS, PAYLOAD)
        handle.setopt(
            pycurl.HTTPHEADER, [f"apns-topic: {order.identity.pass_type}", "content-type: application/json"]
        )
        handle.setopt(pycurl.WRITEDATA, body)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, CONNECT_MS)
        handle.setopt(pycurl.TIMEOUT_MS, TOTAL_MS)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.SSLCERTTYPE, "PEM")
        handle.setopt(pycurl.SSLKEYTYPE, "PEM")
        # From memory: the private key is never written to a file.
        handle.setopt(pycurl.SSLCERT_BLOB, order.identity.certificate_pem())
        handle.setopt(pycurl.SSLKEY_BLOB, order.identity.key_pem())
        if self._ca_file:
            handle.setopt(pycurl.CAINFO, self._ca_file)
        return handle

    def _finish(self, multi: pycurl.CurlMulti, running: dict[pycurl.Curl, tuple[_Order, io.BytesIO]]) -> None:
        while True:
            waiting, good, bad = multi.info_read()
            for handle in good:
                order, body = running.pop(handle)
                answer = read_answer(int(handle.getinfo(pycurl.RESPONSE_CODE)), body.getvalue())
                multi.remove_handle(handle)
                handle.close()
                order.answer.set_result(answer)
            for handle, number, _text in bad:
                order, _body = running.pop(handle)
                multi.remove_handle(handle)
                handle.close()
                order.answer.set_result(PushAnswer(0, curl_reason(number)))
            if not waiting:
                return


CERTIFICATE_ERRORS = {
    pycurl.E_SSL_CERTPROBLEM: "ClientCertificateUnusable",
    pycurl.E_PEER_FAILED_VERIFICATION: "ServerNotTrusted",
    pycurl.E_SSL_CACERT_BADFILE: "CaFileUnreadable",
}


def curl_reason(number: int) -> str:
    """Return a short name for what libcurl met."""
    if number == pycurl.E_OPERATION_TIMEDOUT:
        return "TimedOut"
    return CERTIFICATE_ERRORS.get(number, f"Connection{number}")


def read_answer(status: int, body: bytes) -> PushAnswer:
    """Return what an answer says."""
    try:
        said = json.loads(body or b"{}")
        reason, stamp = str(said.get("reason", "")), said.get("timestamp")
        gone_at = datetime.fromtimestamp(int(stamp) / 1_000, UTC) if stamp is not None else None
    except (ValueError, AttributeError, TypeError, OverflowError):
        reason, gone_at = "", None
    return PushAnswer(status, reason[:80], gone_at)
