"""Open card pages move by themselves: one watcher a process asks for the revisions of the watched cards.

One small query for all of them, a few times a second and only while somebody looks (performance.md 3): the
award itself notifies nobody, because NOTIFY would make commits wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text

from app.db.session import Database, system_scope
from app.kernel.adapters import Resources
from app.kernel.errors import Unavailable
from app.kernel.observability import describe_exception, get_logger
from app.kernel.web.sse import Event

POLL_SECONDS = 0.3
# After a failure the database is left alone for a moment; the pages poll by themselves meanwhile.
POLL_PAUSE_SECONDS = 2.0
WATCHERS_MAX = 5_000
# One holder's tabs and devices: a card that costs nothing must not take the places of all the others.
WATCHERS_OF_CARD_MAX = 20

CardKey = tuple[UUID, UUID]

_REVISIONS = text("""
SELECT card.id, card.revision
FROM unnest(CAST(:merchants AS uuid[]), CAST(:cards AS uuid[])) AS watched(merchant_id, id)
JOIN pass_object card ON card.merchant_id = watched.merchant_id AND card.id = watched.id
""")

log = get_logger("stempel.live")


class CardWatcher:
    """Who looks at which card, and the task that asks for their revisions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues: dict[CardKey, set[asyncio.Queue[int]]] = {}
        self._seen: dict[UUID, int] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def watching(self) -> int:
        """Return how many pages are open."""
        return sum(len(queues) for queues in self._queues.values())

    def check_room(self, key: CardKey) -> None:
        """Raise Unavailable when too many pages are open, of this card or in this process."""
        if self.watching >= WATCHERS_MAX or len(self._queues.get(key, ())) >= WATCHERS_OF_CARD_MAX:
            raise Unavailable

    @asynccontextmanager
    async def watch(self, key: CardKey, *, revision: int) -> AsyncIterator[asyncio.Queue[int]]:
        """Give a queue that gets the card's revision whenever it differs from the last one told.

        revision: what the page shows. Raises Unavailable when too many pages are open.
        """
        self.check_room(key)
        queue: asyncio.Queue[int] = asyncio.Queue()
        queues = self._queues.setdefault(key, set())
        queues.add(queue)
        known = self._seen.setdefault(key[1], revision)
        if known != revision:
            queue.put_nowait(known)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            yield queue
        finally:
            queues.discard(queue)
            if not queues:
                self._queues.pop(key, None)
                self._seen.pop(key[1], None)

    async def _poll(self) -> None:
        while self._queues:
            try:
                await self._ask()
            except Exception as error:  # noqa: BLE001 (a database that is away must not end the watching)
                log.warning("live_poll_failed", reason=describe_exception(error))
                await asyncio.sleep(POLL_PAUSE_SECONDS)
            await asyncio.sleep(POLL_SECONDS)

    async def _ask(self) -> None:
        keys = list(self._queues)
        parameters = {"merchants": [key[0] for key in keys], "cards": [key[1] for key in keys]}
        async with system_scope(self._database) as session:
            found = {row.id: row.revision for row in await session.execute(_REVISIONS, parameters)}
        for key in keys:
            revision = found.get(key[1])
            if revision is None or self._seen.get(key[1]) == revision:
                continue
            self._seen[key[1]] = revision
            for queue in self._queues.get(key, ()):
                queue.put_nowait(revision)

    async def aclose(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def put_card_watcher(resources: Resources) -> None:
    """Give the process its watcher."""
    resources.put(CardWatcher, CardWatcher(resources.get(Database)))


async def card_events(watcher: CardWatcher, key: CardKey, *, revision: int) -> AsyncIterator[Event]:
    """Yield an event for every change of the card; its data is the revision, nothing personal."""
    async with watcher.watch(key, revision=revision) as queue:
        while True:
            changed = await queue.get()
            yield Event(str(changed), name="card", id=str(changed))
