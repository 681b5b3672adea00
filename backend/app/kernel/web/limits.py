"""Rate limits: counted in memory by one process, in PostgreSQL by several, in Redis where there is one.

Redis is a help, never a need: when it is silent, PostgreSQL counts, after a bounded wait. When nothing can
count, the request is refused; a limit never fails open. PIN limits are not here: they are reserved in the
transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import Depends, Request, params
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter

from app.kernel.errors import RateLimited, Unavailable
from app.kernel.observability import LIMIT_FALLBACKS, LIMITED, describe_exception, get_logger
from app.kernel.web.limit_rows import hit_row
from app.kernel.web.proxies import address_key, client_address
from app.utils.security import Keyring, b64

if TYPE_CHECKING:
    from app.config import Settings
    from app.db.session import Database
    from app.kernel.adapters import Resources

REDIS_WAIT_SECONDS = 0.25
DATABASE_WAIT_SECONDS = 2.0
# After a failure Redis is left alone for a while: a hanging one would else slow every request.
REDIS_PAUSE_SECONDS = 10.0
# A thousand requests at once must not open a thousand connections; who finds none free waits, within the wait above.
REDIS_CONNECTIONS_MAX = 16
KEY_BYTES = 15

log = get_logger("stempel.limits")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests of one key are let through in a window."""

    amount: int
    per: timedelta


# One table for all, so that an operator sees them at a glance. Generous where one address is a whole shop's
# Wi-Fi.
LIMITS: dict[str, Limit] = {
    "join": Limit(120, timedelta(hours=1)),
    "identify": Limit(60, timedelta(minutes=10)),
    "card_link": Limit(20, timedelta(hours=1)),
    "sign_up": Limit(20, timedelta(hours=1)),
    "sign_in": Limit(30, timedelta(minutes=15)),
    "sign_in_account": Limit(10, timedelta(minutes=15)),
    "reset": Limit(10, timedelta(hours=1)),
    "reset_account": Limit(3, timedelta(hours=1)),
    "mail_address": Limit(6, timedelta(hours=1)),
    "open_link": Limit(60, timedelta(minutes=10)),
    "passkey": Limit(120, timedelta(minutes=10)),
    "pair_device": Limit(60, timedelta(minutes=15)),
    # Typed codes have forty bits; this is for the whole installation, and the QR code's link is not counted.
    "pair_code": Limit(3_000, timedelta(hours=1)),
    "api_key": Limit(1_200, timedelta(minutes=1)),
    "api_key_wrong": Limit(60, timedelta(minutes=10)),
    "live": Limit(600, timedelta(minutes=1)),
    "expensive": Limit(30, timedelta(minutes=1)),
}


class Counter(Protocol):
    """Counts a hit and says until when the key is over its limit, or None."""

    async def hit(self, name: str, limit: Limit, key: str) -> datetime | None:
        """Count one hit."""
        ...


class LibraryCounter:
    """Counts with the `limits` library, in memory or in Redis."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._limiter = FixedWindowRateLimiter(storage)

    async def hit(self, name: str, limit: Limit, key: str) -> datetime | None:
        """Count one hit."""
        item = RateLimitItemPerSecond(limit.amount, int(limit.per.total_seconds()))
        if await self._limiter.hit(item, name, key):
            return None
        window = await self._limiter.get_window_stats(item, name, key)
        return datetime.fromtimestamp(window.reset_time, UTC)

    async def reset(self) -> None:
        """Forget all counts."""
        await self._storage.reset()

    async def aclose(self) -> None:
        """Close the connections to Redis, where there are any."""
        bridge = getattr(self._storage, "bridge", None)
        if bridge is not None:
            await bridge.storage.aclose()


class RowCounter:
    """Counts in PostgreSQL, in a short transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hit(self, name: str, limit: Limit, key: str) -> datetime | None:
        """Count one hit."""
        async with (
            asyncio.timeout(DATABASE_WAIT_SECONDS),
            self._database.sessions() as session,
            session.begin(),
        ):
            return await hit_row(session, name, key, amount=limit.amount, per=limit.per)


def redis_counter(url: str) -> LibraryCounter:
    """Return a counter in Redis; nothing is opened before the first hit."""
    options: dict[str, Any] = {
        "socket_timeout": REDIS_WAIT_SECONDS,
        "socket_connect_timeout": REDIS_WAIT_SECONDS,
        "max_connections": REDIS_CONNECTIONS_MAX,
    }
    return LibraryCounter(RedisStorage(f"async+{url}", implementation="redispy", **options))


class Limiter:
    """The limits of a process."""

    def __init__(self, settings: Settings, database: Database, resources: Resources) -> None:
        self._resources = resources
        self._rows = RowCounter(database)
        self._local = LibraryCounter(MemoryStorage())
        self._is_alone = settings.web_processes == 1
        # Made here: the client's import would outlast the first hit's short wait, and that hit would count elsewhere.
        self._redis = redis_counter(settings.redis_url) if settings.redis_url else None
        self._redis_rests_until = 0.0
        self._redis_turns = asyncio.Semaphore(REDIS_CONNECTIONS_MAX)

    async def hit(self, name: str, key: str) -> datetime | None:
        """Count a hit on a named limit; return when the key is welcome again, or None when it is now.

        key: whatever is counted (an address, an account); it leaves the process as an HMAC only.
        Raises Unavailable when nothing can count.
        """
        limit = LIMITS[name]
        hidden = b64(self._resources.get(Keyring).mac("lookup", "limit", name, key)[:KEY_BYTES])
        over_until = await self._count(name, limit, hidden)
        if over_until is not None:
            LIMITED.labels(name).inc()
        return over_until

    async def _count(self, name: str, limit: Limit, key: str) -> datetime | None:
        if self._redis is not None and time.monotonic() >= self._redis_rests_until:
            try:
                async with asyncio.timeout(REDIS_WAIT_SECONDS), self._redis_turns:
                    return await self._redis.hit(name, limit, key)
            except Exception as error:  # noqa: BLE001 (whatever ails Redis, PostgreSQL counts)
                self._redis_rests_until = time.monotonic() + REDIS_PAUSE_SECONDS
                LIMIT_FALLBACKS.inc()
                log.warning("redis_left_alone", reason=describe_exception(error))
        if self._is_alone and self._redis is None:
            return await self._local.hit(name, limit, key)
        try:
            return await self._rows.hit(name, limit, key)
        except Exception as error:
            log.error("limit_not_counted", limit=name, reason=describe_exception(error))
            raise Unavailable from error

    async def enforce(self, name: str, key: str) -> None:
        """Count a hit; raises RateLimited over the limit and Unavailable when nothing can count."""
        over_until = await self.hit(name, key)
        if over_until is not None:
            raise RateLimited(retry_at=over_until)

    async def aclose(self) -> None:
        """Close what was opened to Redis; a Redis that is gone makes no difference."""
        if self._redis is not None:
            from redis.exceptions import RedisError  # 13 MB, for who has a Redis

            with suppress(OSError, RedisError):
                await self._redis.aclose()

    async def reset(self) -> None:
        """Forget the counts kept in memory, for tests."""
        await self._local.reset()


def limiter_of(request: Request) -> Limiter:
    """Return the process's limiter."""
    limiter: Limiter = request.app.state.limiter
    return limiter


KeyOf = Callable[[Request], Awaitable[str] | str]


def rate_limit(name: str, *, by: str | KeyOf = "address") -> params.Depends:
    """Return the dependency that counts a request on a named limit.

    by: "address" (IPv6 by /64), or a function of the request. Limits by account are enforced in the handler:
    `await limiter_of(request).enforce("sign_in_account", email)`.
    """
    assert name in LIMITS, f"{name} is not in the table of limits"
    assert by == "address" or callable(by), "count by the address or by a function of the request"

    async def check(request: Request) -> None:
        if isinstance(by, str):
            key = address_key(client_address(request))
        else:
            made = by(request)
            key = made if isinstance(made, str) else await made
        await limiter_of(request).enforce(name, key)

    return Depends(check)  # type: ignore[no-any-return]
