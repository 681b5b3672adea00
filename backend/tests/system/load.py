"""Callers who never stop asking, for tests of what they notice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

ANSWER_SECONDS_MAX = 60
# A caller's own pause: a crowd of tills, and not a flood in which nothing else gets the machine.
PAUSE_SECONDS = 0.1


@dataclass
class Load:
    """What callers got: each answer by its status, and each broken connection by its kind."""

    results: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0

    @property
    def failed(self) -> dict[str, int]:
        """Return everything that was not an answer below 500."""
        return {name: n for name, n in self.results.items() if not name.isdigit() or int(name) >= 500}

    @property
    def total(self) -> int:
        """Return how many requests were made."""
        return sum(self.results.values())


@asynccontextmanager
async def callers(
    url: str, bodies: Sequence[dict[str, Any]], *, path: str, **client: Any
) -> AsyncIterator[Load]:
    """Post each body again and again, each by a caller of its own on a kept connection; nothing is retried."""
    load, ending = Load(), asyncio.Event()

    async def call(body: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        async with httpx2.AsyncClient(base_url=url, timeout=ANSWER_SECONDS_MAX, **client) as one:
            while not ending.is_set():
                began = loop.time()
                try:
                    result = str((await one.post(path, json=body)).status_code)
                except httpx2.HTTPError as error:
                    result = type(error).__name__
                load.results[result] += 1
                load.slowest_seconds = max(load.slowest_seconds, loop.time() - began)
                await asyncio.sleep(PAUSE_SECONDS)

    tasks = [asyncio.ensure_future(call(body)) for body in bodies]
    try:
        yield load
    finally:
        ending.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 2 * ANSWER_SECONDS_MAX)


async def count_until(load: Load, wanted: int, *, seconds: float = 60) -> None:
    """Wait until so many requests more have been answered."""
    async with asyncio.timeout(seconds):
        target = load.total + wanted
        while load.total < target:
            await asyncio.sleep(0.05)
