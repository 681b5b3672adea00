"""Rate limits where several processes share them: in PostgreSQL, and with a Redis that fails in every way."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import pytest

from app.kernel.adapters import Resources
from app.kernel.errors import RateLimited
from app.kernel.web import limits
from app.kernel.web.limits import LIMITS, Limiter
from app.utils.security import Keyring

RESET_MAX = LIMITS["reset"].amount


@pytest.fixture
def make_limiter(database, settings):
    """Return a maker of limiters, each like a process of its own."""
    keyring = Keyring.for_tests()

    def make(**changes):
        resources = Resources()
        resources.put(Keyring, keyring)
        return Limiter(settings.model_copy(update={"web_processes": 2, **changes}), database, resources)

    return make


async def test_processes_count_together(make_limiter):
    """Two processes let the limit's number through between them, asking at once; a control counts alone."""
    key = str(uuid4())
    processes = [make_limiter(), make_limiter()]
    answers = await asyncio.gather(*(processes[n % 2].hit("reset", key) for n in range(3 * RESET_MAX)))
    alone = [make_limiter(web_processes=1), make_limiter(web_processes=1)]
    apart = [await alone[n % 2].hit("reset", key) for n in range(3 * RESET_MAX)]

    assert sum(answer is None for answer in answers) == RESET_MAX
    assert sum(answer is None for answer in apart) == 2 * RESET_MAX


async def test_keys_are_counted_apart_and_hidden(make_limiter, database):
    """Another key and another limit have counts of their own; the table holds no address."""
    limiter, key = make_limiter(), f"2001:db8:{uuid4().hex[:4]}::/64"
    for _number in range(RESET_MAX):
        await limiter.enforce("reset", key)
    with pytest.raises(RateLimited) as refused:
        await limiter.enforce("reset", key)
    await limiter.enforce("reset", key + "x")
    await limiter.enforce("sign_in", key)

    assert refused.value.retry_at is not None
    async with database.sessions() as session:
        raw = (await session.execute(limits_rows())).scalars().all()
    assert all("2001" not in stored and ":" not in stored for stored in raw)


def limits_rows():
    from sqlalchemy import text

    return text("SELECT key FROM rate_limit")


@pytest.fixture
async def hanging_server():
    """Return the port of a server that accepts and never answers."""
    release = asyncio.Event()

    async def never(reader, writer):
        await release.wait()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    release.set()
    server.close()
    await server.wait_closed()


async def test_a_hanging_redis_costs_a_bounded_wait_once(make_limiter, hanging_server):
    """The first request waits a quarter of a second, the next ones not at all, and all are counted."""
    limiter = make_limiter(redis_url=f"redis://127.0.0.1:{hanging_server}/0")
    key = str(uuid4())
    started = time.perf_counter()
    answers = [await limiter.hit("reset", key) for _number in range(RESET_MAX + 3)]
    seconds = time.perf_counter() - started

    assert sum(answer is None for answer in answers) == RESET_MAX
    assert seconds < limits.REDIS_WAIT_SECONDS + 1


async def test_a_dead_redis_never_opens_the_limit(make_limiter):
    """Nothing listens: PostgreSQL counts from the first request on."""
    limiter = make_limiter(redis_url="redis://127.0.0.1:1/0")
    key = str(uuid4())
    answers = [await limiter.hit("reset", key) for _number in range(RESET_MAX + 3)]

    assert sum(answer is None for answer in answers) == RESET_MAX
