"""The web process with the PIN taken away: what `./stempel bench pin` compares with, and nothing for any shop.

The short way of a stamp believes whoever asks: nothing remembered is looked up, no limit is read, no PIN is joined.
Everything else is the product's own.
"""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.commands.serve import serve
from app.config import Settings
from app.dependencies import StoreRef
from app.kernel.adapters import Resources
from app.modules.staff.public import StaffRef
from app.modules.visits import at_once, statements
from app.modules.visits.service import AwardCommand

STAFF_ID = "STEMPEL_BENCH_STAFF_ID"
_UNUSED = ", $6::bytea AS bench_address, $7::bytea AS bench_verifier, $8::timestamptz AS bench_now"

_read_loaded = statements.read_loaded
_giver = StaffRef(UUID(os.environ[STAFF_ID]), "Bench", "cashier", "pin")


def _without_pin(values: dict[str, Any], *, has_pin: bool) -> statements.LoadedAward:
    if "bench_address" not in values:  # a card that changed meanwhile goes the ordinary way
        return _read_loaded(values, has_pin=has_pin)
    for name in ("bench_address", "bench_verifier", "bench_now"):
        del values[name]
    return replace(_read_loaded(values, has_pin=False), staff=_giver)


def _believe(_resources: Resources, _store: StoreRef, command: AwardCommand, *, now: datetime) -> Any:
    del now
    return at_once._Plain(UUID(command.card), b"", b"")


statements.READ_AT_ONCE = statements._LOAD.format(
    columns=", card.xmin::text AS version" + _UNUSED, joins="", bound=statements._BOUND, lock=""
)
statements.read_loaded = _without_pin
at_once._recognise = _believe

if __name__ == "__main__":
    settings = Settings()
    # A socket of our own: without one, the parent of other processes would start, which know nothing of this.
    listening = socket.create_server(("127.0.0.1", settings.port))
    serve(settings, listen_fd=listening.detach())
