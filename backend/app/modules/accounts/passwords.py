"""Hashing passwords off the event loop, on a small pool, after a check of their strength."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.outcomes import Refusal
from app.modules.accounts.rules import weakness_of
from app.utils.security import hash_password

# Hashing is slow on purpose; a flood of it takes turns here instead of taking every core and much memory.
HASH_THREADS = 2
_hashers = ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="argon2")
T = TypeVar("T")

WEAKNESSES: Mapping[str, str] = {
    "short": msg("This is too short. Three or four words in a row are easy to remember and hard to guess."),
    "long": msg("This is too long."),
    "personal": msg(
        "This holds your name, your address or the shop's name, which is tried first. Choose other words."
    ),
    "common": msg(
        "This is one of the passwords that everybody tries first. Add two or three words of your own."
    ),
    "pattern": msg(
        "Rows of keys, repeats and dates are quick to guess. Use words that do not belong together."
    ),
    "guessable": msg("This is quick to guess. Add one or two more words."),
}


def weakness_text(refusal: Refusal) -> str:
    """Return in the reader's language why a password was refused, and what would help."""
    return _(WEAKNESSES[str(refusal.extra["reason"])])


async def in_hash_thread(work: Callable[..., T], *values: Any) -> T:
    """Run a slow password function off the event loop, on the small pool."""
    return await asyncio.get_running_loop().run_in_executor(_hashers, work, *values)


async def hash_new_password(password: str, *, about: tuple[str, ...] = ()) -> str | Refusal:
    """Return the hash of a chosen password, computed in a thread, or refuse a weak one with its reason."""
    reason = await in_hash_thread(partial(weakness_of, about=about), password)
    if reason is not None:
        return Refusal("weak_password", extra={"reason": reason})
    return await in_hash_thread(hash_password, password)
