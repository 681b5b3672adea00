"""Why these points: a visit's lines of explanation in plain words, for every page that shows a visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.kernel.hooks import Keyed
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.money import Money
from app.modules.rewards.public import TENDER

# Called with a line's detail; returns its words in the language in effect. A visit that a feature had a part in is
# explained for ever, also after the feature was switched off.
EARN_RULE: Keyed[Callable[[str], str]] = Keyed(
    "EARN_RULE", about="The words for a rule's line in the explanation of a visit."
)


@dataclass(frozen=True, slots=True)
class ShownLine:
    """One rule's part: its words, and its points or its money, signed, in the language in effect."""

    text: str
    amount: str


def explain_visit(lines: Sequence[Mapping[str, Any]], *, points: int, currency: str) -> list[ShownLine]:
    """Return a visit's stored lines in words; those of points add up to the points that were given.

    Nothing for a visit whose only line is the programme's own rate: its amount says as much.
    """
    if len(lines) <= 1 and not any(line.get("amount_minor") for line in lines):
        return []
    shown = [ShownLine(_words(line), _amount(line, currency)) for line in lines]
    rest = points - sum((Decimal(str(line["points"])) for line in lines), Decimal(0))
    return [*shown, ShownLine(_("Rounded to whole points"), _signed(rest))] if rest else shown


def rate_words(detail: str) -> str:
    """Return the words of the programme's own rate."""
    return _("For your purchase")


def _words(line: Mapping[str, Any]) -> str:
    rule = str(line["rule"])
    tender = TENDER.find(rule.removeprefix("tender.")) if rule.startswith("tender.") else None
    if tender is not None:
        return _("Paid with %(tender)s", tender=_(tender.title))
    words = EARN_RULE.find(rule)
    return words(str(line.get("detail", ""))) if words else _("A special offer")


def _amount(line: Mapping[str, Any], currency: str) -> str:
    amount_minor = int(line.get("amount_minor", 0))
    if not amount_minor:
        return _signed(Decimal(str(line["points"])))
    money = current().format_money(Money(amount_minor, currency))
    return f"+{money}" if amount_minor > 0 else money


def _signed(points: Decimal) -> str:
    number = current().format_number(points.normalize())
    return f"+{number}" if points > 0 else number
