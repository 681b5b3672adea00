"""The words of a message in a customer's language: the shop's own, or ours; as they are, and filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import gettext as _
from app.kernel.i18n import translator, use_language
from app.modules.nudges.models import NudgeText
from app.modules.nudges.rules import ALL_KINDS, fill

SAMPLE_DAY = date(2026, 12, 24)


@dataclass(frozen=True, slots=True)
class Wording:
    """Subject and text with their places. is_own: the shop wrote them."""

    subject: str
    text: str
    is_own: bool = False

    def filled(self, facts: Mapping[str, str]) -> Wording:
        """Return the words with the facts in their places."""
        return Wording(fill(self.subject, facts), fill(self.text, facts), self.is_own)


def default_wording(kind: str, locale: str) -> Wording:
    """Return our words for a message."""
    speak, known = translator(locale), ALL_KINDS[kind]
    return Wording(speak.gettext(known.subject), speak.gettext(known.text))


async def find_wordings(session: AsyncSession, merchant_id: UUID) -> dict[tuple[str, str], Wording]:
    """Return the shop's own words by kind and language."""
    rows = await session.scalars(select(NudgeText).where(NudgeText.merchant_id == merchant_id))
    return {(row.kind, row.locale): Wording(row.subject, row.text, is_own=True) for row in rows}


async def keep_wording(
    session: AsyncSession, merchant_id: UUID, kind: str, *, locale: str, wording: Wording | None
) -> None:
    """Keep the shop's own words, or go back to ours with None."""
    if wording is None:
        await session.execute(
            delete(NudgeText).where(
                NudgeText.merchant_id == merchant_id, NudgeText.kind == kind, NudgeText.locale == locale
            )
        )
        return
    words = {"subject": wording.subject, "text": wording.text}
    row = insert(NudgeText).values(merchant_id=merchant_id, kind=kind, locale=locale, **words)
    await session.execute(
        row.on_conflict_do_update(index_elements=["merchant_id", "kind", "locale"], set_=words)
    )


def sample_facts(locale: str, *, shop: str) -> dict[str, str]:
    """Return made-up facts for a preview in a language."""
    with use_language(locale) as speak:
        return {
            "name": "Anna",
            "shop": shop,
            "stamps": speak.format_number(9),
            "points": speak.format_number(1_250),
            "reward": _("A coffee on the house"),
            "date": speak.format_date(SAMPLE_DAY),
        }
