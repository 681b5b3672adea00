"""Makes operators for tests, through the use cases."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from app.db.session import Database
from app.kernel.web.cookies import cookie_name
from app.modules.accounts.public import Browser
from app.modules.operators.signing_in.accounts import AppSecret, create_operator
from app.modules.operators.signing_in.service import OPERATOR_COOKIE, Credentials, OperatorSignedIn, sign_in
from app.modules.second_factor.public import code_at, steps_around

PASSWORD = "lantern-walnut-harbour-58"  # noqa: S105 (a test password)


@dataclass(frozen=True)
class MadeOperator:
    """An operator, and the secret of their app."""

    name: str
    secret: bytes

    def code(self, now: datetime, *, ahead: int = 0) -> str:
        """Return the code of now, or of some steps ahead."""
        return code_at(self.secret, steps_around(now)[1] + ahead)


async def make_operator(database: Database, *, now: datetime) -> MadeOperator:
    """Make an operator with a name of its own."""
    name = f"op-{uuid4().hex[:12]}"
    async with database.sessions() as session, session.begin():
        made = await create_operator(session, name, password=PASSWORD, now=now)
    assert isinstance(made, AppSecret)
    padding = "=" * (-len(made.key) % 8)
    return MadeOperator(name, base64.b32decode(made.key + padding))


async def sign_in_operator(database: Database, made: MadeOperator, *, now: datetime) -> dict[str, str]:
    """Return the headers of a signed-in operator; uses up the code of now."""
    typed = Credentials(made.name, PASSWORD, made.code(now), Browser(address="192.0.2.1"))
    async with database.sessions() as session, session.begin():
        opened = await sign_in(session, typed, now=now)
    assert isinstance(opened, OperatorSignedIn)
    return {
        "Cookie": f"{cookie_name(database.settings, OPERATOR_COOKIE)}={opened.token}",
        "accept": "text/html",
    }
