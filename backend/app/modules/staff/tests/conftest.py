"""Fakes of the staff tests: a hash that counts, and cards as the limits see them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from app.modules.staff.pins import PinHasher
from app.process import Process
from app.utils.id_generator import new_id
from app.utils.security import Keyring


@dataclass(frozen=True)
class FakeCard:
    """What the limits know of a card."""

    id: UUID = field(default_factory=new_id)
    known_stores: frozenset[UUID] = frozenset()


class CountingVerifier:
    """A quick stand-in for Argon2 that counts how often a PIN was looked at."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, keyring: Keyring, pin: str, *, salt: bytes, pepper_version: int) -> bytes:
        """Return a digest that differs by PIN, salt and pepper, as the real one does."""
        self.calls += 1
        return hashlib.sha256(keyring.mac("pepper", pin, version=pepper_version) + salt).digest()


@pytest.fixture
def counter(process: Process) -> Iterator[CountingVerifier]:
    """Put the counting hash into the process for one test."""
    real = process.resources.get(PinHasher)
    quick = CountingVerifier()
    process.resources.put(PinHasher, PinHasher(process.resources.get(Keyring), compute=quick))
    yield quick
    process.resources.put(PinHasher, real)


@pytest.fixture
def forget(process: Process, counter: CountingVerifier) -> Callable[[], None]:
    """Return what makes the process forget the PINs it remembers, as a restart does."""

    def restart() -> None:
        process.resources.put(PinHasher, PinHasher(process.resources.get(Keyring), compute=counter))

    return restart
