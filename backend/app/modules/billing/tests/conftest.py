"""A shop with a plan, and somebody who listens to what is told of its use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from app.db.session import tenant_scope
from app.kernel.clock import FixedClock
from app.kernel.hooks import Bound
from app.kernel.metering import USAGE_TOLD, UsageTold
from app.modules.billing.plans import Plan, Plans
from app.modules.billing.service import count_usage
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.stores.factories import make_store
from app.process import Process


@dataclass
class Told:
    """What a subscriber such as the webhooks would hear."""

    heard: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def hear(self, told: UsageTold) -> None:
        """Keep what was told."""
        self.heard.append((told.event, dict(told.facts)))


@pytest.fixture
def told() -> Iterator[Told]:
    """Subscribe to what is told of usage."""
    before, told = USAGE_TOLD.bound, Told()
    USAGE_TOLD.bind([Bound("test", switchable=False, order=1, function=told.hear)])
    yield told
    USAGE_TOLD.bind(before)


@dataclass
class Shop:
    """A shop under a plan."""

    process: Process
    clock: FixedClock
    merchant: MadeMerchant
    store: Any

    def limit(self, **limits: int) -> None:
        """Let every merchant have these limits."""
        plan = Plan(
            title="Small",
            limits=limits,
            upgrade={"en": "Write to us."},
            upgrade_url="https://example.com/more",
        )
        self.process.resources.put(Plans, Plans(default="small", plans={"small": plan}))

    async def count(self) -> None:
        """Do the worker's round for this shop."""
        async with tenant_scope(self.process.database, self.merchant.id) as session:
            await count_usage(session, self.merchant.id, now=self.clock.at)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(process: Process, clock: FixedClock) -> Any:
    """Return a shop with one store; no plan is in effect until a test says so, and none after it."""
    merchant = await make_merchant(process.database)
    yield Shop(process, clock, merchant, await make_store(process.database, merchant))
    process.resources.put(Plans, Plans())
