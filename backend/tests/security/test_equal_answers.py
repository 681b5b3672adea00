"""A typed e-mail tells nothing: sign-in, sign-up and reset answer a known address and an unknown one alike.

Compared is what a stranger can see (status, every header, every byte of the body) and how much slow work was done.
That the same statements are sent is shown beside the module: app/modules/accounts/tests/test_devices.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import text

from app.db.session import Database, tenant_scope
from app.kernel.outcomes import Refusal
from app.modules.accounts.factories import make_member
from app.modules.accounts.signing_in import service as signing_in
from app.modules.accounts.signing_up import api as sign_up_api
from app.modules.accounts.signing_up import pages as sign_up_pages
from app.modules.accounts.tests.helpers import HIDDEN
from app.modules.merchants.factories import make_merchant
from app.utils.id_generator import new_id
from app.utils.security import verify_password

CHOSEN = "walnut-harbour-lantern-77"
BODIES = {
    "/sessions": {"email": "", "password": "a-guess-by-a-stranger"},
    "/sign-in": {"email": "", "password": "a-guess-by-a-stranger"},
    "/merchants": {"email": "", "password": CHOSEN, "name": "Some shop"},
    "/sign-up": {"email": "", "password": CHOSEN, "name": "Some shop"},
    "/password-resets": {"email": ""},
    "/password-reset": {"email": ""},
}
PAGES = {"/sign-in", "/sign-up", "/password-reset"}
# How many Argon2 computations each costs, for whomever: one verified, one made, none for a mail.
HASHES = {"/sessions": 1, "/sign-in": 1, "/merchants": 1, "/sign-up": 1}
# What is random or a moment in every answer, and the length, which goes with the typed address that a form repeats.
RANDOM = {"x-request-id", "date", "server-timing", "content-length"}


@dataclass(frozen=True)
class Seen:
    """What a stranger sees of an answer, without what is random in it, and the slow work behind it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    hashes: tuple[str, ...]


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which every Argon2 computation adds its kind and parameters."""
    done: list[str] = []
    verify, make = PasswordHasher.verify, PasswordHasher.hash

    def noted_verify(self: PasswordHasher, stored: Any, password: Any) -> Any:
        done.append(f"verify {str(stored).rpartition('$')[0].rpartition('$')[0]}")
        return verify(self, stored, password)

    def noted_hash(self: PasswordHasher, password: Any, **more: Any) -> str:
        made = make(self, password, **more)
        done.append(f"make {made.rpartition('$')[0].rpartition('$')[0]}")
        return made

    monkeypatch.setattr(PasswordHasher, "verify", noted_verify)
    monkeypatch.setattr(PasswordHasher, "hash", noted_hash)
    return done


async def ask(client: httpx2.AsyncClient, app: FastAPI, path: str, email: str, hashes: list[str]) -> Seen:
    """Ask as a fresh browser, or as a program, with an address; return what is seen."""
    await app.state.limiter.reset()
    client.cookies.clear()
    body = {**BODIES[path], "email": email}
    if path in PAGES:
        hidden = dict(HIDDEN.findall((await client.get(path)).text))
        hashes.clear()
        answer = await client.post(path, data={**hidden, **body}, headers={"accept": "text/html"})
    else:
        hashes.clear()
        answer = await client.post(path, json=body)
    assert int(answer.headers["content-length"]) == len(answer.content)
    shown = HIDDEN.sub("", answer.text.replace(email, "@").replace(email.replace("@", "&#64;"), "@"))
    request_id = answer.headers.get("x-request-id")
    shown = shown.replace(request_id, "") if request_id else shown
    headers = [
        (name, re.sub(r"=[^;]*", "=", value, count=1) if name == "set-cookie" else value)
        for name, value in answer.headers.multi_items()
        if name not in RANDOM
    ]
    return Seen(answer.status_code, tuple(sorted(headers)), shown, tuple(hashes))


async def known_and_unknown(database: Database) -> list[str]:
    """Return an owner's address, a closed member's, and one that nobody has."""
    merchant = await make_merchant(database)
    closed = await make_member(database, merchant.id, "manager")
    async with tenant_scope(database, merchant.id) as session:
        statement = text("UPDATE member SET disabled_at = now() WHERE id = :id")
        await session.execute(statement, {"id": closed.id})
        found = text("SELECT email FROM member WHERE id = :id")
        closed_email = str(await session.scalar(found, {"id": closed.id}))
    return [merchant.email, closed_email, f"nobody-{new_id().hex[-12:]}@example.com"]


@pytest.mark.parametrize("path", BODIES)
async def test_known_and_unknown_addresses_are_answered_alike(
    path: str, client: httpx2.AsyncClient, app: FastAPI, database: Database, hashes: list[str]
) -> None:
    """Status, headers and bytes are the same for an owner, for a closed member and for nobody, and so is the work."""
    seen = [await ask(client, app, path, email, hashes) for email in await known_and_unknown(database)]

    assert len(seen[0].hashes) == HASHES.get(path, 0)
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("path", ["/sessions", "/sign-in"])
async def test_control_an_unknown_address_that_saves_the_work_is_found(
    path: str,
    client: httpx2.AsyncClient,
    app: FastAPI,
    database: Database,
    hashes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the dummy the answers still look alike, and the work does not."""

    def hasty(password: str, stored: str | None) -> bool:
        return stored is not None and verify_password(password, stored)

    monkeypatch.setattr(signing_in, "verify_password", hasty)
    known, _closed, unknown = await known_and_unknown(database)

    first = await ask(client, app, path, known, hashes)
    second = await ask(client, app, path, unknown, hashes)

    assert (first.status, first.headers, first.body) == (second.status, second.headers, second.body)
    assert (len(first.hashes), len(second.hashes)) == (1, 0)


@pytest.mark.parametrize(("path", "module"), [("/merchants", sign_up_api), ("/sign-up", sign_up_pages)])
async def test_control_a_sign_up_that_names_a_known_address_is_found(
    path: str,
    module: Any,
    client: httpx2.AsyncClient,
    app: FastAPI,
    database: Database,
    hashes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refusing a known address, as most programs do, is a difference in the answer and in the work."""
    known, _closed, unknown = await known_and_unknown(database)
    real = module.request_sign_up

    async def telling(session: Any, wish: Any, *, now: Any) -> Any:
        return Refusal("sign_in_failed") if wish.email == known else await real(session, wish, now=now)

    monkeypatch.setattr(module, "request_sign_up", telling)

    first = await ask(client, app, path, known, hashes)
    second = await ask(client, app, path, unknown, hashes)

    assert first.status != second.status
    assert first.body != second.body
    assert (len(first.hashes), len(second.hashes)) == (0, 1)
