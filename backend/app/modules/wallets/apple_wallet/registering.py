"""Devices that hold a pass: register, unregister, and what changed for a device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, system_scope
from app.modules.cards.public import PassObject
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


@dataclass(frozen=True, slots=True)
class Device:
    """A device that holds a pass of a type; push_token: where its pushes go."""

    id: str
    pass_type: str
    push_token: str


async def register_device(session: AsyncSession, card: PassObject, device: Device, *, now: datetime) -> bool:
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
        device_id=device.id,
        pass_type=device.pass_type,
        pass_serial=card.apple_serial,
        push_token=device.push_token,
        updated_at=now,
    )
    saved: Any = statement.on_conflict_do_update(
        index_elements=["merchant_id", "device_id", "pass_type", "pass_serial"],
        set_={"push_token": device.push_token, "updated_at": now},
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


async def unregister_device(
    session: AsyncSession, card: PassObject, device_id: str, *, pass_type: str
) -> None:
    """Forget a device for a pass."""
    await session.execute(
        delete(_Row).where(
            _Row.merchant_id == card.merchant_id,
            _Row.pass_serial == card.apple_serial,
            _Row.device_id == device_id,
            _Row.pass_type == pass_type,
        )
    )


async def list_push_tokens(session: AsyncSession, merchant_id: UUID, serial: str) -> dict[str, list[str]]:
    """Return the push tokens of the devices that hold a pass, each once, by the type of the pass."""
    rows = await session.execute(
        select(_Row.pass_type, _Row.push_token)
        .where(_Row.merchant_id == merchant_id, _Row.pass_serial == serial)
        .distinct()
    )
    tokens: dict[str, list[str]] = {}
    for pass_type, push_token in rows:
        tokens.setdefault(pass_type, []).append(push_token)
    return tokens


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


async def list_changed(database: Database, device_id: str, *, pass_type: str, since: str) -> Changed | None:
    """Return the device's passes of a type changed after the tag, across merchants, or None for nothing."""
    tag = read_tag(since)
    statement = (
        select(_Row.pass_serial, PassObject.update_tag)
        .join(
            PassObject,
            (PassObject.merchant_id == _Row.merchant_id) & (PassObject.apple_serial == _Row.pass_serial),
        )
        .where(_Row.device_id == device_id, _Row.pass_type == pass_type)
        .order_by(PassObject.update_tag)
    )
    if tag is not None:
        statement = statement.where(PassObject.update_tag > tag)
    async with system_scope(database) as session:
        rows = (await session.execute(statement)).all()
    if not rows:
        return None
    return Changed([row.pass_serial for row in rows], rows[-1].update_tag)


async def count_passes(session: AsyncSession, merchant_id: UUID, *, pass_type: str = "") -> int:
    """Return how many passes are on phones and want to hear of changes; pass_type: of that type only."""
    statement = select(func.count(_Row.pass_serial.distinct())).where(_Row.merchant_id == merchant_id)
    if pass_type:
        statement = statement.where(_Row.pass_type == pass_type)
    return await session.scalar(statement) or 0
