"""Devices that hold a pass: register, unregister, and what changed for a device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, system_scope, tenant_scope
from app.modules.cards.public import PassObject
from app.modules.wallets.apple_wallet.credentials import find_identity
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.models import AppleDeviceRegistration
from app.utils.id_generator import new_id

DEVICE_ID_LENGTH_MAX = 200
PUSH_TOKEN_LENGTH_MAX = 200
# A phone may register under many ids; the newest count.
REGISTRATIONS_MAX = 20
TAG_MAX = 2**63 - 1

_Row = AppleDeviceRegistration


@dataclass(frozen=True, slots=True)
class Changed:
    """Serial numbers of what changed, and the tag to ask with next time."""

    serials: list[str]
    tag: int


async def register_device(
    session: AsyncSession, card: PassObject, device_id: str, push_token: str, *, now: datetime
) -> bool:
    """Note a device for a pass, or its new push token; tells whether it is new. The oldest beyond the cap goes."""
    # One at a time for a pass, so that many at once cannot pass the cap.
    await session.execute(
        select(PassObject.id)
        .where(PassObject.merchant_id == card.merchant_id, PassObject.id == card.id)
        .with_for_update(key_share=True)
    )
    statement = insert(_Row).values(
        merchant_id=card.merchant_id,
        id=new_id(),
        device_id=device_id,
        pass_serial=card.apple_serial,
        push_token=push_token,
        updated_at=now,
    )
    saved: Any = statement.on_conflict_do_update(
        index_elements=["merchant_id", "device_id", "pass_serial"],
        set_={"push_token": push_token, "updated_at": now},
    ).returning(literal_column("xmax = 0"))
    is_new = bool((await session.execute(saved)).scalar_one())
    if is_new:
        await _keep_newest(session, card)
    return is_new


async def _keep_newest(session: AsyncSession, card: PassObject) -> None:
    kept = (
        select(_Row.id)
        .where(_Row.merchant_id == card.merchant_id, _Row.pass_serial == card.apple_serial)
        .order_by(_Row.updated_at.desc(), _Row.id.desc())
        .limit(REGISTRATIONS_MAX)
    )
    await session.execute(
        delete(_Row).where(
            _Row.merchant_id == card.merchant_id,
            _Row.pass_serial == card.apple_serial,
            _Row.id.not_in(kept),
        )
    )


async def unregister_device(session: AsyncSession, card: PassObject, device_id: str) -> None:
    """Forget a device for a pass."""
    await session.execute(
        delete(_Row).where(
            _Row.merchant_id == card.merchant_id,
            _Row.pass_serial == card.apple_serial,
            _Row.device_id == device_id,
        )
    )


async def list_push_tokens(session: AsyncSession, merchant_id: UUID, serial: str) -> list[str]:
    """Return the push tokens of the devices that hold a pass, each once."""
    rows = await session.scalars(
        select(_Row.push_token).where(_Row.merchant_id == merchant_id, _Row.pass_serial == serial).distinct()
    )
    return list(rows)


async def forget_push_token(
    session: AsyncSession, merchant_id: UUID, push_token: str, *, gone_at: datetime
) -> int:
    """Drop a device that is gone, unless it registered again after that; returns how many rows went."""
    gone: Any = await session.execute(
        delete(_Row)
        .where(_Row.merchant_id == merchant_id, _Row.push_token == push_token, _Row.updated_at <= gone_at)
        .returning(_Row.id)
    )
    return len(gone.all())


def read_tag(text: str) -> int | None:
    """Return a tag of ours, or None for anything else: then everything is listed."""
    if text.isascii() and text.isdigit() and int(text) <= TAG_MAX:
        return int(text)
    return None


async def list_changed(
    database: Database, device_id: str, *, pass_type: str, since: str, now: datetime
) -> Changed | None:
    """Return the device's passes of a type changed after the tag, across merchants, or None for nothing."""
    tag = read_tag(since)
    statement = (
        select(_Row.merchant_id, _Row.pass_serial, PassObject.update_tag)
        .join(
            PassObject,
            (PassObject.merchant_id == _Row.merchant_id) & (PassObject.apple_serial == _Row.pass_serial),
        )
        .where(_Row.device_id == device_id)
        .order_by(PassObject.update_tag)
    )
    if tag is not None:
        statement = statement.where(PassObject.update_tag > tag)
    async with system_scope(database) as session:
        rows = (await session.execute(statement)).all()
    of_type = {
        merchant_id: await _pass_type(database, merchant_id, now) == pass_type
        for merchant_id in {row.merchant_id for row in rows}
    }
    shown = [row for row in rows if of_type[row.merchant_id]]
    if not shown:
        return None
    return Changed([row.pass_serial for row in shown], max(row.update_tag for row in shown))


async def _pass_type(database: Database, merchant_id: UUID, now: datetime) -> str:
    async with tenant_scope(database, merchant_id) as session:
        try:
            identity = await find_identity(session, merchant_id, now=now)
        except IdentityFault:
            return ""
    return identity.pass_type if identity else ""


async def count_registrations(session: AsyncSession, merchant_id: UUID) -> int:
    """Return how many passes are on phones and want to hear of changes."""
    return await session.scalar(select(func.count()).where(_Row.merchant_id == merchant_id)) or 0
