"""`reset-second-factor`: help for somebody who lost phone, passkeys and recovery codes."""

from __future__ import annotations

import asyncio

from app.commands.database import open_database
from app.commands.errors import CommandError
from app.config import Settings
from app.db.lookup import find_lookup
from app.db.session import set_tenant
from app.kernel.permissions import Principal
from app.modules.accounts.public import find_member
from app.modules.merchants.public import EMAIL_LOOKUP, email_key
from app.modules.second_factor.service import reset_member
from app.process import Process, build_process
from app.utils.security import Keyring


def reset_second_factor(settings: Settings, email: str) -> str:
    """Take every second factor from the account of an address; returns the name of its business.

    Raises CommandError where nobody signs in with it, or there is nothing to take.
    """
    with open_database(settings) as ready:
        return asyncio.run(_reset(ready, email))


async def _reset(settings: Settings, email: str) -> str:
    process = build_process(settings)
    try:
        await process.open()
        return await reset_second_factor_in(process, email)
    finally:
        await process.aclose()


async def reset_second_factor_in(process: Process, email: str) -> str:
    """Do it in an open process; the entry says that it was the operator, and the member gets a mail."""
    keyring = process.resources.get(Keyring)
    async with process.database.sessions() as session, session.begin():
        found = await find_lookup(session, EMAIL_LOOKUP, email_key(keyring, email.strip()))
        if found is not None:
            await set_tenant(session, found[0])
        member = await find_member(session, *found) if found else None
        if member is None:
            raise CommandError("Nobody signs in with this address here.")
        by = Principal("operator", member.merchant_id, None)
        if not await reset_member(session, member, by=by, now=process.clock.now()):
            raise CommandError("This account has no second factor; the password is all it asks for.")
        return member.merchant_name
