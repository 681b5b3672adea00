"""Whether the name was typed, and what a closed business lets its members do."""

from __future__ import annotations

import pytest

from app.modules.closing.rules import is_name, may_still


@pytest.mark.parametrize(
    ("typed", "name", "same"),
    [
        ("CoffeeLux", "CoffeeLux", True),
        ("  coffeelux ", "CoffeeLux", True),
        ("Cafe\u0301 Bréil", "Café  Bréil", True),
        ("CoffeeLu", "CoffeeLux", False),
        ("", "CoffeeLux", False),
        ("", "", False),
    ],
)
def test_the_name_is_typed_as_it_reads(typed: str, name: str, same: bool) -> None:  # noqa: FBT001
    """Spaces around it, capitals and how an accent is written do not matter; anything else does."""
    assert is_name(typed, name) is same


@pytest.mark.parametrize(
    ("permission", "reads_only", "is_erased", "may"),
    [
        ("stores.edit", True, False, True),
        ("stores.edit", False, False, False),
        ("exports.view", False, False, True),
        ("business.close", False, False, True),
        ("members.view", False, False, True),
        ("stores.view", True, True, False),
        ("business.close", False, True, False),
    ],
)
def test_a_closed_business_is_looked_at_only(
    permission: str,
    reads_only: bool,  # noqa: FBT001
    is_erased: bool,  # noqa: FBT001
    may: bool,  # noqa: FBT001
) -> None:
    """Looking, exporting, the own sign-in and opening again; nothing at all once it is erased."""
    assert may_still(permission, reads_only=reads_only, is_erased=is_erased) is may
