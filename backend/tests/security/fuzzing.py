"""Requests that schemathesis makes of our OpenAPI document, sent as every role; used by the short test and the long."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.kernel.permissions import ROLES
from app.kernel.web.cookies import cookie_name
from app.modules.accounts.factories import make_member, sign_in_as
from app.modules.cards.access import CARDS_COOKIE
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_device, make_staff
from app.modules.stores.factories import make_store

WHO = ("anonymous", "card", "device", *ROLES, "api key")
NEIGHBOUR = ("Neighbour-Qx4410", "neighbour-qx4410@example.com")
# FastAPI's own answer to a client that names a host or a length that cannot be; before any route is chosen.
SEED = 20_261_120


@dataclass
class FuzzShop:
    """The shop that is called, and who calls; the neighbour's words must never come out."""

    merchant: Any
    members: dict[str, Any]
    ids: dict[str, str]
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    async def sign_in(self, database: Database) -> None:
        """Open the members' sessions again; one of the calls before may have ended them."""
        for role in ROLES:
            self.headers[role] = await sign_in_as(database, self.merchant.id, self.members[role])


async def make_fuzz_shop(database: Database, app: FastAPI) -> FuzzShop:
    """Make the shop, its members of each role, a card, a device and an API key; and a neighbour with secrets."""
    neighbour = await make_store(database, await make_merchant(database, name=NEIGHBOUR[0]), "hybrid")
    await make_card(database, neighbour, name=NEIGHBOUR[0], email=NEIGHBOUR[1], points=10)
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, "hybrid")
    staff_id, pin = await make_staff(database, store)
    card = await make_card(database, store, stamps=9, points=400, name="Own")
    device = await make_device(database, store, pin=pin)
    members: dict[str, Any] = {"owner": merchant.owner_id}
    for role in ROLES[1:]:
        members[role] = (await make_member(database, merchant.id, role)).id
    async with tenant_scope(database, merchant.id) as session:
        # A feature with scopes of its own: a key may have them while it is on.
        await session.execute(
            text("UPDATE merchant SET modules_on = '{webhooks}' WHERE id = :id"), {"id": merchant.id}
        )
        reward = str(await session.scalar(text("SELECT id FROM reward LIMIT 1")))
    ids = {"store_id": store.id, "pass_id": card.id, "staff_id": staff_id, "device_id": device.id}
    ids |= {"customer_id": card.customer_id, "program_id": card.program_id, "reward_id": reward}
    shop = FuzzShop(merchant, members, {name: str(value) for name, value in ids.items()})
    cookie = cookie_name(database.settings, CARDS_COOKIE)
    shop.headers = {"anonymous": {}, "card": {"Cookie": f"{cookie}={card.token}"}, "device": device.headers}
    await shop.sign_in(database)
    shop.headers["api key"] = await make_api_key(app, merchant)
    return shop


async def make_api_key(app: FastAPI, merchant: Any) -> dict[str, str]:
    """Return the headers of a program with every scope there is."""
    scopes = [name for name, permission in app.state.registry.permissions().items() if permission.api_scope]
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        made = await client.post(
            "/api-keys", json={"name": "Fuzz", "scopes": scopes}, headers=merchant.headers
        )
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['key']}"}


def operations_of(app: FastAPI) -> Iterator[Any]:
    """Yield every operation of the document."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import schemathesis

        for result in schemathesis.openapi.from_dict(app.openapi()).get_all_operations():
            yield result.ok()


def cases_of(operation: Any, *, good: int, bad: int) -> list[Any]:
    """Return requests that keep to the document, and requests that break it in one place; the same each time."""
    from schemathesis import GenerationMode

    found: list[Any] = []
    for mode, count in ((GenerationMode.POSITIVE, good), (GenerationMode.NEGATIVE, bad)):
        if not count:
            continue

        @settings(
            max_examples=count,
            database=None,
            phases=[Phase.generate],
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def collect(case: Any) -> None:
            found.append(case)

        try:
            collect()
        except Exception as error:
            # Nothing to break: an operation without parameters has no bad requests.
            if type(error).__name__ not in {"Unsatisfiable", "SkipTest", "Skipped"}:
                raise
    return found


def request_of(case: Any, shop: FuzzShop, *, is_own: bool) -> dict[str, Any]:
    """Return a case as httpx takes it; is_own: with the shop's ids in the path."""
    path = str(case.formatted_path)
    if is_own:
        path = case.path
        for name, value in (case.path_parameters or {}).items():
            path = path.replace(f"{{{name}}}", shop.ids.get(name, str(value)))
    headers = {
        str(name): str(value)
        for name, value in (case.headers or {}).items()
        if str(value).isascii()
        and str(value).isprintable()
        and name.lower() not in {"authorization", "cookie"}
    }
    sent: dict[str, Any] = {"method": case.method, "url": path or "/", "headers": headers}
    sent["params"] = {str(k): str(v) for k, v in (case.query or {}).items()}
    if type(case.body).__name__ != "NotSet":
        is_raw = isinstance(case.body, bytes)
        sent["content"] = (
            case.body if is_raw else json.dumps(case.body, default=str).encode("utf-8", "replace")
        )
        headers["content-type"] = case.media_type or "application/json"
    return sent


async def send_as_everybody(
    client: httpx2.AsyncClient, app: FastAPI, shop: FuzzShop, operation: Any, cases: list[Any]
) -> list[str]:
    """Send an operation's requests as every role and return what is wrong with the answers."""
    documented = {str(status) for status in operation.definition.raw["responses"]}
    wrong = []
    for number, case in enumerate(cases):
        sent = request_of(case, shop, is_own=number % 2 == 0)
        for who in WHO:
            client.cookies.clear()
            await app.state.limiter.reset()
            headers = {**sent["headers"], "Origin": "http://testserver", **shop.headers[who]}
            try:
                answer = await asyncio.wait_for(client.request(**{**sent, "headers": headers}), 20)
            except httpx2.InvalidURL:
                continue
            where = f"{case.method} {case.path} as {who}: {answer.status_code}"
            if answer.status_code >= 500 and answer.status_code != 503:
                wrong.append(f"{where}, from {sent['url']} {str(sent.get('content'))[:200]}")
            elif str(answer.status_code) not in documented and "default" not in documented:
                wrong.append(f"{where} is not documented: {answer.text[:120]}")
            if any(word in answer.text for word in NEIGHBOUR):
                wrong.append(f"{where}: shows another shop's data")
    return wrong
