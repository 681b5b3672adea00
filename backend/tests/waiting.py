"""Waiting for one another in tests, with an end: a guest who never comes fails the test instead of holding it up."""

from __future__ import annotations

import asyncio

WAIT_SECONDS_MAX = 60.0


class Meeting(asyncio.Barrier):
    """A barrier whose wait ends with TimeoutError when the others do not come."""

    async def wait(self) -> int:
        """Wait for the others; returns the place of arrival, from 0."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return await super().wait()


class Signal(asyncio.Event):
    """An event whose wait ends with TimeoutError when nobody sets it."""

    async def wait(self) -> bool:
        """Wait until somebody sets it."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return await super().wait()
