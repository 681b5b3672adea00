"""Hashing passwords off the event loop, on a small pool, after a check of their strength."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from app.kernel.outcomes import Refusal
from app.modules.accounts.rules import is_weak_password
from app.utils.security import hash_password

# Hashing is slow on purpose; a flood of it takes turns here instead of taking every core and much memory.
HASH_THREADS = 2
_hashers = ThreadPoolExecutor(HASH_THREADS, thread_name_prefix="argon2")
T = TypeVar("T")


async def in_hash_thread(work: Callable[..., T], *values: Any) -> T:
    """Run a slow password function off the event loop, on the small pool."""
    return await asyncio.get_running_loop().run_in_executor(_hashers, work, *values)


async def hash_new_password(password: str, *, about: tuple[str, ...] = ()) -> str | Refusal:
    """Return the hash of a chosen password, computed in a thread, or refuse a weak one."""
    if await in_hash_thread(partial(is_weak_password, about=about), password):
        return Refusal("weak_password")
    return await in_hash_thread(hash_password, password)
