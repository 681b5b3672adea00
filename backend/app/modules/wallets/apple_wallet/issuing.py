"""Issues a card's pass: gives the card its serial number once, reads its views, builds and signs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.lookup import add_lookup, find_lookup
from app.db.session import set_tenant
from app.kernel.adapters import resources_of
from app.kernel.errors import AppError
from app.kernel.i18n import LANGUAGES
from app.modules.cards.public import PassObject, card_token, get_card_row
from app.modules.customers.public import get_customer
from app.modules.wallets.apple_wallet.credentials import check_dates, find_identity, find_identity_for
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.generator import PassOrder, build_pass
from app.modules.wallets.apple_wallet.identity import Identity
from app.modules.wallets.apple_wallet.tokens import KEY, pass_token
from app.modules.wallets.logos import find_logo
from app.modules.wallets.own_icons import learn_ground, learn_icon
from app.modules.wallets.view import card_views
from app.utils.security import Keyring

LOOKUP = "apple_serial"
SERVICE_PATH = "/apple/updates"


@dataclass(frozen=True, slots=True)
class IssuedPass:
    """A signed pass and the moment of the card's last change."""

    data: bytes
    changed_at: datetime


async def usable_identity(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> Identity:
    """Return what signs the merchant's passes; raises AppError wallet_unavailable with the reason's code."""
    try:
        identity = await find_identity(session, merchant_id, now=now)
    except IdentityFault as fault:
        raise AppError(code="wallet_unavailable", extra={"reason": fault.code}) from fault
    if identity is None:
        raise AppError(code="wallet_unavailable", extra={"reason": "not_configured"})
    return identity


async def find_issuer(
    session: AsyncSession, merchant_id: UUID, *, pass_type: str, now: datetime
) -> Identity | None:
    """Return what signs passes of a type for the merchant, expired or not; None for a foreign type."""
    try:
        return await find_identity_for(session, merchant_id, pass_type=pass_type, now=now)
    except IdentityFault as fault:
        raise AppError(code="wallet_unavailable", extra={"reason": fault.code}) from fault


async def issue_pass(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime, issuer: Identity | None = None
) -> IssuedPass:
    """Return the card's pass as it is now; raises AppError wallet_unavailable.

    issuer: what signed the pass that is on the phone; None for a new pass.
    """
    if issuer is None:
        identity = await usable_identity(session, merchant_id, now=now)
    else:
        identity = _still_valid(issuer, now)
    card = await get_card_row(session, merchant_id, pass_id)
    await _give_serial(session, card)
    order = await _order(session, card, identity, now=now)
    return IssuedPass(await asyncio.to_thread(build_pass, order), card.changed_at)


def _still_valid(identity: Identity, now: datetime) -> Identity:
    try:
        check_dates(identity, now)
    except IdentityFault as fault:
        raise AppError(code="wallet_unavailable", extra={"reason": fault.code}) from fault
    return identity


async def _order(session: AsyncSession, card: PassObject, identity: Identity, *, now: datetime) -> PassOrder:
    settings, keyring = resources_of(session).get(Settings), resources_of(session).get(Keyring)
    base_url = settings.public_url.rstrip("/")
    holder = await get_customer(session, card.merchant_id, card.customer_id)
    views = await card_views(session, card.merchant_id, card.id, locales=LANGUAGES, now=now)
    base = holder.locale if holder.locale in views else next(iter(views))
    icon = await learn_icon(session, card.merchant_id, views[base].icon)
    ground = await learn_ground(session, card.merchant_id, views[base].colors.ground)
    if (icon, ground) != (views[base].icon, views[base].colors.ground):
        colors = replace(views[base].colors, ground=ground)
        views = {locale: replace(view, icon=icon, colors=colors) for locale, view in views.items()}
    assert card.apple_serial is not None
    assert card.apple_auth_token is not None
    version = int(card.apple_auth_token)
    return PassOrder(
        identity=identity,
        serial=card.apple_serial,
        token=pass_token(keyring, card.merchant_id, card.id, version=version),
        service_url=base_url + SERVICE_PATH,
        card_url=f"{base_url}/card/{card.id}?t={card_token(keyring, card)}",
        views=views,
        base=base,
        now=now,
        logo=await find_logo(session, card.merchant_id, views[base].logo_url) or b"",
    )


async def _give_serial(session: AsyncSession, card: PassObject) -> None:
    """Name the card to Apple, once for ever: serial and token must never change on a phone.

    apple_auth_token keeps the version of the key only; the token itself is derived.
    """
    if card.apple_serial is not None:
        return
    keyring = resources_of(session).get(Keyring)
    card.apple_serial = str(card.id)
    card.apple_auth_token = str(keyring.newest(KEY))
    await session.flush()
    await add_lookup(session, LOOKUP, card.apple_serial, merchant_id=card.merchant_id, target_id=card.id)


async def find_by_serial(session: AsyncSession, serial: str) -> PassObject | None:
    """Return the card with this serial number and bind the transaction to its merchant, or None."""
    found = await find_lookup(session, LOOKUP, serial)
    if found is None:
        return None
    merchant_id, pass_id = found
    await set_tenant(session, merchant_id)
    card: PassObject | None = await session.scalar(
        select(PassObject).where(PassObject.merchant_id == merchant_id, PassObject.id == pass_id)
    )
    return card


def http_date(moment: datetime) -> str:
    """Return an HTTP date, of whole seconds."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def is_unchanged(header: str | None, changed_at: datetime) -> bool:
    """Tell whether If-Modified-Since is as new as the card; a date that cannot be read says nothing."""
    if not header:
        return False
    try:
        since = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return False
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    return changed_at.replace(microsecond=0) <= since
