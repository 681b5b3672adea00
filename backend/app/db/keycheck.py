"""Recognises in a database the keys it was made with: a start with other keys is refused."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, SECRET, Base
from app.utils.security import Keyring, same


class KeyCheck(Base):
    """One fingerprint per key and version."""

    __tablename__ = "key_check"
    name: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    value: Mapped[bytes] = mapped_column(info=SECRET)


class ForeignKeys(Exception):
    """The key files do not belong to this database; PINs and links would all be refused."""


async def check_keys(session: AsyncSession, keyring: Keyring) -> None:
    """Record the keys of a fresh database, recognise those of a used one; raises ForeignKeys."""
    stored = await _stored(session)
    mine = keyring.check_values()
    for name, value in stored.items():
        if _was_retired(name, keyring, stored):
            continue
        if name not in mine or not same(mine[name], value):
            raise ForeignKeys(
                f"The key {name} of this installation does not belong to this database. "
                "Restore keys.json from the backup, or point STEMPEL_SECRETS_DIR at the right folder."
            )
    fresh = [{"name": name, "value": value} for name, value in mine.items() if name not in stored]
    if fresh:
        await session.execute(insert(KeyCheck).values(fresh).on_conflict_do_nothing())
        # Another container may have been first with other keys: then ours must not be used.
        if not stored:
            first = await _stored(session)
            if any(not same(first[name], value) for name, value in mine.items()):
                raise ForeignKeys("Another process has just set up this database with other keys.")


def _was_retired(name: str, keyring: Keyring, stored: dict[str, bytes]) -> bool:
    """Tell whether a key was taken away after a rotation: all of ours are newer, and the database knows one of them."""
    key, _, version = name.partition(":")
    mine = keyring.versions(key) if key in keyring.keys else ()
    return bool(mine) and int(version) < min(mine) and f"{key}:{min(mine)}" in stored


async def _stored(session: AsyncSession) -> dict[str, bytes]:
    rows = await session.execute(select(KeyCheck.name, KeyCheck.value))
    return {row.name: row.value for row in rows}
