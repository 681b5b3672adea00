"""API keys for integrations: scoped, shown once, stored as a hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Permission, Principal
from app.kernel.registry import Registry
from app.modules.accounts.models import ApiKey
from app.modules.accounts.rules import SEEN_EVERY
from app.utils.id_generator import new_id
from app.utils.security import Keyring, b64, hash_token, same

KEY_PREFIX = "sk_"
KEYS_ACTIVE_MAX = 50
KEYS_LISTED_MAX = 500


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key says about itself before anything is checked."""

    merchant_id: UUID
    key_id: UUID
    secret: str


def list_scopes(session: AsyncSession) -> list[Permission]:
    """Return the permissions that an API key can be given."""
    registry = resources_of(session).get(Registry)
    return [permission for permission in registry.permissions().values() if permission.api_scope]


def write_key(keyring: Keyring, merchant_id: UUID, key_id: UUID) -> str:
    """Return the whole key. Its secret is derived, so that a repeated request can show it again unstored."""
    secret = b64(keyring.mac("token", "api-key", merchant_id, key_id))
    return f"{KEY_PREFIX}{merchant_id.hex}_{key_id.hex}_{secret}"


def parse_key(value: str) -> KeyParts | None:
    """Return the parts of a key, or None where it cannot be one."""
    parts = value.removeprefix(KEY_PREFIX).split("_", 2)
    if not value.startswith(KEY_PREFIX) or len(parts) != 3:
        return None
    try:
        return KeyParts(UUID(hex=parts[0]), UUID(hex=parts[1]), parts[2])
    except ValueError:
        return None


async def create_api_key(
    session: AsyncSession, principal: Principal, *, name: str, scopes: frozenset[str], now: datetime
) -> ApiKey:
    """Make a key with scopes that exist and that its maker holds; raises Invalid."""
    known = {permission.name for permission in list_scopes(session)}
    if not scopes or not scopes <= known & principal.scopes:
        raise Invalid(extra={"fields": {"scopes": _("Choose at least one of the listed scopes.")}})
    active = [key for key in await list_api_keys(session, principal.merchant_id) if key.revoked_at is None]
    if len(active) >= KEYS_ACTIVE_MAX:
        raise Invalid(extra={"fields": {"name": _("There are too many keys; revoke one first.")}})
    key_id = new_id()
    parts = parse_key(write_key(resources_of(session).get(Keyring), principal.merchant_id, key_id))
    assert parts is not None
    key = ApiKey(
        merchant_id=principal.merchant_id,
        id=key_id,
        name=name,
        secret_hash=hash_token(parts.secret),
        scopes=sorted(scopes),
        created_at=now,
        last_used_at=None,
        revoked_at=None,
    )
    session.add(key)
    await record_audit(
        session,
        principal,
        action="api_key.created",
        target_kind="api_key",
        target_id=key_id,
        now=now,
        facts={"scopes": sorted(scopes)},
    )
    return key


async def list_api_keys(session: AsyncSession, merchant_id: UUID) -> list[ApiKey]:
    """Return the merchant's keys, usable ones first, newest first."""
    rows = await session.execute(
        select(ApiKey)
        .where(ApiKey.merchant_id == merchant_id)
        .order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())
        .limit(KEYS_LISTED_MAX)
    )
    return list(rows.scalars())


async def revoke_api_key(session: AsyncSession, principal: Principal, key_id: UUID, *, now: datetime) -> None:
    """End a key at once; revoking it again changes nothing. Raises NotFound."""
    row = (
        await session.execute(
            select(ApiKey)
            .where(ApiKey.merchant_id == principal.merchant_id, ApiKey.id == key_id)
            .with_for_update()
        )
    ).scalar_one_or_none()
    if row is None:
        raise NotFound("api key")
    if row.revoked_at is not None:
        return
    await session.execute(
        update(ApiKey)
        .where(ApiKey.merchant_id == row.merchant_id, ApiKey.id == key_id)
        .values(revoked_at=now)
    )
    await record_audit(
        session, principal, action="api_key.revoked", target_kind="api_key", target_id=key_id, now=now
    )


async def find_usable_key(session: AsyncSession, parts: KeyParts, *, now: datetime) -> ApiKey | None:
    """Return the key if its secret is right and it was not revoked; the tenant is bound already."""
    row = (
        await session.execute(
            select(ApiKey).where(ApiKey.merchant_id == parts.merchant_id, ApiKey.id == parts.key_id)
        )
    ).scalar_one_or_none()
    if row is None or not same(row.secret_hash, hash_token(parts.secret)) or row.revoked_at is not None:
        return None
    if row.last_used_at is None or now - row.last_used_at >= SEEN_EVERY:
        await session.execute(_USED, {"merchant_id": row.merchant_id, "id": row.id, "now": now})
    return row


# Requests of one key run side by side: whoever finds the row locked leaves it to the other.
_USED = text(
    """UPDATE api_key SET last_used_at = :now WHERE (merchant_id, id) IN (
        SELECT merchant_id, id FROM api_key WHERE merchant_id = :merchant_id AND id = :id
        FOR NO KEY UPDATE SKIP LOCKED)"""
)
