"""Who may sign up, and the operator's invitations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import select

from app.config import Settings
from app.db.session import Database
from app.kernel.clock import FixedClock
from app.modules.accounts.models import SignUpInvitation
from app.modules.accounts.signing_up.invitations import SIGN_UP_INVITATION_LIFETIME
from app.modules.accounts.tests.helpers import mails_to, send, token_to
from app.process import Process

from .conftest import Desk

LINK = re.compile(r"(/sign-up/invited/[0-9a-f]{32}\.[\w-]+)")
PASSWORD = "walnut-harbour-lantern-77"  # noqa: S105 (a test password)


@pytest.fixture
def only_invited(app: FastAPI, process: Process, settings: Settings) -> Iterator[None]:
    """Let only the invited sign up, for this test."""
    strict = settings.model_copy(update={"sign_up": "invite"})
    process.resources.put(Settings, strict)
    app.state.settings = strict
    yield
    app.state.settings = settings
    process.resources.put(Settings, settings)


@pytest_asyncio.fixture(loop_scope="session")
async def link(desk: Desk, only_invited: None) -> str:
    """Return the path of a fresh invitation."""
    page = await desk.post("/operator/invitations", "/operator/invitations", note="Bäckerei Schmit")
    found = LINK.search(page.text)
    assert found is not None, page.text
    desk.client.cookies.clear()
    return found[1]


def form(email: str) -> dict[str, str]:
    """Return a filled-in sign-up form."""
    return {"name": "Bäckerei Schmit", "email": email, "password": PASSWORD}


async def sign_up(client: httpx2.AsyncClient, process: Process, link: str, email: str) -> httpx2.Response:
    """Follow the invitation, sign up, and follow the mail's link to its end."""
    await client.get(link)
    answer = await send(client, "/sign-up", form(email))
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-up/mailbox")
    token = await token_to(process, email, "sign_up")
    await client.get(f"/sign-up/confirm/{token}")
    return await send(client, "/sign-up/confirm")


async def test_an_invitation_makes_one_shop(
    link: str, client: httpx2.AsyncClient, process: Process, database: Database
) -> None:
    """The invited signs up; the same link leads nobody else in."""
    email = f"schmit-{link[-8:].lower()}@example.com"
    done = await sign_up(client, process, link, email)
    client.cookies.clear()
    await client.get(link)
    again = await client.get("/sign-up", headers={"accept": "text/html"})

    assert (done.status_code, done.headers["location"]) == (303, "/dashboard")
    assert "Sign-up is closed" in again.text
    async with database.sessions() as session:
        row = await session.scalar(
            select(SignUpInvitation)
            .where(SignUpInvitation.merchant_id.is_not(None))
            .order_by(SignUpInvitation.created_at.desc())
        )
    assert row is not None
    assert row.used_at is not None


async def test_two_who_began_with_one_link_make_one_shop(
    link: str, client: httpx2.AsyncClient, process: Process
) -> None:
    """Both got a mail; the first to confirm has the invitation, the other is refused and makes nothing."""
    emails = [f"{who}-{link[-8:].lower()}@example.com" for who in ("first", "second")]
    tokens = []
    for email in emails:
        client.cookies.clear()
        await client.get(link)
        await send(client, "/sign-up", form(email))
        tokens.append((dict(client.cookies), await token_to(process, email, "sign_up")))
    answers = []
    for cookies, token in tokens:
        client.cookies.clear()
        client.cookies.update(cookies)
        await client.get(f"/sign-up/confirm/{token}")
        answers.append(await send(client, "/sign-up/confirm"))

    assert [answer.status_code for answer in answers] == [303, 422]


@pytest.mark.parametrize("how", ["none", "forged", "withdrawn", "run out"])
async def test_without_a_good_invitation_nobody_signs_up(
    how: str,
    link: str,
    desk: Desk,
    client: httpx2.AsyncClient,
    process: Process,
    database: Database,
    clock: FixedClock,
) -> None:
    """The form is not there, a program is refused, and no mail goes out."""
    email = f"{how.replace(' ', '')}-{link[-8:].lower()}@example.com"
    token = link.rpartition("/")[2]
    if how == "forged":
        token = token[:-6] + "AAAAAA"
    if how == "withdrawn":
        async with database.sessions() as session:
            newest = select(SignUpInvitation.id).order_by(SignUpInvitation.id.desc()).limit(1)
            invitation_id = await session.scalar(newest)
        await desk.post("/operator/invitations", f"/operator/invitations/{invitation_id}/withdraw")
        client.cookies.clear()
    if how == "run out":
        clock.at += SIGN_UP_INVITATION_LIFETIME
    if how != "none":
        await client.get(f"/sign-up/invited/{token}")
    page = await client.get("/sign-up", headers={"accept": "text/html"})
    body = {**form(email), **({"invitation": token} if how != "none" else {})}
    refused = await client.post("/merchants", json=body)

    assert "Sign-up is closed" in page.text
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_up_closed")
    assert await mails_to(process, email) == []


async def test_a_program_brings_the_invitation_in_its_body(
    link: str, client: httpx2.AsyncClient, process: Process
) -> None:
    """POST /merchants takes the token; the answer is the usual one."""
    email = f"api-{link[-8:].lower()}@example.com"
    answer = await client.post("/merchants", json={**form(email), "invitation": link.rpartition("/")[2]})

    assert answer.status_code == 202
    assert await token_to(process, email, "sign_up")


async def test_a_form_sent_twice_makes_one_invitation(
    desk: Desk, only_invited: None, database: Database
) -> None:
    """The second sending of the same form shows no second link."""
    note = f"Twice {desk.operator.name}"
    forms = [{"note": note, "idempotency_key": f"key-{desk.operator.name}"} for _time in range(2)]
    answers = [await desk.post("/operator/invitations", "/operator/invitations", **form) for form in forms]
    async with database.sessions() as session:
        rows = (await session.scalars(select(SignUpInvitation).where(SignUpInvitation.note == note))).all()

    assert [answer.status_code for answer in answers] == [200, 303]
    assert len(rows) == 1


async def test_open_sign_up_needs_no_invitation(client: httpx2.AsyncClient) -> None:
    """The control: where sign-up is open the form is there."""
    page = await client.get("/sign-up", headers={"accept": "text/html"})

    assert page.status_code == 200
    assert 'name="password"' in page.text


async def test_the_link_is_in_the_database_as_a_hash_only(
    link: str, database: Database, clock: FixedClock
) -> None:
    """The stored row opens nothing, and ends after two weeks."""
    secret = link.rpartition(".")[2]
    async with database.sessions() as session:
        row = await session.scalar(select(SignUpInvitation).order_by(SignUpInvitation.id.desc()).limit(1))

    assert row is not None
    assert secret.encode() not in row.token_hash
    assert row.expires_at == clock.now() + timedelta(days=14)
