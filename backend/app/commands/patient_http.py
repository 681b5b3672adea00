"""uvicorn's HTTP protocol with a limit on how long a request's head may take.

uvicorn waits for ever for the first line: a few hundred clients that send nothing would hold all connections. The
body has its limit in kernel/web/admission.py.
"""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS_MAX = 10.0


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose next request has begun, or has yet to begin for the first time, and is not there."""

    _head_timer: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Expect the first head."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._end_wait()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Expect the rest of a head that has begun; between requests the keep-alive limit counts."""
        super().on_message_begin()
        if self._head_timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._end_wait()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._give_up)

    def _end_wait(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        transport: Any = self.transport
        if not transport.is_closing():
            transport.close()
