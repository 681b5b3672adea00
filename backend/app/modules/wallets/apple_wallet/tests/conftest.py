"""A push service on the loopback and a worker's context that uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from sqlalchemy import delete

from app.db.session import system_scope
from app.kernel.adapters import Resources
from app.kernel.jobs import JobContext
from app.modules.wallets.apple_wallet import client as client_module
from app.modules.wallets.apple_wallet.client import CurlPush
from app.modules.wallets.apple_wallet.pushing import Pusher
from app.modules.wallets.models import AppleHealth

from .standin import StandInApns


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def fresh_limits(app) -> None:
    """Give each test its own tries: all come from one address, and the limiter counts by the real clock."""
    await app.state.limiter.reset()


@pytest_asyncio.fixture(loop_scope="session")
async def apns(tmp_path) -> AsyncIterator[StandInApns]:
    """Return a running stand-in of Apple's push service."""
    service = StandInApns(tmp_path)
    await service.start()
    yield service
    await service.stop()


@dataclass
class Worker:
    """Makes contexts of jobs whose pushes go to the stand-in."""

    process: object
    resources: Resources
    pusher: Pusher

    def context(self, merchant_id, attempt: int = 1) -> JobContext:
        """Return the context of a job of the merchant."""
        return JobContext(
            database=self.process.database,
            settings=self.process.settings,
            clock=self.process.clock,
            registry=self.process.registry,
            resources=self.resources,
            merchant_id=merchant_id,
            attempt=attempt,
        )


@pytest_asyncio.fixture(loop_scope="session")
async def worker(process, apns, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    """Return a worker that pushes to the stand-in, with short time limits."""
    monkeypatch.setattr(client_module, "TOTAL_MS", 400)
    async with system_scope(process.database) as session:
        await session.execute(delete(AppleHealth))
    pusher = Pusher(CurlPush(apns.url, str(apns.ca_file)))
    resources = Resources()
    resources._objects.update(process.resources._objects)
    resources.put(Pusher, pusher)
    yield Worker(process, resources, pusher)
    await pusher.aclose()
