"""A signed-in owner with pages to click, and the right code at any moment."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import delete

from app.db.session import Database
from app.kernel.clock import FixedClock
from app.modules.accounts.models import SignInLimit
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.second_factor.rules import step_of
from app.modules.second_factor.tests.software_key import SoftwareKey
from app.modules.second_factor.totp import code_at

SECURITY = "/dashboard/account/security"
STEP = "/sign-in/second-step"
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
CODE = re.compile(r"<code>([0-9A-Z]{4}(?:-[0-9A-Z]{4}){5})</code>")
SECRET = re.compile(r'id="totp-secret">([A-Z2-7 ]+)<')


@dataclass
class Person:
    """Somebody with a browser. secret: of the authenticator app, once set up."""

    client: httpx2.AsyncClient
    merchant: MadeMerchant
    clock: FixedClock
    secret: bytes = b""

    @property
    def password(self) -> str:
        """Return the owner's password."""
        return self.merchant.password

    def code(self, *, steps: int = 0) -> str:
        """Return the app's code of this moment, or so many steps later."""
        return code_at(self.secret, step_of(self.clock.now()) + steps)

    async def post(self, path: str, *, page: str = "/sign-in", **fields: str) -> httpx2.Response:
        """Fill in a form: its token is read from a page, as a browser would."""
        token = CSRF.search((await self.client.get(page)).text)
        assert token is not None, page
        return await self.client.post(path, data={"csrf": token.group(1), **fields})

    async def own(self, path: str, **fields: str) -> httpx2.Response:
        """Fill in a form of the security page."""
        return await self.post(f"{SECURITY}{path}", page=SECURITY, **fields)

    async def begin_app(self) -> None:
        """Ask for a new app's secret and read it from the page."""
        answer = await self.own("/app", password=self.password)
        assert (answer.status_code, answer.headers.get("location")) == (303, f"{SECURITY}/app"), answer.text
        self.read_secret((await self.client.get(f"{SECURITY}/app")).text)

    def read_secret(self, page: str) -> None:
        """Take over the secret that a page shows."""
        found = SECRET.search(page)
        assert found is not None, page
        self.secret = base64.b32decode(found.group(1).replace(" ", ""))

    async def set_up_app(self) -> list[str]:
        """Set the app up and return the recovery codes; a minute later, so that the next code is fresh."""
        await self.begin_app()
        answer = await self.own("/app/confirm", code=self.code())
        assert answer.status_code in {200, 303}, answer.text
        self.clock.advance(minutes=1)
        return CODE.findall(answer.text)

    async def add_passkey(self, key: SoftwareKey, *, name: str = "") -> httpx2.Response:
        """Add a passkey as the page's script does."""
        options = await self.client.post(f"{SECURITY}/passkeys/options", json={"password": self.password})
        assert options.status_code == 200, options.text
        return await self.own("/passkeys", name=name, credential=key.make(options.json()))

    async def sign_out(self) -> None:
        """End the session and forget every cookie but the device's."""
        await self.post("/sign-out", page=SECURITY)
        for name in ("session", "half_sign_in"):
            self.client.cookies.delete(name)

    async def give_password(self, *, next_path: str = "/dashboard") -> httpx2.Response:
        """Take the first step."""
        return await self.post("/sign-in", email=self.merchant.email, password=self.password, next=next_path)

    async def give_code(self, code: str) -> httpx2.Response:
        """Take the second step."""
        return await self.post(STEP, page=STEP, code=code, next="/dashboard")

    async def is_signed_in(self) -> bool:
        """Tell whether the dashboard opens."""
        return (await self.client.get("/merchants/current")).status_code == 200


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def fresh_limits(app: FastAPI, database: Database) -> AsyncIterator[None]:
    """Forget what was counted for the address that all tests share."""
    await app.state.limiter.reset()
    async with database.sessions() as session, session.begin():
        await session.execute(delete(SignInLimit))
    yield
    await app.state.limiter.reset()


@pytest_asyncio.fixture(loop_scope="session")
async def person(client: httpx2.AsyncClient, database: Database, clock: FixedClock) -> Person:
    """Return the signed-in owner of a new business."""
    merchant = await make_merchant(database)
    made = Person(client, merchant, clock)
    answer = await made.give_password()
    assert answer.status_code == 303, answer.text
    return made


@pytest.fixture
def another(app: FastAPI) -> Any:
    """Return a function that opens another browser."""

    def make() -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://testserver")

    return make
