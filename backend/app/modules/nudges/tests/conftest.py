"""The shop that these tests use."""

from __future__ import annotations

from typing import Any

import pytest

from app.modules.merchants.factories import make_merchant
from app.modules.nudges.tests.world import Shop
from app.modules.stores.factories import make_store


@pytest.fixture
async def shop(client: Any, process: Any, clock: Any) -> Shop:
    """Make the shop, at ten in the morning by its clock."""
    merchant = await make_merchant(process.database)
    store = await make_store(process.database, merchant)
    return Shop(client, process, clock, merchant, store)
