"""What every process holds: settings, database, modules, clock, keys. Web, worker, commands and tests open one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.config import Settings
from app.db.keycheck import check_keys
from app.db.replica import add_replica
from app.db.session import Database
from app.installed import INSTALLED
from app.kernel.adapters import Resources
from app.kernel.clock import Clock, make_clock
from app.kernel.i18n import install_catalogues
from app.kernel.module import Module
from app.kernel.outgoing.client import OutgoingClient
from app.kernel.registry import Registry
from app.utils.security import Keyring


@dataclass(frozen=True)
class Process:
    """The long-lived parts of a process, made once."""

    settings: Settings
    database: Database
    registry: Registry
    clock: Clock
    resources: Resources

    async def open(self) -> None:
        """Refuse an unsafe database or foreign keys; raises UnsafeDatabase or ForeignKeys with one sentence."""
        await self.database.check_safe()
        async with self.database.sessions() as session, session.begin():
            await check_keys(session, self.resources.get(Keyring))

    async def aclose(self) -> None:
        """Close resources and connections."""
        await self.resources.close()
        await self.database.aclose()


def build_process(
    settings: Settings,
    *,
    modules: Sequence[Module] = INSTALLED,
    clock: Clock | None = None,
    keyring: Keyring | None = None,
) -> Process:
    """Assemble a process without touching the database yet."""
    registry = Registry(modules)
    registry.import_models()
    registry.bind()
    # Mails and passes speak their reader's language in the worker, too.
    install_catalogues(registry.locale_folders())
    resources = Resources()
    clock = clock or make_clock(settings.clock_file)
    database = Database(settings)
    add_replica(database)
    resources.put(Settings, settings)
    resources.put(Database, database)
    resources.put(Registry, registry)
    resources.put(OutgoingClient, OutgoingClient())
    resources.put(Keyring, keyring or Keyring.load_or_create(settings.keys_dir))
    # Use cases find keys and adapters through their session: no globals, and tests replace what they need.
    for maker in (database.sessions, database.plain_sessions, database.system_sessions):
        maker.configure(info={"resources": resources})
    for module in registry.modules:
        for prepare in module.resources:
            prepare(resources)
    return Process(settings, database, registry, clock, resources)
