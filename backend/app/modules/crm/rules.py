"""Pure decisions on a customer's page: what a correction by hand may do, and what confirms an erasure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.kernel.i18n import msg
from app.kernel.outcomes import Refusal
from app.utils.id_generator import parse_card_number

# The words are chosen, not typed: a ledger keeps no free text about people. A note holds what else is to be said.
REASONS = {
    "forgotten": msg("A visit was forgotten"),
    "mistake": msg("A mistake at the till"),
    "goodwill": msg("Goodwill"),
    "paper": msg("Brought over from a paper card"),
    "other": msg("Another reason"),
}
STAMPS_MAX = 100
POINTS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Balance:
    """A card as a correction finds it, under its lock."""

    loyalty_type: str
    stamp_count: int
    stamps_needed: int
    points_balance: int


def decide_correction(balance: Balance, *, stamps: int, points: int, force: bool) -> Refusal | None:
    """Refuse what the programme does not have, what a full card cannot take, and what falls below zero unforced."""
    if stamps and balance.loyalty_type == "points":
        return Refusal("wrong_loyalty_type")
    if points and balance.loyalty_type == "stamps":
        return Refusal("wrong_loyalty_type")
    if stamps > 0 and balance.stamp_count + stamps > balance.stamps_needed:
        return Refusal("card_full")
    falls = (stamps < 0 and balance.stamp_count + stamps < 0) or (
        points < 0 and balance.points_balance + points < 0
    )
    if falls and not force:
        return Refusal("below_zero")
    return None


def confirms_erasure(typed: str, *, name: str | None, email: str | None, numbers: Iterable[str]) -> bool:
    """Tell whether what was typed names the customer: the name, the address or a card's number."""
    said = " ".join(typed.split()).casefold()
    known = {" ".join(text.split()).casefold() for text in (name, email) if text}
    return bool(said) and (said in known or parse_card_number(typed) in set(numbers))
