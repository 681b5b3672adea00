"""The demo's operator. In demo mode the sign-in page shows its code, because nobody has its app; never elsewhere."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.outcomes import Refusal
from app.modules.operators.models import Operator
from app.modules.operators.signing_in.accounts import AppSecret, create_operator, reset_operator, seal_context
from app.modules.second_factor.public import code_at, steps_around
from app.utils.security import Keyring

DEMO_NAME = "demo"


async def make_demo_operator(session: AsyncSession, *, now: datetime) -> dict[str, str]:
    """Make the demo's operator, or renew it, and return name, password and the app's key."""
    password = f"demo-{secrets.token_hex(6)}-operator"
    made: AppSecret | Refusal | None = await create_operator(session, DEMO_NAME, password=password, now=now)
    if made is None:
        made = await reset_operator(session, DEMO_NAME, password=password, now=now)
    assert isinstance(made, AppSecret), "the password was drawn strong, and the name is there or free"
    return {"name": DEMO_NAME, "password": password, "key": made.key}


async def demo_code(session: AsyncSession, *, now: datetime) -> str:
    """Return the next code of the demo's operator that was not used yet; empty outside demo mode."""
    resources = resources_of(session)
    if not resources.get(Settings).demo:
        return ""
    found = await session.execute(select(Operator).where(Operator.name == DEMO_NAME))
    operator = found.scalar_one_or_none()
    if operator is None:
        return ""
    secret = resources.get(Keyring).unseal(operator.sealed_secret, context=seal_context(operator.id))
    free = [step for step in steps_around(now)[1:] if operator.last_step is None or step > operator.last_step]
    return code_at(secret, free[0]) if free else ""
