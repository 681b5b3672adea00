"""A worker in a process of its own, for a test to kill: sends what is due to one address. Its wish comes pickled."""

from __future__ import annotations

import asyncio
import pickle  # the test's own bytes
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from app.config import Settings
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.outgoing.client import OutgoingClient
from app.modules.webhooks.sending.jobs import send
from app.process import Process, build_process
from app.utils.security import Keyring
from tests.receiver import Receiver


def write_wish(made: Process, receiver: Receiver, *, merchant_id: UUID, endpoint_id: UUID) -> bytes:
    """Return what the process reads: all that makes it a worker of the same installation, at the same moment."""
    wish = {
        "settings": made.settings.model_dump(),
        "keys": made.resources.get(Keyring).keys,
        "receiver": (str(receiver.folder), receiver.port),
        "now": made.clock.now(),
        "merchant_id": merchant_id,
        "endpoint_id": endpoint_id,
    }
    return pickle.dumps(wish)


async def work(wish: dict[str, Any]) -> None:
    """Send what is due."""
    clock = FixedClock(wish["now"])
    made = build_process(Settings(**wish["settings"]), clock=clock, keyring=Keyring(wish["keys"]))
    folder, port = wish["receiver"]
    receiver = Receiver(Path(folder))
    receiver.port = port
    made.resources.put(OutgoingClient, receiver.client())
    context = JobContext(
        made.database, made.settings, clock, made.registry, made.resources, merchant_id=wish["merchant_id"]
    )
    await send(context, endpoint_id=wish["endpoint_id"])
    await made.aclose()


if __name__ == "__main__":
    asyncio.run(work(pickle.loads(sys.stdin.buffer.read())))  # noqa: S301
