"""How a card gets to Google Wallet: the link of POST /passes/create, and a tap on the button."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.session import Database, tenant_scope
from app.kernel.adapters import Resources, resources_of
from app.kernel.errors import AppError, Unavailable
from app.kernel.i18n import current
from app.kernel.jobs import GiveUp, TryAgain
from app.kernel.observability import get_logger
from app.kernel.points import CardContext, Panel
from app.kernel.web.devices import Device, current_device
from app.modules.cards.public import CardRef, SaveLinkContext
from app.modules.wallets.google_wallet.accounts import GoogleAccount, find_account
from app.modules.wallets.google_wallet.bodies import BodyMaker
from app.modules.wallets.google_wallet.output import sync_card
from app.modules.wallets.google_wallet.rules import class_id, object_id
from app.modules.wallets.google_wallet.save_link import LinkTooLong, make_jwt, save_url, skinny_jwt
from app.modules.wallets.google_wallet.store import expect_object, find_object, want_object
from app.modules.wallets.marks import mark_changed
from app.modules.wallets.queries import find_card_with_holder
from app.modules.wallets.view import card_view
from app.utils.id_generator import id_time
from app.utils.security import Keyring

TAP_SECONDS_MAX = 12.0
BUTTON_LANGUAGES = frozenset({"en", "fr", "de"})
# What a fat link carries: enough to use the pass at the till; the rest follows by PATCH.
FAT_FIELDS = ("id", "classId", "state", "accountId", "barcode", "loyaltyPoints", "secondaryLoyaltyPoints")

log = get_logger("stempel.google_wallet")


async def save_link(context: SaveLinkContext) -> list[str]:
    """Contribute the link for a fresh card. No call is made: the refresh job inserts the object meanwhile."""
    session, merchant_id, pass_id = context.session, context.merchant_id, context.pass_id
    account = await find_account(session, merchant_id)
    if account is None:
        return []
    ids = _ids(account, merchant_id, context.program_id, pass_id)
    await expect_object(session, merchant_id, pass_id, object_id=ids["object_id"])
    await mark_changed(session, merchant_id, pass_id)
    if account.is_stand_in:
        base = resources_of(session).get(Settings).public_url.rstrip("/")
        return [f"{base}/passes/google/{pass_id}?t={context.token}"]
    # An RSA signature takes about a millisecond.
    # Dated by the card, so that a repeat with the same key gets the same answer.
    return [save_url(skinny_jwt(account, **ids, now=id_time(pass_id)))]


def _ids(account: GoogleAccount, merchant_id: UUID, program_id: UUID, pass_id: UUID) -> dict[str, str]:
    return {
        "object_id": object_id(account.issuer_id, merchant_id, pass_id),
        "class_id": class_id(account.issuer_id, merchant_id, program_id),
    }


async def card_block(context: CardContext) -> list[Panel]:
    """Contribute the button to the card's page where Google Wallet is set up; an iPhone has none."""
    if current_device() is Device.IPHONE:
        return []
    account = await find_account(context.session, context.merchant_id)
    if account is None:
        return []
    language = current().language
    values: dict[str, Any] = {
        "pass_id": context.pass_id,
        "is_stand_in": account.is_stand_in,
        # Google draws its button; where it has none for a language, it wants the English one.
        "button": language if language in BUTTON_LANGUAGES else "en",
    }
    return [Panel("Google Wallet", "wallets/google_button.html", values, order=20)]


@dataclass(frozen=True)
class Tapped:
    """Where the browser goes after a tap. is_stand_in: to our own picture of the pass."""

    url: str
    is_stand_in: bool = False


async def tap(resources: Resources, card: CardRef, *, now: datetime) -> Tapped:
    """Bring the object to Google and return where it is saved; opens its own short transactions.

    Raises AppError wallet_unavailable where nothing is set up, and Unavailable where Google cannot be reached.
    """
    database = resources.get(Database)
    async with tenant_scope(database, card.merchant_id) as session:
        account = await find_account(session, card.merchant_id)
        if account is None:
            raise AppError(code="wallet_unavailable")
        ids = _ids(account, card.merchant_id, card.program_id, card.id)
        await want_object(session, card.merchant_id, card.id, object_id=ids["object_id"], now=now)
        # Should this try fail, the job goes on.
        await mark_changed(session, card.merchant_id, card.id)
    try:
        async with asyncio.timeout(TAP_SECONDS_MAX):
            await sync_card(resources, card.merchant_id, card.id, now=now)
    except (TryAgain, GiveUp, TimeoutError) as error:
        log.warning("google_tap_not_synced", reason=type(error).__name__)
        async with tenant_scope(database, card.merchant_id) as session:
            row = await find_object(session, card.merchant_id, card.id)
            if row is None or not row.sent:
                return Tapped(await _fat_link(session, account, card, now=now))
    if account.is_stand_in:
        return Tapped(f"/passes/google/{card.id}/preview", is_stand_in=True)
    return Tapped(save_url(skinny_jwt(account, **ids, now=now)))


async def _fat_link(session: AsyncSession, account: GoogleAccount, card: CardRef, *, now: datetime) -> str:
    """Return a link that carries the object itself, for when REST cannot be reached; raises Unavailable."""
    found = await find_card_with_holder(session, card.merchant_id, card.id)
    if found is None or account.is_stand_in:
        raise Unavailable
    resources = resources_of(session)
    view = await card_view(session, card.merchant_id, card.id, locale="en", now=now)
    maker = BodyMaker(account, resources.get(Settings).public_url, resources.get(Keyring))
    body = maker.object_body(view)
    try:
        fat = {name: body[name] for name in FAT_FIELDS if name in body}
        return save_url(make_jwt(account, fat, now=now))
    except LinkTooLong as error:
        raise Unavailable from error
