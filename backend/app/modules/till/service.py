"""What the staff pages ask of the other modules: the card in front of them, and one action on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.points import TILL_PANEL, Panel, TillContext
from app.modules.cards.public import CardRef, card_token, create_card, find_card, get_card
from app.modules.customers.public import CustomerDetails
from app.modules.merchants.public import get_merchant
from app.modules.rewards.public import (
    VOID_WINDOW,
    RedeemCommand,
    RedeemGranted,
    VoidCommand,
    VoidGranted,
    is_manager,
    redeem_reward,
    void_redemption,
)
from app.modules.staff.public import DeviceSession, StaffRef
from app.modules.stores.public import StoreView, get_store
from app.modules.till.queries import LastEvent, find_last_event
from app.modules.visits.public import (
    AwardCommand,
    AwardGranted,
    TenderOffer,
    award_visit,
    list_tenders,
    void_visit,
)
from app.modules.wallets.public import CardView, card_view
from app.utils.security import Keyring

ROUTE = "device"
SOURCE = "staff_device"


@dataclass(frozen=True, slots=True)
class Till:
    """A device with an open shift, and its store."""

    device: DeviceSession
    store: StoreView
    staff: StaffRef


@dataclass(frozen=True, slots=True)
class TillCard:
    """The card in front of the staff. undo: what they may take back now. tenders: how the card itself can pay."""

    view: CardView
    undo: LastEvent | None
    tenders: Sequence[TenderOffer] = ()
    panels: Sequence[Panel] = ()


async def open_till(session: AsyncSession, device: DeviceSession) -> Till | None:
    """Return the device's till, or None while no shift is open."""
    if device.staff is None:
        return None
    return Till(device, await get_store(session, device.store), device.staff)


async def find_till_card(session: AsyncSession, till: Till, text: str, *, now: datetime) -> TillCard:
    """Return the card that was scanned or typed; raises NotFound for one that does not work in this store."""
    card = await find_card(session, till.store.merchant_id, text)
    if card is None or card.program_id != till.store.program.id:
        raise NotFound("card")
    view = await card_view(session, card.merchant_id, card.id, locale=current().language, now=now)
    undo = await _find_undo(session, till, card, now=now)
    modules_on = (await get_merchant(session, card.merchant_id)).modules_on
    tenders = await list_tenders(session, card.merchant_id, card.id, modules_on=modules_on, now=now)
    place = TillContext(session, card.merchant_id, till.store.id, card.id, now, modules_on)
    return TillCard(view, undo, tenders, await TILL_PANEL.gather(place))


async def _find_undo(session: AsyncSession, till: Till, card: CardRef, *, now: datetime) -> LastEvent | None:
    event = await find_last_event(session, card.merchant_id, card.id)
    if event is None or event.store_id != till.store.id:
        return None
    return event if now - event.at <= VOID_WINDOW or is_manager(till.staff) else None


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for at the device. address and key: of the request. tenders: what the card itself pays."""

    card: str
    address: str
    key: str | None
    tenders: Mapping[str, Decimal] = field(default_factory=dict)


async def give_visit(
    session: AsyncSession, till: Till, ask: Ask, *, quantity: int, amount: object, now: datetime
) -> AwardGranted | Refusal:
    """Give stamps or points; raises NotFound."""
    command = AwardCommand(
        card=ask.card,
        quantity=quantity,
        amount=amount,  # type: ignore[arg-type]
        route=ROUTE,
        address=ask.address,
        source=SOURCE,
        staff=till.staff,
        idempotency_key=ask.key,
        tenders=ask.tenders,
    )
    return await award_visit(session, till.device.store, command, now=now)


async def give_reward(
    session: AsyncSession, till: Till, ask: Ask, *, reward_id: UUID, now: datetime
) -> RedeemGranted | Refusal:
    """Give a reward out; raises NotFound."""
    command = RedeemCommand(
        ask.card, reward_id, address=ask.address, source=SOURCE, staff=till.staff, idempotency_key=ask.key
    )
    return await redeem_reward(session, till.device.store, command, now=now)


async def take_back(
    session: AsyncSession, till: Till, *, kind: str, target_id: UUID, reason: str, now: datetime
) -> VoidGranted | Refusal:
    """Take a visit or a redemption back; raises NotFound."""
    command = VoidCommand(target_id, reason or _("Undone at the till"), staff=till.staff)
    undo = void_visit if kind == "visit" else void_redemption
    return await undo(session, till.device.store, command, now=now)


@dataclass(frozen=True, slots=True)
class HandedCard:
    """A card to be handed over. url: the signed link that opens it on the customer's phone."""

    card: CardRef
    url: str


async def start_card(session: AsyncSession, till: Till, *, name: str | None, now: datetime) -> HandedCard:
    """Start a card for a customer whose phone is not at hand."""
    details = CustomerDetails(name=name, locale=current().language)
    made = await create_card(session, till.store, details, now=now, source=SOURCE)
    return hand_over(session, made.card)


async def get_handed_card(session: AsyncSession, till: Till, pass_id: UUID) -> HandedCard:
    """Return a card of this store's programme for handing over; raises NotFound."""
    card = await get_card(session, till.store.merchant_id, pass_id)
    if card.program_id != till.store.program.id or card.status != "active":
        raise NotFound("card")
    return hand_over(session, card)


def hand_over(session: AsyncSession, card: CardRef) -> HandedCard:
    """Return the card with its signed link."""
    resources = resources_of(session)
    base = resources.get(Settings).public_url.rstrip("/")
    return HandedCard(card, f"{base}/card/{card.id}?t={card_token(resources.get(Keyring), card)}")
