"""What a purchase gives back, when it ends, and what an undo takes: exact, in every currency."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.kernel.i18n import use_language
from app.kernel.ledger import Lot
from app.modules.cashback.earning import words
from app.modules.cashback.rules import (
    GivenLot,
    decide_cashback,
    decide_expiry,
    is_spent_already,
    share_back,
    to_take_back,
)

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
GONE, LATER = NOW - timedelta(seconds=1), NOW + timedelta(days=9)
A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.mark.parametrize(
    ("amount", "paid", "rate", "rounding", "back"),
    [
        (5_990, 0, 300, "half_even", 180),  # 1.797 euros
        (50, 0, 100, "half_even", 0),  # half a cent, to the even nought
        (150, 0, 100, "half_even", 2),  # one and a half, to the even two
        (50, 0, 100, "half_up", 1),
        (199, 0, 100, "down", 1),
        (101, 0, 100, "up", 2),
        (5_990, 1_000, 300, "half_even", 150),  # 1.497 of the 49.90 paid otherwise
        (5_990, 5_990, 300, "up", 0),
        (1_980, 0, 250, "half_even", 50),  # yen: 49.5, to the even fifty
        (59_900, 0, 250, "half_even", 1_498),  # fils: 1497.5, to the even 1498
        (10**11 - 1, 0, 5_000, "down", 49_999_999_999),
    ],
)
def test_one_rounding_of_what_was_paid_otherwise(
    amount: int, paid: int, rate: int, rounding: str, back: int
) -> None:
    """The percentage of the part not paid with credit, in whole minor units, rounded once as the shop says."""
    earned = decide_cashback(amount, paid, rate_bp=rate, rounding=rounding)
    assert (earned.amount_minor, earned.base_minor) == (back, amount - paid)


def test_halves_favour_nobody_in_the_long_run() -> None:
    """A thousand purchases with half a cent each: half-even gives what is due, half-up a cent in every two."""
    amounts = range(50, 100_050, 100)
    even = sum(decide_cashback(one, 0, rate_bp=100, rounding="half_even").amount_minor for one in amounts)
    up = sum(decide_cashback(one, 0, rate_bp=100, rounding="half_up").amount_minor for one in amounts)
    assert sum(amounts) / 100 == even == up - 500


@pytest.mark.parametrize(
    ("earned_at", "months", "end"),
    [
        ("2026-11-20T09:00", 12, "2027-11-20T23:00"),  # midnight in Luxembourg, in winter
        ("2026-11-20T23:30", 12, "2027-11-21T23:00"),  # past midnight there: the 21st
        ("2026-01-31T09:00", 1, "2026-02-28T23:00"),
        ("2026-04-30T21:59", 6, "2026-10-30T23:00"),
        ("2026-03-20T09:00", 1, "2026-04-20T22:00"),  # summer time
    ],
)
def test_credit_is_good_to_the_end_of_a_day(earned_at: str, months: int, end: str) -> None:
    """The last day counts whole, by the shop's clock, whatever it is in winter and in summer."""
    moment = datetime.fromisoformat(earned_at).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(end).replace(tzinfo=UTC)
    assert decide_expiry(moment, months, time_zone="Europe/Luxembourg") == expected
    assert decide_expiry(moment, 0, time_zone="Europe/Luxembourg") is None


@pytest.mark.parametrize(
    ("remaining", "expired", "expires_at", "coming_back", "taken"),
    [
        (300, 0, LATER, 0, 300),  # untouched
        (100, 0, LATER, 0, 300),  # two spent: they are owed
        (0, 300, GONE, 0, 0),  # all of it ran out: nothing is taken twice
        (0, 100, GONE, 0, 200),  # two spent, one ran out
        (100, 0, GONE, 0, 200),  # run out, and not collected yet
        (0, 100, GONE, 200, 0),  # the spending is undone with it, and runs out as well
    ],
)
def test_what_expired_is_not_taken_twice(  # noqa: PLR0913 - the parts of one lot
    remaining: int, expired: int, expires_at: datetime, coming_back: int, taken: int
) -> None:
    """Taking an earning of three back takes what of it did not run out."""
    given = GivenLot(Lot(A, remaining, expires_at), 300, expired)
    assert to_take_back(given, coming_back=coming_back, now=NOW) == taken


@pytest.mark.parametrize(
    ("balance", "held", "back", "back_until", "given", "spent"),
    [
        (300, 300, 0, LATER, 300, False),
        (299, 299, 0, LATER, 300, True),
        (0, 0, 300, LATER, 300, False),  # what the undo itself returns covers it
        (0, 0, 300, GONE, 300, True),  # unless it has run out
        (-50, 0, 300, LATER, 300, False),  # a debt is not made worse
        (-50, 0, 299, LATER, 300, True),
    ],
)
def test_an_undo_that_would_take_what_is_spent(  # noqa: PLR0913 - the parts of one undo
    balance: int, held: int, back: int, back_until: datetime, given: int, *, spent: bool
) -> None:
    """An earning can be taken while the card holds as much, counting what the same undo gives back."""
    lots = {A: Lot(A, held, LATER), B: Lot(B, 0, back_until), C: Lot(C, 0, LATER)}
    found = is_spent_already(
        balance,
        [lots[A]],
        back={B: back} if back else {},
        all_lots=lots,
        given=[GivenLot(lots[C], given, 0)],
        now=NOW,
    )
    assert found is spent


def test_a_debt_leaves_the_longest_lots() -> None:
    """Five come back with room for three: the lot that lives longest is filled first."""
    lots = {A: Lot(A, 0, NOW + timedelta(days=1)), B: Lot(B, 0, None), C: Lot(C, 0, LATER)}
    assert share_back([(A, 2), (C, 2), (B, 1)], lots, room=3) == {B: 1, C: 2, A: 0}


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize(
    ("language", "detail", "text"),
    [
        ("en", "300|5990|EUR|rounded", "3% back on €59.90, rounded once"),
        ("de", "250|4000|EUR|", "2,5\xa0% zurück auf 40,00\xa0€"),
        ("en", "250|1980|JPY|rounded", "2.5% back on JP¥1,980, rounded once"),
        ("fr", "125|59900|KWD|", "1,25\xa0% en retour sur 59,900\xa0KWD"),
    ],
)
async def test_the_line_says_rate_and_base(language: str, detail: str, text: str) -> None:
    """The explanation names the percentage and what it was taken of, as the language writes money."""
    with use_language(language):
        assert words(detail) == text
