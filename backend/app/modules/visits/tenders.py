"""Paying a part of a purchase with what the card holds: weighed under the card's lock, taken with the visit's write.

What is held and how it is spent is the offering feature's (TENDER); this is the part that is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import gettext as _
from app.kernel.money import to_minor
from app.kernel.outcomes import Refusal
from app.modules.rewards.public import TENDER, TenderSpending
from app.modules.visits.hooks import EarnContext
from app.modules.visits.rules import ExplanationLine, VisitGranted
from app.modules.visits.statements import AwardRows, LoadedAward
from app.utils.validators import parse_amount, typed_amount

# A purchase is paid in so many ways from the card at most.
TENDERS_MAX = 3
FIELD = "tender."


@dataclass(frozen=True, slots=True)
class TenderOffer:
    """A way to pay with this card now. title: in the language in effect. field: the input's name in a till's form."""

    key: str
    title: str
    available_minor: int

    @property
    def field(self) -> str:
        """Return the name of the input that read_tenders knows."""
        return FIELD + self.key


async def list_tenders(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, modules_on: frozenset[str], now: datetime
) -> list[TenderOffer]:
    """Return the ways to pay with the card in which it holds something."""
    offers = []
    for key, tender in TENDER.items():
        if tender.feature in modules_on:
            held = await tender.available(session, merchant_id=merchant_id, pass_id=pass_id, now=now)
            offers += [TenderOffer(key, _(tender.title), held)] if held > 0 else []
    return offers


def name_tenders(modules_on: frozenset[str]) -> list[TenderOffer]:
    """Return the ways to pay in use, without a word on whether a card holds anything."""
    return [
        TenderOffer(key, _(tender.title), 0) for key, tender in TENDER.items() if tender.feature in modules_on
    ]


def read_tenders(form: Mapping[str, object]) -> dict[str, Decimal]:
    """Return what a till's form wants to be paid from the card, by tender; raises ValueError for no amount."""
    typed = {
        name.removeprefix(FIELD): str(value).strip() for name, value in form.items() if name.startswith(FIELD)
    }
    return {key: parse_amount(typed_amount(text)) for key, text in typed.items() if text}


async def weigh_tenders(
    session: AsyncSession,
    merchant_id: UUID,
    loaded: LoadedAward,
    *,
    wanted: Mapping[str, Decimal],
    amount: Decimal | None,
    now: datetime,
) -> dict[str, int] | Refusal:
    """Decide what is paid from the locked card, in minor units. Refusals: invalid, credit_short."""
    parts: dict[str, int] = {}
    for key, part in wanted.items():
        tender = TENDER.find(key)
        if tender is None or tender.feature not in loaded.modules_on:
            return Refusal("invalid")
        try:
            parts[key] = to_minor(part, loaded.currency)
        except ValueError:
            return Refusal("invalid")
        held = await tender.available(session, merchant_id=merchant_id, pass_id=loaded.pass_id, now=now)
        if parts[key] > held:
            return Refusal("credit_short", extra={"available_minor": held})
    return Refusal("invalid") if _is_too_much(parts, amount, loaded.currency) else parts


def _is_too_much(parts: Mapping[str, int], amount: Decimal | None, currency: str) -> bool:
    if not parts:
        return False
    try:
        return len(parts) > TENDERS_MAX or sum(parts.values()) > to_minor(amount or Decimal(0), currency)
    except ValueError:
        return True


def with_tenders(granted: VisitGranted, parts: Mapping[str, int]) -> VisitGranted:
    """Return what is given with a line for each part that the card pays."""
    lines = tuple(ExplanationLine(FIELD + key, Decimal(0), "", -part) for key, part in parts.items())
    return replace(granted, lines=(*granted.lines, *lines))


async def spend_tenders(
    session: AsyncSession, context: EarnContext, rows: AwardRows, *, parts: Mapping[str, int]
) -> None:
    """Take each part, after the visit was written; what was weighed under the lock is there."""
    for key, part in parts.items():
        spending = TenderSpending(
            session=session,
            merchant_id=context.merchant_id,
            store_id=context.store_id,
            pass_id=context.pass_id,
            visit_id=rows.visit_id,
            staff_id=rows.staff_id,
            amount_minor=part,
            currency=rows.currency,
            now=context.now,
        )
        await TENDER.get(key).spend(spending)
