"""What every test of design gets."""

from __future__ import annotations

from typing import Any

import pytest_asyncio


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def fresh_limits(app: Any) -> None:
    """Give each test its own uploads: all come from one address, and the limiter counts by the real clock."""
    await app.state.limiter.reset()
