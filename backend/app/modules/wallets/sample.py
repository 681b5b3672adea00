"""A card that nobody holds, about half way: for pictures of how a programme's cards look, before or after a change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import Translator, use_language
from app.modules.cards.public import PassObject
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import ProgramView, list_program_stores
from app.modules.wallets.google_wallet.images import (
    ground_picture,
    hero_picture,
    logo_picture,
    picture_token,
    strip_picture,
)
from app.modules.wallets.hooks import PassField
from app.modules.wallets.queries import list_reward_rows
from app.modules.wallets.rules import CardBalances, show_rewards
from app.modules.wallets.view import CardView, Parts, assemble
from app.utils.security import Keyring

SAMPLE_NUMBER = "STEMPEL2SAMPLE42"
SAMPLE_POINTS = 63


@dataclass(frozen=True, slots=True)
class SampleCard:
    """A made-up card and where its pictures are drawn for the wallets."""

    view: CardView
    strip_url: str
    hero_url: str
    logo_url: str
    ground_token: str


async def sample_card(
    session: AsyncSession,
    program: ProgramView,
    *,
    locale: str,
    now: datetime,
    holder: str = "",
) -> SampleCard:
    """Return a card of the programme as it is given, saved or not."""
    merchant = await get_merchant(session, program.merchant_id)
    stores = await list_program_stores(session, program.merchant_id, program.id)
    card = _card(program, now)
    balances = CardBalances(card.stamp_count, card.points_balance)
    rewards = show_rewards(balances, await list_reward_rows(session, program.merchant_id, program.id))
    parts = Parts(card, holder, merchant, program, tuple(stores), rewards, ())
    with use_language(locale) as speak:
        view = assemble(parts, tuple(_fields(program, card, speak)), speak)
    keyring = resources_of(session).get(Keyring)
    base = resources_of(session).get(Settings).public_url.rstrip("/")
    tokens = [picture_token(keyring, draw(view)) for draw in (strip_picture, hero_picture, logo_picture)]
    # The page's own addresses: it may be open under another name than the public one.
    strip, hero, logo = (f"/wallet-pictures/{token}.png" for token in tokens)
    own_logo = view.logo_url.removeprefix(base) if view.logo_url else None
    ground = picture_token(keyring, ground_picture(view.colors)) if view.colors.ground else ""
    return SampleCard(view, strip, hero, own_logo or logo, ground)


def _card(program: ProgramView, now: datetime) -> PassObject:
    """Return a card that is in no table."""
    nobody = UUID(int=0)
    return PassObject(
        id=nobody,
        merchant_id=program.merchant_id,
        program_id=program.id,
        store_id=nobody,
        customer_id=nobody,
        card_number=SAMPLE_NUMBER,
        stamp_count=0 if program.loyalty_type == "points" else max(1, program.stamps_needed * 6 // 10),
        points_balance=0 if program.loyalty_type == "stamps" else SAMPLE_POINTS,
        reward_unlocked=False,
        status="active",
        revision=1,
        update_tag=0,
        changed_at=now,
        last_visit_at=now,
    )


def _fields(program: ProgramView, card: PassObject, speak: Translator) -> list[PassField]:
    fields: list[PassField] = []
    if program.loyalty_type != "points":
        text = f"{speak.format_number(card.stamp_count)} / {speak.format_number(program.stamps_needed)}"
        fields.append(PassField("stamps", speak.gettext("Stamps"), text, place="header", order=10))
    if program.loyalty_type != "stamps":
        place = "header" if program.loyalty_type == "points" else "secondary"
        fields.append(
            PassField("points", speak.gettext("Points"), card.points_balance, place=place, order=20)
        )
    return fields
