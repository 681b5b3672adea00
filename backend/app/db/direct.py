"""A few bare asyncpg connections for the hot path: single statements, each a transaction of its own.

A session costs more processor time than the stamp it carries. There is nothing to reset here: no transaction is ever
left open, and a setting made with set_config(..., true) ends with its statement. Behind PgBouncer in transaction mode
there are none, because the parse and the run of a statement outside a transaction may meet different servers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from app.config import Settings

CONNECT_TIMEOUT_SECONDS = 5
WAIT_SECONDS = 5
COMMAND_TIMEOUT_SECONDS = 20
LAST_WORDS = frozenset({"FATAL", "PANIC"})
# A plan is made once a connection. One made while a table is empty (keys just swept, a first day) would read the whole
# table for every stamp, however large it has become, until the server gathers statistics again.
BY_INDEX = "SET enable_seqscan = off"


class DirectConnections:
    """Opened at first use, as many as the settings' pool at most, the last one used first."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.database_url)
        self._dsn = urlunsplit(parts._replace(scheme=parts.scheme.partition("+")[0]))
        self._free = asyncio.Semaphore(settings.database_pool_size)
        self._idle: list[Any] = []
        self.watch: Callable[[Any], None] | None = None  # told of each new connection, where tracing is on

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend a connection; raises TimeoutError when all are busy for too long.

        One whose statement did not end in order (a lost line, a request that was given up) is thrown away.
        """
        if self._free.locked():
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        else:
            await self._free.acquire()
        connection = None
        try:
            while connection is None and self._idle:
                idle = self._idle.pop()
                connection = None if idle.is_closed() else idle
            connection = connection or await self._connect()
            yield connection
            self._idle.append(connection)
        except asyncpg.PostgresError as error:
            # The statement was refused and undone as a whole; the line itself is in order, unless these were the
            # server's last words on it. It is closed a little later, and may be of no use already.
            if connection is not None and error.severity_en in LAST_WORDS:
                connection.terminate()
            elif connection is not None and not connection.is_closed():
                self._idle.append(connection)
            raise
        except BaseException:
            if connection is not None:
                connection.terminate()
            raise
        finally:
            self._free.release()

    async def _connect(self) -> Any:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings={"application_name": "stempel"},
        )
        # Not as a parameter of the connection: PgBouncer, whose sessions may be used without our setting, refuses it.
        await connection.execute(BY_INDEX)
        # As SQLAlchemy has it: jsonb is read as Python values and taken as text.
        await connection.set_type_codec("jsonb", encoder=str, decoder=json.loads, schema="pg_catalog")
        if self.watch is not None:
            self.watch(connection)
        return connection

    async def aclose(self) -> None:
        """Close what is idle; called when nothing is served any more."""
        while self._idle:
            await self._idle.pop().close(timeout=CONNECT_TIMEOUT_SECONDS)
