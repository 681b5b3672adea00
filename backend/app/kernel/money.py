"""Money is an integer of minor units and an ISO 4217 currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

# Exponents that are not 2. Source: ISO 4217 list one, as of 2026-01-01.
_EXPONENTS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}

AMOUNT_MINOR_MAX = 10**11 - 1


def currency_exponent(currency: str) -> int:
    """Return how many decimals the currency has."""
    return _EXPONENTS.get(currency, 2)


def to_minor(amount: Decimal, currency: str) -> int:
    """Convert major units into whole minor units.

    Raises ValueError for NaN, infinities, zero or negative amounts, more decimals than the currency has,
    and amounts above AMOUNT_MINOR_MAX.
    """
    if not amount.is_finite():
        raise ValueError("amount is not a number")
    if amount <= 0:
        raise ValueError("amount must be above zero")
    # Checked before scaling: scaling 1e309 would build a number of hundreds of digits.
    if amount.adjusted() > 15:
        raise ValueError("amount is too large")
    minor = amount.scaleb(currency_exponent(currency))
    if minor != minor.to_integral_value():
        raise ValueError("amount has more decimals than the currency")
    if minor > AMOUNT_MINOR_MAX:
        raise ValueError("amount is too large")
    return int(minor)


def to_major(amount_minor: int, currency: str) -> Decimal:
    """Convert minor units into major units, exactly."""
    return Decimal(amount_minor).scaleb(-currency_exponent(currency))


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of a currency."""

    amount_minor: int
    currency: str

    @property
    def amount(self) -> Decimal:
        """Return the amount in major units."""
        return to_major(self.amount_minor, self.currency)
