"""Writing the messages that are due: a mail, and a line on the card beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings, save_settings
from app.modules.accounts.public import find_member
from app.modules.cards.public import card_token, get_card, list_cards_of_customer
from app.modules.customers.public import CustomerView, get_customer, purpose_of, wants
from app.modules.merchants.public import MerchantView, find_standstill, get_merchant
from app.modules.messaging.public import (
    MARKETING,
    MailTurn,
    OwnWords,
    WordingAsk,
    queue_mail,
    written_instead,
)
from app.modules.nudges.models import NudgeSlot
from app.modules.nudges.queries import Due, find_home_zone, list_due, list_zones
from app.modules.nudges.rules import ALL_KINDS, KINDS, NEWS_KINDS, REST
from app.modules.nudges.settings import NudgeSettings
from app.modules.nudges.wording import (
    Wording,
    default_wording,
    find_wordings,
    keep_wording,
    sample_facts,
)
from app.modules.rewards.public import rewards_state
from app.modules.wallets.public import send_wallet_message
from app.utils.security import Keyring

MODULE_NAME = "nudges"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be written to one customer."""

    kind: str
    wording: Wording
    once_key: str
    pass_id: UUID | None


async def quiet_end(turn: MailTurn) -> datetime | None:
    """Return until when the quiet hours of a customer's store keep a message back, or None."""
    settings = await get_settings(turn.session, NudgeSettings, merchant_id=turn.merchant_id)
    merchant = await get_merchant(turn.session, turn.merchant_id)
    zone = await find_home_zone(turn.session, merchant, turn.customer_id)
    return settings.quiet_until(turn.now, zone=zone)


async def write_due(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> int:
    """Write to everybody who is due, where it is not quiet by their store's clock; return how many were written to.

    Nobody while the shop stands still: nobody's message of the week is used up, and who is due then still is.
    """
    merchant = await get_merchant(session, merchant_id)
    if MODULE_NAME not in merchant.modules_on or await find_standstill(session, merchant_id) is not None:
        return 0
    settings = await get_settings(session, NudgeSettings, merchant_id=merchant_id)
    on = frozenset(
        kind for kind in KINDS if settings.is_on(kind) and not written_instead(kind, merchant.modules_on)
    )
    own = await find_wordings(session, merchant_id)
    zones = await list_zones(session, merchant)
    written = 0
    for zone in zones.all:
        if settings.quiet_until(now, zone=zone) is not None:
            continue
        today, asked = now.astimezone(ZoneInfo(zone)).date(), zones.only(zone)
        for due in await list_due(session, merchant_id, on=on, zone=asked, today=today, now=now):
            written += await _write_one(session, merchant, due, own=own, now=now)
    return written


async def _write_one(
    session: AsyncSession,
    merchant: MerchantView,
    due: Due,
    *,
    own: Mapping[tuple[str, str], Wording],
    now: datetime,
) -> bool:
    customer = await get_customer(session, merchant.id, due.customer_id)
    wording = own.get((due.kind, customer.locale)) or default_wording(due.kind, customer.locale)
    facts = await _facts(session, merchant, due, customer)
    if facts is None:
        return False
    letter = Letter(due.kind, wording.filled(facts), due.once_key, due.pass_id)
    return await send_letter(session, merchant, customer, letter, now=now)


async def _facts(
    session: AsyncSession, merchant: MerchantView, due: Due, customer: CustomerView
) -> dict[str, str] | None:
    """Return what the text may name; None where the card has changed its mind since."""
    with use_language(customer.locale) as speak:
        facts = {"name": customer.name or "", "shop": merchant.name}
        if due.expires_at is not None:
            facts["points"] = speak.format_number(due.points)
            facts["date"] = speak.format_date(due.expires_at, zone=merchant.time_zone)
        if due.kind in {"reward_ready", "one_away"} and due.pass_id is not None:
            states = await rewards_state(session, merchant.id, due.pass_id)
            if due.kind == "reward_ready":
                fitting = [state for state in states if state.ready]
            else:
                fitting = [
                    s for s in states if s.missing == 1 and s.reward.kind == "stamps" and s.reward.active
                ]
            if not fitting:
                return None
            reward = max(fitting, key=lambda state: state.reward.threshold).reward
            facts["reward"] = reward.title
            facts["stamps"] = speak.format_number(reward.threshold - (due.kind == "one_away"))
    return facts


async def take_slot(session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, now: datetime) -> bool:
    """Take the customer's one message of the week; False where it is taken. One statement decides."""
    row = insert(NudgeSlot).values(merchant_id=merchant_id, customer_id=customer_id, last_at=now)
    taken = row.on_conflict_do_update(
        index_elements=["merchant_id", "customer_id"],
        set_={"last_at": now},
        where=NudgeSlot.last_at <= now - REST,
    )
    return (await session.execute(taken.returning(NudgeSlot.customer_id))).one_or_none() is not None


async def slot_of(turn: MailTurn) -> bool:
    """Take the customer's message of the week for a message that another feature writes."""
    return await take_slot(turn.session, turn.merchant_id, turn.customer_id, now=turn.now)


async def send_letter(
    session: AsyncSession, merchant: MerchantView, customer: CustomerView, letter: Letter, *, now: datetime
) -> bool:
    """Queue a mail, and say it on the card where wanted; False where the week's message, or this one, was written."""
    if customer.email is None or not await take_slot(session, merchant.id, customer.id, now=now):
        return False
    cards = await list_cards_of_customer(session, merchant.id, customer.id)
    pass_id = letter.pass_id or next((card.id for card in cards if card.status == "active"), None)
    with use_language(customer.locale):
        label = _("Open my card")
    message_id = await queue_mail(
        session,
        merchant_id=merchant.id,
        recipient=customer.email,
        kind=letter.kind,
        locale=customer.locale,
        subject=letter.wording.subject,
        text=await with_card(session, merchant.id, letter.wording.text, pass_id),
        action_label=label,
        customer_id=customer.id,
        once_key=letter.once_key,
        purpose=MARKETING,
        now=now,
    )
    if message_id is None:
        return False
    purpose = purpose_of(letter.kind)
    if pass_id is not None and await wants(
        session, merchant.id, customer.id, purpose=purpose, channel="wallet"
    ):
        subject, text = letter.wording.subject, " ".join(letter.wording.text.split())
        await send_wallet_message(
            session, merchant.id, pass_id, subject, text or subject, once_key=letter.once_key, now=now
        )
    return True


async def with_card(session: AsyncSession, merchant_id: UUID, text: str, pass_id: UUID | None) -> str:
    """Return a text with the card's address as its button."""
    if pass_id is None:
        return text
    resources = resources_of(session)
    card = await get_card(session, merchant_id, pass_id)
    base = resources.get(Settings).public_url.rstrip("/")
    return f"{text}\n\n{base}/card/{card.id}?t={card_token(resources.get(Keyring), card)}"


async def change_wording(
    session: AsyncSession,
    principal: Principal,
    kind: str,
    *,
    locale: str,
    wording: Wording | None,
    now: datetime,
) -> None:
    """Keep the shop's own words for a message, or go back to ours."""
    await keep_wording(session, principal.merchant_id, kind, locale=locale, wording=wording)
    await note(session, principal, "message.text_changed", now=now, facts={"kind": kind, "locale": locale})


async def change_settings(
    session: AsyncSession, principal: Principal, settings: NudgeSettings, *, now: datetime
) -> None:
    """Keep what was set, and nothing else."""
    await save_settings(session, settings, merchant_id=principal.merchant_id)
    facts = {"fields": sorted(settings.model_fields_set)}
    await note(session, principal, "message.settings_changed", now=now, facts=facts)


async def send_test(
    session: AsyncSession, principal: Principal, wording: Wording, *, locale: str, now: datetime
) -> str | None:
    """Send a message with made-up facts to the member's own address, and return it; None where there is none."""
    member = await find_member(session, principal.merchant_id, principal.id) if principal.id else None
    if member is None:
        return None
    merchant = await get_merchant(session, principal.merchant_id)
    filled = wording.filled(sample_facts(locale, shop=merchant.name))
    with use_language(locale):
        subject = _("Test: %(subject)s", subject=filled.subject)
        label = _("Open my card")
    base = resources_of(session).get(Settings).public_url.rstrip("/")
    await queue_mail(
        session,
        merchant_id=principal.merchant_id,
        recipient=member.email,
        kind="message_test",
        locale=locale,
        subject=subject,
        text=f"{filled.text}\n\n{base}/dashboard/messages",
        action_label=label,
        now=now,
    )
    await note(session, principal, "message.tested", now=now, facts={"locale": locale})
    return member.email


async def note(
    session: AsyncSession,
    principal: Principal,
    action: str,
    *,
    now: datetime,
    facts: Mapping[str, object],
    target_id: UUID | None = None,
) -> None:
    """Leave an entry in the audit trail."""
    await record_audit(
        session, principal, action=action, target_kind="message", target_id=target_id, now=now, facts=facts
    )


async def own_words(ask: WordingAsk) -> OwnWords | None:
    """Return a shop's own words for a mail that was asked for, while it has messages switched on."""
    merchant = await get_merchant(ask.session, ask.merchant_id)
    if MODULE_NAME not in merchant.modules_on:
        return None
    wording = (await find_wordings(ask.session, ask.merchant_id)).get((ask.kind, ask.locale))
    if wording is None:
        return None
    filled = wording.filled(ask.facts)
    return OwnWords(filled.subject, filled.text)


def known_text(kind: str) -> str:
    """Return the kind where its words may be changed; raises NotFound."""
    if kind not in ALL_KINDS:
        raise NotFound("message")
    return kind


def known_kind(kind: str) -> str:
    """Return the kind where it can be switched: it goes by itself, or is news; raises NotFound."""
    if kind not in KINDS and kind not in NEWS_KINDS:
        raise NotFound("message")
    return kind
