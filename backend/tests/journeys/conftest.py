"""The installation that the journeys play on, and the place of those that are refused."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from fastapi import FastAPI

from app.db.session import Database
from app.kernel.clock import FixedClock
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from tests.journeys.place import Place
from tests.live import LiveServer, running_server


@pytest.fixture(scope="session")
def server(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Return a running server with its worker."""
    name = f"stempel_journey_{worker_id}_{os.getpid()}"
    with running_server(tmp_path_factory.mktemp("journey"), name=name) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def place(database: Database, app: FastAPI, clock: FixedClock) -> AsyncIterator[Place]:
    """Return a merchant with three stores, and another merchant."""
    merchant = await make_merchant(database)
    kinds = ("stamps", "points", "hybrid")
    stores = {kind: await make_store(database, merchant, kind, name=f"Store {kind}") for kind in kinds}
    pins = {kind: (await make_staff(database, store))[1] for kind, store in stores.items()}
    stranger = await make_store(database, await make_merchant(database), "stamps")
    made = Place(database, app, merchant, stores, pins, stranger)
    yield made
    for client in made.clients:
        await client.aclose()
