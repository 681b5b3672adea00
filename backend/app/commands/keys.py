"""`rotate-keys`: a new version of the keys, and every encrypted value moved to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import text

from app.commands.database import open_database
from app.commands.errors import CommandError
from app.config import Settings
from app.db.keycheck import check_keys
from app.db.session import system_scope, tenant_scope
from app.kernel.sealing import SEALED
from app.process import Process, build_process
from app.utils.id_generator import new_id
from app.utils.security import KEY_FILE_LOOK_SECONDS, KEYS_THAT_ROTATE, Keyring

# Every process looks at the key file within this time; only then does a new version sign and seal.
ACTIVE_IN_SECONDS = 3 * KEY_FILE_LOOK_SECONDS


def rotate_keys(
    settings: Settings, *, names: Sequence[str] = KEYS_THAT_ROTATE, say: Callable[[str], None] = print
) -> None:
    """Add a version to the keys, wait until it is in use, and seal everything anew; may be run again at any time.

    Raises CommandError for a key that cannot be rotated, and for a value that no key opens.
    """
    unknown = sorted(set(names) - set(KEYS_THAT_ROTATE))
    if unknown:
        possible = ", ".join(KEYS_THAT_ROTATE)
        raise CommandError(f"There is no such key to rotate: {', '.join(unknown)}. Possible: {possible}.")
    with open_database(settings) as ready:
        asyncio.run(_rotate(ready, names, say))


async def _rotate(settings: Settings, names: Sequence[str], say: Callable[[str], None]) -> None:
    Keyring.load_or_create(settings.keys_dir)
    made = Keyring.add_versions(settings.keys_dir, names, active_in_seconds=ACTIVE_IN_SECONDS)
    listed = ", ".join(f"{name} {version}" for name, version in made.items())
    say(f"New versions: {listed}. In use in {ACTIVE_IN_SECONDS:.0f} seconds, when every process knows them.")
    await asyncio.sleep(ACTIVE_IN_SECONDS)
    process = build_process(settings)
    try:
        async with process.database.sessions() as session, session.begin():
            await check_keys(session, process.resources.get(Keyring))
        done = await reseal_everything(process)
    finally:
        await process.aclose()
    say(f"{done} encrypted values moved to the new key. Back up {settings.keys_dir} now.")


async def reseal_everything(process: Process) -> int:
    """Seal all values anew that an older key sealed, in batches with a transaction each; return how many."""
    keyring = process.resources.get(Keyring)
    done = 0
    for merchant_id in await _tenants(process):
        for name, sealed in SEALED.items():
            while True:
                try:
                    async with tenant_scope(process.database, merchant_id) as session:
                        batch = await sealed.reseal(session, keyring)
                except ValueError:
                    raise CommandError(
                        f"A value of {name} of merchant {merchant_id} is opened by no key. Restore the keys it was "
                        "made with, or set it anew in the dashboard; then run this again."
                    ) from None
                done += batch
                if batch == 0:
                    break
    return done


async def count_old_values(process: Process) -> int:
    """Return how many values are sealed with an older key."""
    keyring = process.resources.get(Keyring)
    found = 0
    for merchant_id in await _tenants(process):
        for _name, sealed in SEALED.items():
            async with tenant_scope(process.database, merchant_id) as session:
                found += await sealed.count_old(session, keyring)
    return found


async def list_merchants(process: Process) -> Sequence[UUID]:
    """Return the ids of all merchants."""
    async with system_scope(process.database) as session:
        return (await session.execute(text("SELECT id FROM merchant ORDER BY id"))).scalars().all()


async def _tenants(process: Process) -> Sequence[UUID]:
    """Return whom to go through: without any merchant yet, nobody's id, for the values that belong to no tenant."""
    return await list_merchants(process) or [new_id()]


def retire_field_keys(settings: Settings, *, say: Callable[[str], None] = print) -> None:
    """Take the old versions of the field key away, once no value needs them; raises CommandError before that."""
    with open_database(settings) as ready:
        asyncio.run(_retire(ready, say))


async def _retire(settings: Settings, say: Callable[[str], None]) -> None:
    process = build_process(settings)
    try:
        waiting = await count_old_values(process)
        if waiting:
            raise CommandError(f"{waiting} values need the old keys still; run ./stempel rotate-keys first.")
        keep = process.resources.get(Keyring).newest("field")
        gone = Keyring.retire(settings.keys_dir, "field", keep=keep)
        names = [f"field:{version}" for version in gone]
    finally:
        await process.aclose()
    say(
        f"Taken away: {', '.join(names) or 'nothing'}. Older backups of the database need an older backup of the keys."
    )
