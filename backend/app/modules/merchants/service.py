"""The merchant itself: how a business comes to be, and what it may change about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.lookup import add_lookup
from app.db.session import set_tenant
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.modules.merchants.features import starting_features
from app.modules.merchants.models import Merchant
from app.modules.merchants.queries import has_visits
from app.modules.merchants.rules import slug_of
from app.utils.id_generator import new_id
from app.utils.security import Keyring

EMAIL_LOOKUP = "email"
# What lists show of a business that was closed and erased.
GONE_NAME = "–"


@dataclass(frozen=True, slots=True)
class NewMerchant:
    """What a business is made of. time_zone and currency empty: those of the installation."""

    name: str
    email: str
    password_hash: str
    locale: str = "en"
    time_zone: str = ""
    currency: str = ""


def email_key(keyring: Keyring, email: str) -> str:
    """Return the keyed form of a sign-in address, as the lookup table holds it."""
    return keyring.mac("lookup", "sign-in", email.lower()).hex()


async def create_merchant(
    session: AsyncSession, new: NewMerchant, *, now: datetime, merchant_id: UUID | None = None
) -> Merchant | None:
    """Make a merchant and bind the transaction to it; None where the e-mail signs in somewhere already."""
    resources = resources_of(session)
    settings = resources.get(Settings)
    merchant = Merchant(
        id=merchant_id or new_id(),
        name=new.name,
        email=new.email,
        password_hash=new.password_hash,
        slug=slug_of(new.name),
        locale=new.locale,
        time_zone=new.time_zone or settings.default_time_zone,
        currency=new.currency or settings.default_currency,
        branding={},
        modules_on=starting_features(session),
        owner_id=new_id(),
        owner_name="",
        created_at=now,
    )
    key = email_key(resources.get(Keyring), new.email)
    if not await add_lookup(session, EMAIL_LOOKUP, key, merchant_id=merchant.id, target_id=merchant.owner_id):
        return None
    await set_tenant(session, merchant.id)
    session.add(merchant)
    # The audit entry points at the merchant, and the rows of one flush are not ordered by that.
    await session.flush()
    await record_audit(
        session,
        Principal("system", merchant.id, None),
        action="merchant.created",
        target_kind="merchant",
        target_id=merchant.id,
        now=now,
    )
    return merchant


async def change_merchant(
    session: AsyncSession, principal: Principal, changes: dict[str, Any], *, now: datetime
) -> Merchant:
    """Change what a business says about itself (name, locale, time_zone, currency, branding)."""
    merchant = (
        await session.execute(select(Merchant).where(Merchant.id == principal.merchant_id).with_for_update())
    ).scalar_one_or_none()
    if merchant is None:
        raise NotFound("merchant")
    moved = {name: value for name, value in changes.items() if getattr(merchant, name) != value}
    if "currency" in moved and await has_visits(session, merchant.id):
        # Balances are counted in whole points, but amounts of the past would change their meaning.
        raise Invalid(extra={"fields": {"currency": _("The currency is fixed once visits were entered.")}})
    if moved:
        await session.execute(update(Merchant).where(Merchant.id == merchant.id).values(**moved))
        await record_audit(
            session,
            principal,
            action="merchant.changed",
            target_kind="merchant",
            target_id=merchant.id,
            now=now,
            facts={"fields": sorted(moved)},
        )
        await session.refresh(merchant)
    return merchant


async def forget_merchant(session: AsyncSession, merchant_id: UUID) -> None:
    """Blank what a business that is gone said about itself and its owner; its id stays, for the ledgers."""
    await session.execute(
        update(Merchant)
        .where(Merchant.id == merchant_id)
        .values(
            name=GONE_NAME,
            email=f"{merchant_id}@gone.invalid",
            password_hash="",  # noqa: S106 (no password matches an empty hash)
            slug="gone",
            branding={},
            modules_on=[],
            owner_name="",
        )
    )
