"""A business, an address no other test uses, and limits that nobody has used up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import delete

from app.db.session import Database
from app.kernel.web.limits import Limiter
from app.modules.accounts.models import SignInLimit
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.utils.id_generator import new_id


@pytest.fixture
async def fresh_limits(app: Any, database: Database) -> AsyncIterator[None]:
    """Forget what other tests counted for the one address they all share, and what this one counts."""
    limiter: Limiter = app.state.limiter
    for turn in ("before", "after"):
        await limiter.reset()
        async with database.sessions() as session, session.begin():
            await session.execute(delete(SignInLimit))
        if turn == "before":
            yield


@pytest.fixture
async def merchant(database: Database) -> MadeMerchant:
    """Return a business."""
    return await make_merchant(database)


@pytest.fixture
def email() -> str:
    """Return an address no other test uses."""
    return f"new-{new_id().hex[-12:]}@example.com"
