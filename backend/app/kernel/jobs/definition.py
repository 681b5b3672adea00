"""What a job is: a named async function with a retry plan, and the context it runs in."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import system_scope, tenant_scope

if TYPE_CHECKING:
    from app.config import Settings
    from app.db.session import Database
    from app.kernel.adapters import Resources
    from app.kernel.clock import Clock
    from app.kernel.registry import Registry

JOB_TIMEOUT_DEFAULT = timedelta(seconds=30)
JOB_TIMEOUT_MAX = timedelta(minutes=30)
# A week of tries two minutes apart: an outage at the other side ends by give_up_after, this is the last resort.
ATTEMPTS_MAX = 5_100
JITTER_SHARE = 0.2
TEXT_ARGUMENT_LENGTH_MAX = 200
PAYLOAD_BYTES_MAX = 4_000
RESERVED_ARGUMENTS = frozenset({"merchant_id", "key", "run_at"})


class GiveUp(Exception):
    """Trying again would not help: the job goes to the dead-letter list with this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TryAgain(Exception):
    """The other side is not ready: try again after the given time, else after the job's own backoff."""

    def __init__(self, reason: str, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait between tries, doubling from first up to cap, and when to stop trying."""

    first: timedelta = timedelta(seconds=5)
    cap: timedelta = timedelta(minutes=10)
    give_up_after: timedelta = timedelta(days=1)

    def delay(self, attempt: int, *, jitter: float) -> timedelta:
        """Return the wait after the attempt (counted from 1); jitter is a share between -1 and 1.

        The spread keeps a thousand jobs that failed together from coming back together.
        """
        doubled: timedelta = self.first * 2 ** max(0, min(attempt - 1, 20))
        wait: timedelta = min(doubled, self.cap)
        return wait * (1 + JITTER_SHARE * jitter)


JobFunction = Callable[..., Awaitable[None]]


@dataclass(frozen=True)
class Job:
    """A job definition. Calling it runs the function directly, as tests do."""

    name: str
    function: JobFunction
    retry: Backoff
    timeout: timedelta
    priority: int = 0
    calls_strangers: bool = False

    async def __call__(self, context: JobContext, **arguments: Any) -> None:
        """Run the function with a context, outside the queue."""
        await self.function(context, **arguments)

    def check_arguments(self, arguments: Mapping[str, object]) -> None:
        """Refuse arguments the function does not take; raises TypeError where the mistake was made."""
        inspect.signature(self.function).bind(None, **arguments)


def job(
    name: str,
    *,
    retry: Backoff | None = None,
    timeout: timedelta = JOB_TIMEOUT_DEFAULT,
    priority: int = 0,
    calls_strangers: bool = False,
) -> Callable[[JobFunction], Job]:
    """Make an async function `(ctx, *, ids…)` a job; name it "<module>.<verb_noun>".

    It must be safe to repeat. timeout: longest run. priority: higher first; bulk work goes below zero.
    calls_strangers: waits for programs that anybody may have written, for which there are few places.
    """
    assert timeout <= JOB_TIMEOUT_MAX, f"{name}: a job that long holds up the stop of a worker"

    def define(function: JobFunction) -> Job:
        taken = RESERVED_ARGUMENTS & set(inspect.signature(function).parameters)
        assert not taken, f"{name}: {', '.join(sorted(taken))} is what enqueue itself takes"
        return Job(
            name=name,
            function=function,
            retry=retry or Backoff(),
            timeout=timeout,
            priority=priority,
            calls_strangers=calls_strangers,
        )

    return define


@dataclass(frozen=True)
class JobContext:
    """What a job, a periodic run or a poller is given.

    merchant_id: the tenant, or None for work of the whole installation. attempt: 1 at the first try.
    """

    database: Database
    settings: Settings
    clock: Clock
    registry: Registry
    resources: Resources
    merchant_id: UUID | None = None
    attempt: int = 1

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction bound to the job's merchant (the system role when there is none).

        Never hold it over a call to the outside: open one to read, close it, call, open one to write.
        """
        if self.merchant_id is None:
            async with system_scope(self.database) as session:
                yield session
        else:
            async with self.tenant(self.merchant_id) as session:
                yield session

    @asynccontextmanager
    async def tenant(self, merchant_id: UUID) -> AsyncIterator[AsyncSession]:
        """Open a transaction bound to a merchant, for work that goes from one merchant to the next."""
        assert self.merchant_id in {None, merchant_id}, "a job of one merchant stays with that merchant"
        async with tenant_scope(self.database, merchant_id) as session:
            yield session


PeriodicFunction = Callable[[JobContext], Awaitable[None]]
Poller = Callable[[JobContext], Awaitable[int]]


@dataclass(frozen=True)
class Periodic:
    """Work that comes due by itself. After an outage it runs once, not once for every missed turn."""

    name: str
    every: timedelta
    run: PeriodicFunction
    timeout: timedelta = timedelta(minutes=10)

    @property
    def job_name(self) -> str:
        """Return the name under which its runs are queued."""
        return f"periodic.{self.name}"

    def as_job(self) -> Job:
        """Return the job that a due turn enqueues; retried within the period only."""
        retry = Backoff(first=timedelta(seconds=10), cap=timedelta(minutes=5), give_up_after=self.every)
        return Job(name=self.job_name, function=self.run, retry=retry, timeout=self.timeout)


def random_jitter() -> float:
    """Return a share between -1 and 1 that spreads retries."""
    return random.uniform(-1, 1)  # noqa: S311 (spreading load needs no secret)


def encode_arguments(arguments: Mapping[str, object]) -> bytes:
    """Write a job's arguments as JSON; raises TypeError or ValueError for anything but ids and moments.

    Job arguments are read by operators and kept in logs, so what looks like an address is refused.
    """
    payload = json.dumps({name: _encode(name, value) for name, value in arguments.items()}).encode()
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError("job arguments are ids; put the data in a row and pass its id")
    return payload


def decode_arguments(payload: bytes | None) -> dict[str, Any]:
    """Read what encode_arguments wrote."""
    return {name: _decode(value) for name, value in json.loads(payload or b"{}").items()}


def _encode(name: str, value: object) -> object:
    if isinstance(value, UUID):
        return {"uuid": str(value)}
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name}: a moment needs its time zone")
        return {"datetime": value.isoformat()}
    if isinstance(value, str):
        if "@" in value or len(value) > TEXT_ARGUMENT_LENGTH_MAX:
            raise ValueError(f"{name}: pass an id; job arguments hold no addresses and no texts")
        return value
    if value is None or isinstance(value, int):
        return value
    raise TypeError(f"{name}: a job takes ids and moments, not {type(value).__name__}")


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        ((kind, text),) = value.items()
        return UUID(text) if kind == "uuid" else datetime.fromisoformat(text)
    return value
