"""The shop that these tests use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.kernel.clock import FixedClock
from app.modules.referrals.tests.world import Shop, open_shop
from app.process import Process


@pytest.fixture
async def shop(process: Process, app: Any, clock: FixedClock) -> AsyncIterator[Shop]:
    """Return a points shop with 50 points for the inviter and 20 for the friend.

    Each test has its own tries: all browsers come from one address, and the limiter counts by the real clock.
    """
    await app.state.limiter.reset()
    made = await open_shop(process, app, clock)
    yield made
    for browser in made.browsers:
        await browser.aclose()
