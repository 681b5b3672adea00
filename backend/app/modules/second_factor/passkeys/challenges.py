"""Questions to authenticators: random, kept as hashes, bound to who may answer, answered once, soon over."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.modules.second_factor.models import PasskeyChallenge
from app.modules.second_factor.rules import CHALLENGE_LIFETIME
from app.utils.security import Keyring, b64

CHALLENGE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is for, and who may answer it: a session, a half sign-in, a browser's cookie."""

    purpose: str
    who: str


def _binding(keyring: Keyring, asked: Asked, *, version: int) -> bytes:
    return keyring.mac("token", "passkey-challenge", asked.purpose, asked.who, version=version)


async def ask(session: AsyncSession, asked: Asked, *, now: datetime) -> bytes:
    """Keep a new challenge and return it."""
    keyring = resources_of(session).get(Keyring)
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    session.add(
        PasskeyChallenge(
            challenge_hash=sha256(challenge).digest(),
            bound_to=_binding(keyring, asked, version=keyring.newest("token")),
            expires_at=now + CHALLENGE_LIFETIME,
        )
    )
    return challenge


async def take_answer(session: AsyncSession, asked: Asked, *, challenge: bytes, now: datetime) -> bool:
    """Use up a challenge; False where it was never asked this way, is over, or was answered before.

    The row is deleted whatever the answer turns out to be: a refused answer needs a new question.
    """
    keyring = resources_of(session).get(Keyring)
    bindings = [_binding(keyring, asked, version=version) for version in keyring.versions("token")]
    taken = await session.execute(
        delete(PasskeyChallenge)
        .where(
            PasskeyChallenge.challenge_hash == sha256(challenge).digest(),
            PasskeyChallenge.bound_to.in_(bindings),
            PasskeyChallenge.expires_at > now,
        )
        .returning(PasskeyChallenge.challenge_hash)
    )
    return taken.first() is not None


def new_browser_mark() -> str:
    """Return a random value for the cookie that binds a sign-in's question to the browser that asked."""
    return b64(secrets.token_bytes(CHALLENGE_BYTES))
