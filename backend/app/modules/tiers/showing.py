"""What cards, passes, profiles and the till show of levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.money import Money
from app.kernel.points import CardContext, PageContext, Panel, TillContext
from app.modules.cards.public import list_cards_of_customer
from app.modules.tiers.queries import list_moves
from app.modules.tiers.service import CardStanding, Ladder, card_standing
from app.modules.wallets.public import PassField

MOVES_SHOWN = 6


def counted_text(basis: str, amount: int, *, currency: str) -> str:
    """Return an amount of what counts, in words: money, points or visits."""
    if basis == "spend":
        return current().format_money(Money(amount, currency))
    number = current().format_number(amount)
    if basis == "points":
        return ngettext("%(number)s point", "%(number)s points", amount, number=number)
    return ngettext("%(number)s visit", "%(number)s visits", amount, number=number)


def ahead_text(found: CardStanding) -> str:
    """Return "€80 to Gold by 31 December", or nothing on the highest level."""
    ahead, ladder = found.ahead, found.ladder
    if ahead.next_level is None:
        return ""
    amount = counted_text(ladder.settings.basis, ahead.missing, currency=ladder.currency)
    if ahead.by is None:
        return _("%(amount)s to %(level)s", amount=amount, level=ahead.next_level.name)
    day = current().format_date(ahead.by)
    return _("%(amount)s to %(level)s by %(day)s", amount=amount, level=ahead.next_level.name, day=day)


def keep_text(found: CardStanding) -> str:
    """Return what keeps the level, or until when it is safe; nothing without a level or without an end."""
    if found.level is None or found.level.threshold == 0 or found.standing.held_until is None:
        return ""
    ahead, ladder = found.ahead, found.ladder
    day = current().format_date(found.standing.held_until)
    if not ahead.keep_missing:
        return _("%(level)s is yours until at least %(day)s.", level=found.level.name, day=day)
    amount = counted_text(ladder.settings.basis, ahead.keep_missing, currency=ladder.currency)
    return _("%(amount)s by %(day)s and you stay %(level)s.", amount=amount, day=day, level=found.level.name)


def factor_text(ladder: Ladder, level_id: object) -> str:
    """Return "1.5 times the points" for a level with more of them."""
    row = ladder.row(str(level_id))
    if row is None or row.multiplier <= 1:
        return ""
    return _("%(factor)s × points", factor=current().format_number(row.multiplier.normalize()))


@dataclass(frozen=True, slots=True)
class Rung:
    """A level on the ladder as a page draws it. at: its threshold in words, empty for everybody's."""

    name: str
    at: str
    is_held: bool
    is_reached: bool
    perks: tuple[str, ...]


def rungs(found: CardStanding) -> list[Rung]:
    """Return the ladder from the lowest to the highest level, with where the card stands."""
    ladder, held = found.ladder, found.level
    rows = [row for row in ladder.rows if row.removed_at is None or (held and row.id == held.id)]
    top = held.threshold if held else -1
    return [
        Rung(
            row.name,
            counted_text(ladder.settings.basis, row.threshold, currency=ladder.currency)
            if row.threshold
            else "",
            held is not None and row.id == held.id,
            row.threshold <= top,
            tuple(part for part in (factor_text(ladder, row.id), *row.perks.splitlines()) if part.strip()),
        )
        for row in rows
    ]


def share(found: CardStanding) -> int:
    """Return how far the way to the next level is gone, in percent."""
    if found.ahead.next_level is None:
        return 100
    return min(100, 100 * max(0, found.counted) // max(1, found.ahead.next_level.threshold))


def shown(found: CardStanding) -> dict[str, Any]:
    """Return what the blocks draw."""
    ladder = found.ladder
    return {
        "level": found.level.name if found.level else "",
        "perks": [line for line in found.level.perks.splitlines() if line.strip()] if found.level else [],
        "factor": factor_text(ladder, found.level.id) if found.level else "",
        "counted": counted_text(ladder.settings.basis, found.counted, currency=ladder.currency),
        "ahead": ahead_text(found),
        "keep": keep_text(found),
        "share": share(found),
        "rungs": rungs(found),
    }


async def card_block(context: CardContext) -> list[Panel]:
    """Show the holder their level, what it brings, and the way to the next one."""
    found = await card_standing(context.session, context.merchant_id, context.pass_id, now=context.now)
    if found is None:
        return []
    return [Panel(_("Your level"), "tiers/_card.html", shown(found), order=20)]


async def pass_fields(context: CardContext) -> list[PassField]:
    """Return the level for the front of a pass, and the way to the next one."""
    found = await card_standing(context.session, context.merchant_id, context.pass_id, now=context.now)
    if found is None:
        return []
    fields = []
    if found.level is not None:
        # The wallet puts the new level's name where %@ stands.
        message = _("You are now %(level)s.", level="%@")
        fields.append(PassField("tier", _("Level"), found.level.name, message, place="auxiliary", order=40))
    ahead = ahead_text(found)
    if ahead:
        fields.append(PassField("tier_next", _("Next level"), ahead, place="back", order=41))
    perks = shown(found)["perks"]
    if perks:
        fields.append(PassField("tier_perks", _("Your perks"), " · ".join(perks), place="back", order=42))
    return fields


async def till_panel(context: TillContext) -> list[Panel]:
    """Tell staff the level and its perks."""
    found = await card_standing(context.session, context.merchant_id, context.pass_id, now=context.now)
    if found is None or found.level is None:
        return []
    return [Panel(_("Level"), "tiers/_till.html", shown(found), order=20)]


async def customer_panel(page: PageContext) -> list[Panel]:
    """Show where each of a customer's cards stands and what moved, on their profile."""
    if page.subject_id is None or not page.principal.may("tiers.view"):
        return []
    merchant_id = page.principal.merchant_id
    cards = await list_cards_of_customer(page.session, merchant_id, page.subject_id)
    found = []
    for card in cards:
        standing = await card_standing(page.session, merchant_id, card.id, now=page.now)
        if standing is not None and card.status in {"active", "blocked"}:
            found.append(standing)
    if not found:
        return []
    moves = await list_moves(page.session, merchant_id, [card.id for card in cards])
    rows = [
        {
            "day": current().format_date(move.on_day),
            "text": move_text(found[0].ladder, move.before_id, move.after_id, why=move.why),
        }
        for move in reversed(moves[-MOVES_SHOWN:])
    ]
    context = {"standings": [shown(one) for one in found], "moves": rows}
    return [Panel(_("Level"), "tiers/_customer.html", context, order=15)]


def move_text(ladder: Ladder, before_id: UUID | None, after_id: UUID | None, *, why: str) -> str:
    """Return what moved, in words."""
    names = [row.name if row else _("no level") for row in (ladder.row(before_id), ladder.row(after_id))]
    sayings = {
        "reached": _("%(after)s reached", after=names[1]),
        "lapsed": _("%(before)s ended, now %(after)s", before=names[0], after=names[1]),
        "corrected": _("Back to %(after)s: a visit was taken back", after=names[1]),
    }
    return sayings[why]
