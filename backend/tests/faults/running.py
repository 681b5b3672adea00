"""Runs asynchronous work from a test that kills processes, whatever loop its thread may have."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
SECONDS_MAX = 600.0


def run(work: Coroutine[Any, Any, T], *, seconds: float = SECONDS_MAX) -> T:
    """Run it to its end in a thread of its own, within a time."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await work

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, bounded()).result(seconds + 10)
