"""Noting the device behind a stamp, finding one with many cards, and forgetting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.i18n import msg
from app.kernel.permissions import Principal
from app.kernel.points import FraudRule, PersonalData, SeenVisit, Suspicion, VisitScan
from app.kernel.settings import get_settings, save_settings
from app.kernel.web.current import find_current_request
from app.kernel.web.proxies import address_key, client_address
from app.modules.cards.public import PassObject, cookie_tokens, read_token
from app.modules.fingerprints.models import VisitTrace
from app.modules.fingerprints.settings import FingerprintSettings
from app.modules.merchants.public import get_merchant
from app.modules.visits.public import EarnedContext, Visit
from app.utils.security import Keyring

FEATURE = "fingerprints"
HASH_BYTES = 16
AGENT_LENGTH_MAX = 400
ON_A_PHONE = "customer_phone"
WINDOW = timedelta(days=1)


async def note_device(earned: EarnedContext) -> None:
    """Write the device behind a stamp on a customer's phone, in its transaction: one row, nothing is read.

    Called for merchants that have switched the feature on; for the others the stamp costs nothing more.
    """
    request = find_current_request()
    if earned.earn.source != ON_A_PHONE or request is None:
        return
    keyring, merchant_id = resources_of(earned.session).get(Keyring), earned.earn.merchant_id
    earned.session.add(
        VisitTrace(
            merchant_id=merchant_id,
            visit_id=earned.visit_id,
            pass_id=earned.earn.pass_id,
            at=earned.earn.now,
            address_hash=_hash(keyring, merchant_id, "address", address_key(client_address(request))),
            agent_hash=_hash(
                keyring, merchant_id, "agent", request.headers.get("user-agent", "")[:AGENT_LENGTH_MAX]
            ),
            device_hash=_device(keyring, merchant_id, request),
        )
    )


def _hash(keyring: Keyring, merchant_id: UUID, kind: str, value: str) -> bytes:
    """Return a keyed hash that means something within one merchant only."""
    return keyring.mac("lookup", "fingerprint", merchant_id, kind, value)[:HASH_BYTES]


def _device(keyring: Keyring, merchant_id: UUID, request: Request) -> bytes | None:
    """Return what stays the same of a browser's cookie: the oldest card of this merchant that it holds."""
    parts = [read_token(token) for token in cookie_tokens(request)]
    cards = [part.pass_id for part in parts if part is not None and part.merchant_id == merchant_id]
    return _hash(keyring, merchant_id, "device", str(min(cards))) if cards else None


async def find_shared_devices(scan: VisitScan) -> list[Suspicion]:
    """See which phone collected on more cards within a day than a family has."""
    fresh = {visit.id: visit for visit in scan.visits}
    if not fresh:
        return []
    since = min(visit.at for visit in scan.visits) - WINDOW
    settings = await get_settings(scan.session, FingerprintSettings, merchant_id=scan.merchant_id)
    groups: dict[bytes, list[SeenVisit]] = defaultdict(list)
    for device, *visit in await scan.session.execute(_visits_of_devices(scan, list(fresh), since=since)):
        groups[device].append(SeenVisit(*visit))
    return [
        Suspicion(device.hex(), visits, settings.cards_max + 1, store_id=visits[-1].store_id)
        for device, visits in groups.items()
        if len({visit.pass_id for visit in visits}) > settings.cards_max
    ]


def _visits_of_devices(scan: VisitScan, fresh: list[UUID], *, since: datetime) -> Any:
    """Return the statement for all visits since then of every device behind one of the fresh ones."""
    seen = aliased(VisitTrace)
    devices = select(seen.device_hash).where(
        seen.merchant_id == scan.merchant_id, seen.visit_id.in_(fresh), seen.device_hash.is_not(None)
    )
    return (
        select(
            VisitTrace.device_hash,
            Visit.id,
            Visit.at,
            Visit.store_id,
            Visit.pass_id,
            Visit.staff_id,
            Visit.given_by,
        )
        .join(VisitTrace, (VisitTrace.merchant_id == Visit.merchant_id) & (VisitTrace.visit_id == Visit.id))
        .where(
            VisitTrace.merchant_id == scan.merchant_id,
            VisitTrace.device_hash.in_(devices),
            VisitTrace.at > since,
            Visit.voided_at.is_(None),
        )
        .order_by(Visit.at, Visit.id)
    )


async def is_same_device(session: AsyncSession, merchant_id: UUID, one: UUID, other: UUID) -> bool:
    """Tell whether two cards were stamped on one phone, as far as it is kept; never while this is switched off."""
    if FEATURE not in (await get_merchant(session, merchant_id)).modules_on:
        return False
    twin = aliased(VisitTrace)
    found = await session.scalar(
        select(VisitTrace.visit_id)
        .join(
            twin,
            (twin.merchant_id == VisitTrace.merchant_id) & (twin.device_hash == VisitTrace.device_hash),
        )
        .where(VisitTrace.merchant_id == merchant_id, VisitTrace.pass_id == one, twin.pass_id == other)
        .limit(1)
    )
    return found is not None


async def _days_kept(session: AsyncSession, merchant_id: UUID) -> int:
    return (await get_settings(session, FingerprintSettings, merchant_id=merchant_id)).days_kept


RULE = FraudRule(
    msg("One phone, several cards"),
    msg("One customer's phone collected on several cards within a day."),
    find_shared_devices,
    # The key of a finding is the device's hash: it goes when the hash itself goes.
    key_days=_days_kept,
)


async def forget_old(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> int:
    """Delete the hashes that were kept long enough; return how many there were."""
    settings = await get_settings(session, FingerprintSettings, merchant_id=merchant_id)
    result = await session.execute(
        delete(VisitTrace)
        .where(
            VisitTrace.merchant_id == merchant_id, VisitTrace.at <= now - timedelta(days=settings.days_kept)
        )
        .returning(VisitTrace.visit_id)
    )
    return len(result.all())


async def count_kept(session: AsyncSession, merchant_id: UUID) -> int:
    """Count the stamps whose device is kept."""
    return int(await session.scalar(select(func.count()).where(VisitTrace.merchant_id == merchant_id)) or 0)


async def change_settings(
    session: AsyncSession, principal: Principal, settings: FingerprintSettings, *, now: datetime
) -> None:
    """Keep the merchant's settings; what is older than they allow goes at once."""
    await save_settings(session, settings, merchant_id=principal.merchant_id)
    await forget_old(session, principal.merchant_id, now=now)
    await record_audit(
        session,
        principal,
        action="fingerprints.changed",
        target_kind="fraud",
        target_id=None,
        now=now,
        facts=settings.model_dump(),
    )


def _of_customer(merchant_id: UUID, customer_id: UUID) -> ColumnElement[bool]:
    cards = select(PassObject.id).where(
        PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id
    )
    return and_(VisitTrace.merchant_id == merchant_id, VisitTrace.pass_id.in_(cards))


async def export_traces(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return the hashes kept about the customer's stamps."""
    rows = await session.scalars(
        select(VisitTrace).where(_of_customer(merchant_id, customer_id)).order_by(VisitTrace.at)
    )
    return {
        "devices": [
            {
                "visit_id": str(row.visit_id),
                "at": row.at.isoformat(),
                "address_hash": row.address_hash.hex(),
                "agent_hash": row.agent_hash.hex(),
                "device_hash": row.device_hash.hex() if row.device_hash else None,
            }
            for row in rows
        ]
    }


async def erase_traces(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Delete what is kept about the customer's stamps."""
    await session.execute(
        delete(VisitTrace)
        .where(_of_customer(merchant_id, customer_id))
        .execution_options(synchronize_session=False)
    )


PERSONAL_TRACES = PersonalData(tables=("visit_trace",), export=export_traces, erase=erase_traces)
