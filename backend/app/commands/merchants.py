"""`create-merchant`: a business without the sign-up mail, for operators who keep sign-up closed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.commands.database import open_database
from app.commands.errors import CommandError
from app.config import Settings
from app.kernel.outcomes import Refusal
from app.modules.accounts.passwords import hash_new_password
from app.modules.merchants.service import NewMerchant, create_merchant
from app.process import Process, build_process


@dataclass(frozen=True)
class MerchantWish:
    """What the operator typed."""

    name: str
    email: str
    password: str
    locale: str


def create(settings: Settings, wish: MerchantWish) -> str:
    """Make the business and return its id; raises CommandError for a weak password or a known address."""
    with open_database(settings) as ready:
        return asyncio.run(_create(ready, wish))


async def _create(settings: Settings, wish: MerchantWish) -> str:
    process = build_process(settings)
    try:
        await process.open()
        return await _create_in(process, wish)
    finally:
        await process.aclose()


async def _create_in(process: Process, wish: MerchantWish) -> str:
    hashed = await hash_new_password(wish.password, about=(wish.name, wish.email))
    if isinstance(hashed, Refusal):
        raise CommandError("This password is too easy to guess. Choose a longer one.")
    async with process.database.sessions() as session, session.begin():
        new = NewMerchant(name=wish.name, email=wish.email, password_hash=hashed, locale=wish.locale)
        merchant = await create_merchant(session, new, now=process.clock.now())
        if merchant is None:
            raise CommandError("This address already signs in to a business here.")
        return str(merchant.id)
