"""The installation that the journeys play on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.live import LiveServer, running_server


@pytest.fixture(scope="session")
def server(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Return a running server with its worker."""
    name = f"stempel_journey_{worker_id}_{os.getpid()}"
    with running_server(tmp_path_factory.mktemp("journey"), name=name) as server:
        yield server
