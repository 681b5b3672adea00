"""The part that comes back: pure, by the shop's rules that come with the visit."""

from __future__ import annotations

from decimal import Decimal

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.money import Money
from app.modules.cashback.rules import BASIS, decide_cashback
from app.modules.visits.public import EarnContext, EarnDraft

RULE = "cashback"
# About money, and after all that is about points (docs/adr/0013).
ORDER = 310


def give_cashback(context: EarnContext, draft: EarnDraft) -> EarnDraft:
    """Add the line of what comes back; nothing for a visit without an amount, or paid with credit wholly."""
    rules, amount = context.rules_of(RULE), context.amount_minor
    if amount is None or not rules:
        return draft
    rate = int(rules["rate_bp"])
    earned = decide_cashback(
        amount, context.request.tendered_minor, rate_bp=rate, rounding=str(rules["rounding"])
    )
    if not earned.amount_minor:
        return draft
    exact = "" if earned.is_exact else "rounded"
    return draft.add_money(
        RULE, earned.amount_minor, f"{rate}|{earned.base_minor}|{context.currency}|{exact}"
    )


def words(detail: str) -> str:
    """Return "3% back on €59.90" for a line of explanation."""
    rate, base, currency, exact = detail.split("|")
    percent, amount = percent_text(int(rate)), current().format_money(Money(int(base), currency))
    if exact:
        return _("%(percent)s back on %(amount)s, rounded once", percent=percent, amount=amount)
    return _("%(percent)s back on %(amount)s", percent=percent, amount=amount)


def percent_text(rate_bp: int) -> str:
    """Return basis points as a percentage with as many decimals as it has."""
    decimals = 0 if rate_bp % 100 == 0 else 1 if rate_bp % 10 == 0 else 2
    return current().format_percent(Decimal(rate_bp) / BASIS, decimals=decimals)
