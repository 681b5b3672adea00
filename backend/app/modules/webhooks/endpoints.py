"""Addresses: made, changed, switched, taken away, and their secrets."""

from __future__ import annotations

import ipaddress
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.outgoing.addresses import AddressRefused, is_public, parse_target
from app.kernel.permissions import Principal
from app.kernel.sealing import SealedColumn
from app.modules.merchants.public import set_feature_rules
from app.modules.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from app.modules.webhooks.rules import (
    ENDPOINTS_MAX,
    FEATURE,
    REMOVED_KEPT,
    ROTATION,
    SECRET_BYTES,
    SECRET_PREFIX,
    known_events,
)
from app.utils.id_generator import new_id
from app.utils.security import Keyring

# Two who make an address at once must not both be the tenth, nor forget what the other wants to be told.
_ONE_AT_A_TIME = text("SELECT 1 FROM merchant WHERE id = :id FOR NO KEY UPDATE")


@dataclass(frozen=True, slots=True)
class Draft:
    """What an address is to be."""

    url: str
    events: tuple[str, ...]
    about: str = ""


def seal_context(row: Any) -> str:
    """Return what a sealed secret is bound to: its row."""
    return f"webhook_endpoint:{row.merchant_id}:{row.id}"


class SealedSecrets:
    """Both secrets of every address, for a rotation of the installation's keys."""

    columns = (
        SealedColumn(WebhookEndpoint.sealed, seal_context),
        SealedColumn(WebhookEndpoint.sealed_before, seal_context),
    )

    async def count_old(self, session: AsyncSession, keyring: Keyring) -> int:
        """Return how many are sealed with an older key."""
        return sum([await column.count_old(session, keyring) for column in self.columns])

    async def reseal(self, session: AsyncSession, keyring: Keyring) -> int:
        """Seal a batch anew and return how many."""
        return sum([await column.reseal(session, keyring) for column in self.columns])


def open_secrets(session: AsyncSession, row: WebhookEndpoint, *, now: datetime) -> list[bytes]:
    """Return the secrets that sign now, the newest first; two for a day after a rotation."""
    keyring, context = resources_of(session).get(Keyring), seal_context(row)
    found = [keyring.unseal(row.sealed, context=context)]
    if row.sealed_before is not None and row.before_until is not None and now < row.before_until:
        found.append(keyring.unseal(row.sealed_before, context=context))
    return found


def write_secret(session: AsyncSession, row: WebhookEndpoint, *, now: datetime) -> str:
    """Return the newest secret as its reader types it; shown when it is made and never again."""
    return SECRET_PREFIX + b64encode(open_secrets(session, row, now=now)[0]).decode()


def check_url(url: str) -> str:
    """Return the host of an address that we may open; raises Invalid. Its name is looked up with each delivery."""
    try:
        host = parse_target(url).host
    except AddressRefused:
        raise _refused(
            "url", _("This must begin with https://, name a host, and use the port 443 or 8443.")
        ) from None
    try:
        ipaddress.ip_address(host)
    except ValueError:
        is_inside = host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    else:
        is_inside = not is_public(host)
    if is_inside:
        raise _refused(
            "url", _("This leads into a private network. Only addresses of the internet are told.")
        )
    return host


def _refused(name: str, words: str) -> Invalid:
    return Invalid(extra={"fields": {name: words}})


def _check_events(names: tuple[str, ...]) -> list[str]:
    found = known_events(names)
    if not found or set(names) - set(found):
        raise _refused("events", _("Choose at least one of the listed events."))
    return found


async def create_endpoint(
    session: AsyncSession, principal: Principal, draft: Draft, *, now: datetime
) -> WebhookEndpoint:
    """Make an address with a secret of its own; raises Invalid."""
    host, events = check_url(draft.url), _check_events(draft.events)
    merchant_id = principal.merchant_id
    await session.execute(_ONE_AT_A_TIME, {"id": merchant_id})
    there = select(func.count()).where(
        WebhookEndpoint.merchant_id == merchant_id, WebhookEndpoint.removed_at.is_(None)
    )
    if (await session.scalar(there) or 0) >= ENDPOINTS_MAX:
        raise _refused("url", _("There are as many addresses as there may be. Remove one first."))
    row = WebhookEndpoint(
        merchant_id=merchant_id,
        id=new_id(),
        url=draft.url,
        about=draft.about,
        events=events,
        is_on=True,
        off_reason="",
        failures=0,
        created_at=now,
    )
    _seal_fresh(session, row)
    session.add(row)
    facts = {"host": host, "events": events}
    await _written(session, principal, row, "created", facts=facts, now=now)
    return row


def _seal_fresh(session: AsyncSession, row: WebhookEndpoint) -> None:
    keyring = resources_of(session).get(Keyring)
    row.sealed = keyring.seal(secrets.token_bytes(SECRET_BYTES), context=seal_context(row))


async def list_endpoints(session: AsyncSession, merchant_id: UUID) -> list[WebhookEndpoint]:
    """Return the merchant's addresses, oldest first; none that was taken away."""
    rows = await session.scalars(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.merchant_id == merchant_id, WebhookEndpoint.removed_at.is_(None))
        .order_by(WebhookEndpoint.id)
    )
    return list(rows)


async def get_endpoint(
    session: AsyncSession, merchant_id: UUID, endpoint_id: UUID, *, lock: bool = False
) -> WebhookEndpoint:
    """Return an address of this merchant; raises NotFound."""
    row = await session.get(
        WebhookEndpoint,
        (merchant_id, endpoint_id),
        with_for_update={"key_share": True} if lock else None,
        populate_existing=True,
    )
    if row is None or row.removed_at is not None:
        raise NotFound("webhook endpoint")
    return row


async def change_endpoint(
    session: AsyncSession, principal: Principal, endpoint_id: UUID, draft: Draft, *, now: datetime
) -> WebhookEndpoint:
    """Change where and what is told; raises NotFound and Invalid."""
    row = await get_endpoint(session, principal.merchant_id, endpoint_id, lock=True)
    host, events = check_url(draft.url), _check_events(draft.events)
    if row.url != draft.url:
        _forgive(row)
    row.url, row.about, row.events = draft.url, draft.about, events
    facts = {"host": host, "events": events}
    await _written(session, principal, row, "changed", facts=facts, now=now)
    return row


async def switch_endpoint(
    session: AsyncSession, principal: Principal, endpoint_id: UUID, *, is_on: bool, now: datetime
) -> WebhookEndpoint:
    """Switch an address on or off; what waits for one that is off has failed and can be sent again later."""
    row = await get_endpoint(session, principal.merchant_id, endpoint_id, lock=True)
    if row.is_on == is_on:
        return row
    if is_on:
        row.is_on, row.off_reason = True, ""
        _forgive(row)
        await _written(session, principal, row, "switched_on", now=now)
    else:
        await turn_off(session, principal, row, reason="member", now=now)
    return row


async def turn_off(
    session: AsyncSession, principal: Principal, row: WebhookEndpoint, *, reason: str, now: datetime
) -> None:
    """Tell an address nothing any more. reason: member, gone or failing."""
    row.is_on, row.off_reason, row.retry_at = False, reason, None
    await stop_waiting(session, row.merchant_id, row.id, now=now)
    await _written(session, principal, row, "switched_off", facts={"reason": reason}, now=now)


async def stop_waiting(session: AsyncSession, merchant_id: UUID, endpoint_id: UUID, *, now: datetime) -> None:
    """End what waits for an address that is off."""
    await session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.merchant_id == merchant_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.status == "waiting",
        )
        .values(status="failed", error="off", finished_at=now)
    )


async def rotate_secret(
    session: AsyncSession, principal: Principal, endpoint_id: UUID, *, now: datetime
) -> WebhookEndpoint:
    """Make a new secret; the one before signs beside it for a day, and an even older one no more."""
    row = await get_endpoint(session, principal.merchant_id, endpoint_id, lock=True)
    row.sealed_before, row.before_until = row.sealed, now + ROTATION
    _seal_fresh(session, row)
    await _written(session, principal, row, "secret_changed", now=now)
    return row


async def forget_secrets(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> None:
    """Forget the secrets that sign no more."""
    await session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.merchant_id == merchant_id, WebhookEndpoint.before_until <= now)
        .values(sealed_before=None, before_until=None)
    )


async def delete_endpoint(
    session: AsyncSession, principal: Principal, endpoint_id: UUID, *, now: datetime
) -> None:
    """Take an address away with its log; raises NotFound."""
    row = await get_endpoint(session, principal.merchant_id, endpoint_id, lock=True)
    row.is_on, row.removed_at = False, now
    await _forget_log(session, row)
    await _written(session, principal, row, "removed", facts={"host": check_url(row.url)}, now=now)


async def forget_removed(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> None:
    """Delete the addresses that were taken away long enough ago, with what was written for them until then."""
    rows = await session.scalars(
        select(WebhookEndpoint).where(
            WebhookEndpoint.merchant_id == merchant_id, WebhookEndpoint.removed_at < now - REMOVED_KEPT
        )
    )
    for row in rows.all():
        await _forget_log(session, row)
        await session.delete(row)
    await session.flush()


async def _forget_log(session: AsyncSession, row: WebhookEndpoint) -> None:
    own = (WebhookDelivery.merchant_id == row.merchant_id, WebhookDelivery.endpoint_id == row.id)
    await session.execute(
        delete(WebhookAttempt).where(
            WebhookAttempt.merchant_id == row.merchant_id,
            WebhookAttempt.delivery_id.in_(select(WebhookDelivery.id).where(*own)),
        )
    )
    await session.execute(delete(WebhookDelivery).where(*own))


def _forgive(row: WebhookEndpoint) -> None:
    row.failures, row.failing_since, row.retry_at = 0, None, None


async def _written(  # noqa: PLR0913 (the parts of an audit entry)
    session: AsyncSession,
    principal: Principal,
    row: WebhookEndpoint,
    what: str,
    *,
    now: datetime,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Let the next visit know what is wanted, and note who did it."""
    await record_audit(
        session, principal, action=f"webhook.{what}", target_kind="webhook", target_id=row.id, now=now,
        facts=facts,
    )  # fmt: skip
    await session.flush()
    await session.execute(_ONE_AT_A_TIME, {"id": row.merchant_id})
    # Columns, as rows of the session may be older than the lock.
    those_on = select(WebhookEndpoint.events).where(
        WebhookEndpoint.merchant_id == row.merchant_id,
        WebhookEndpoint.is_on,
        WebhookEndpoint.removed_at.is_(None),
    )
    wanted = {name for events in await session.scalars(those_on) for name in events}
    rules = {"events": known_events(tuple(wanted))} if wanted else {}
    await set_feature_rules(session, row.merchant_id, FEATURE, rules)
