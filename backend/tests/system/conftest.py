"""Fixtures of the system tests."""

from __future__ import annotations

import pwd
from collections.abc import Iterator

import pytest

from tests.system.users import ordinary_user


@pytest.fixture(scope="module")
def user() -> Iterator[pwd.struct_passwd]:
    """A fresh ordinary user with a home, named for this run: what a killed run left is in nobody's way."""
    with ordinary_user() as made:
        yield made
