"""The one way to open a URL that somebody else typed (SSRF): resolved once, checked, connected to what was checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from app.kernel.outgoing.addresses import parse_target
from app.kernel.tracing.spans import outgoing

if TYPE_CHECKING:
    import httpcore2

TIME_MAX = timedelta(seconds=10)
ANSWER_BYTES_MAX = 2_000_000
CONNECTIONS_MAX = 20
USER_AGENT = "Stempel/1"

Resolve = Callable[[str, int], Awaitable[list[str]]]


class FetchFailed(Exception):
    """The host did not answer as it should; another try may help."""


class FetchTooSlow(FetchFailed):
    """The host took more time than it was given."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: redirects are answers like others, and are not followed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def resolve_by_system(host: str, port: int) -> list[str]:
    """Return every address of a name, as the system's resolver gives them."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise FetchFailed("the name is not known") from None
    return list(dict.fromkeys(str(row[4][0]) for row in found))


class OutgoingClient:
    """A process's client for foreign URLs: no proxies, no cookies, no redirects, no compressed answers."""

    def __init__(
        self,
        *,
        resolve: Resolve = resolve_by_system,
        backend: httpcore2.AsyncNetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve = resolve
        self._backend = backend
        self._ssl_context = ssl_context
        self._pool: httpcore2.AsyncConnectionPool | None = None

    def _open_pool(self) -> httpcore2.AsyncConnectionPool:
        # At the first request: loading the authorities takes longer than a start should, and the library is 15 MB
        # that a web process never needs.
        if self._pool is None:
            import httpcore2

            from app.kernel.outgoing.network_adapter import PublicOnlyBackend

            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=self._ssl_context or ssl.create_default_context(),
                network_backend=PublicOnlyBackend(self._resolve, self._backend or httpcore2.AnyIOBackend()),
                max_connections=CONNECTIONS_MAX,
                # A kept connection would outlive the check of its address.
                max_keepalive_connections=0,
                retries=0,
            )
        return self._pool

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        time_max: timedelta = TIME_MAX,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Fetched:
        """Send one request and return the whole answer; only from jobs.

        Raises AddressRefused (for good: tell the merchant) and FetchFailed (for now: try again).
        """
        import httpcore2

        target = parse_target(url)
        sent = {
            "host": target.host if target.port == 443 else f"{target.host}:{target.port}",
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
            "content-length": str(len(body)),
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        address = httpcore2.URL(scheme=b"https", host=target.host, port=target.port, target=target.path)
        seconds = time_max.total_seconds()
        phases = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        try:
            # Whose address it is stays unsaid: a merchant typed it.
            with outgoing(f"{method} (a merchant's address)", {"http.request.method": method}) as span:
                async with (
                    asyncio.timeout(seconds),
                    self._open_pool().stream(
                        method,
                        address,
                        headers=list(sent.items()),
                        content=body,
                        extensions={"timeout": phases},
                    ) as answer,
                ):
                    if span is not None:
                        span.note("http.response.status_code", answer.status)
                    return await _read(answer, bytes_max)
        except (TimeoutError, httpcore2.TimeoutException):
            raise FetchTooSlow("the host takes too long") from None
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            ssl.SSLError,
            OSError,
        ) as error:
            raise FetchFailed(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close what is open."""
        if self._pool is not None:
            await self._pool.aclose()


async def _read(answer: httpcore2.Response, bytes_max: int) -> Fetched:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    if headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("the answer is compressed, which was not asked for")
    body = bytearray()
    async for piece in answer.aiter_stream():
        body += piece
        if len(body) > bytes_max:
            raise FetchFailed("the answer is too long")
    return Fetched(answer.status, headers, bytes(body))
