"""Who gets onto the operator's pages, and who does not."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from app.db.session import Database
from app.kernel.clock import FixedClock
from app.kernel.outcomes import Refusal
from app.modules.accounts.public import Browser
from app.modules.merchants.factories import make_merchant
from app.modules.operators.factories import PASSWORD, MadeOperator, make_operator, sign_in_operator
from app.modules.operators.models import Operator, OperatorEntry, OperatorSession
from app.modules.operators.rules import SESSION_IDLE_MAX, SESSION_LIFETIME
from app.modules.operators.signing_in import service
from app.modules.operators.signing_in.service import Credentials, OperatorSignedIn, sign_in
from tests.architecture.documents import docs

from .conftest import Desk

CSRF = re.compile(r'name="csrf" value="([^"]+)"')


async def try_sign_in(client: httpx2.AsyncClient, app: FastAPI, **form: str) -> httpx2.Response:
    """Send the form as a browser does."""
    await app.state.limiter.reset()
    shown = await client.get("/operator/sign-in", headers={"accept": "text/html"})
    csrf = CSRF.search(shown.text)
    assert csrf is not None
    return await client.post(
        "/operator/sign-in", data={"csrf": csrf[1], **form}, headers={"accept": "text/html"}
    )


async def count_sessions(database: Database, made: MadeOperator) -> int:
    """Count an operator's sessions."""
    statement = (
        select(func.count())
        .select_from(OperatorSession)
        .join(Operator, Operator.id == OperatorSession.operator_id)
        .where(Operator.name == made.name)
    )
    async with database.sessions() as session:
        return int(await session.scalar(statement) or 0)


async def test_name_password_and_code_open_the_overview(
    client: httpx2.AsyncClient, app: FastAPI, clock: FixedClock, operator: MadeOperator
) -> None:
    """All three at once lead in; the cookie is HttpOnly and has a name of its own."""
    answer = await try_sign_in(
        client, app, name=operator.name, password=PASSWORD, code=operator.code(clock.now())
    )
    overview = await client.get("/operator", headers={"accept": "text/html"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/operator")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if "operator_session=" in c)
    assert "HttpOnly" in cookie
    assert overview.status_code == 200
    assert "Overview" in overview.text


@pytest.mark.parametrize("wrong", ["name", "password", "code", "old code"])
async def test_whatever_is_wrong_there_is_one_answer_and_no_session(
    wrong: str,
    client: httpx2.AsyncClient,
    app: FastAPI,
    database: Database,
    clock: FixedClock,
    operator: MadeOperator,
) -> None:
    """401 with one text; nobody is signed in."""
    now = clock.now()
    typed = {"name": operator.name, "password": PASSWORD, "code": operator.code(now)}
    typed |= {
        "name": {"name": "nobody-here"},
        "password": {"password": "walnut-harbour"},
        "code": {"code": operator.code(now, ahead=9)},
        "old code": {"code": operator.code(now, ahead=-3)},
    }[wrong]
    answer = await try_sign_in(client, app, **typed)

    assert answer.status_code == 401
    assert "Name, password and code do not belong together." in answer.text
    assert await count_sessions(database, operator) == 0


async def test_a_code_counts_once(database: Database, clock: FixedClock, operator: MadeOperator) -> None:
    """The second use of a code is refused, the next code is not."""
    await sign_in_operator(database, operator, now=clock.now())
    outcomes = []
    for code in (operator.code(clock.now()), operator.code(clock.now(), ahead=1)):
        async with database.sessions() as session, session.begin():
            typed = Credentials(operator.name, PASSWORD, code, Browser(address="192.0.2.2"))
            outcomes.append(await sign_in(session, typed, now=clock.now()))

    assert outcomes[0] == Refusal("operator_refused")
    assert isinstance(outcomes[1], OperatorSignedIn)


async def test_a_wrong_password_does_not_use_the_code_up(
    database: Database, clock: FixedClock, operator: MadeOperator
) -> None:
    """Whoever saw a code cannot spend it without the password."""
    code = operator.code(clock.now())
    async with database.sessions() as session, session.begin():
        await sign_in(session, Credentials(operator.name, "no", code, Browser("192.0.2.3")), now=clock.now())
    async with database.sessions() as session, session.begin():
        typed = Credentials(operator.name, PASSWORD, code, Browser("192.0.2.3"))
        outcome = await sign_in(session, typed, now=clock.now())

    assert isinstance(outcome, OperatorSignedIn)


async def guess(database: Database, clock: FixedClock, operator: MadeOperator, *, times: int) -> list[Any]:
    """Try wrong codes from many addresses."""
    outcomes = []
    for number in range(times):
        browser = Browser(address=f"198.51.100.{number}")
        async with database.sessions() as session, session.begin():
            typed = Credentials(operator.name, PASSWORD, "000000", browser)
            outcomes.append(await sign_in(session, typed, now=clock.now()))
    return outcomes


async def test_the_eleventh_guess_is_not_verified(
    database: Database, clock: FixedClock, operator: MadeOperator
) -> None:
    """Ten tries a quarter of an hour over all addresses; then even the right code waits."""
    outcomes = await guess(database, clock, operator, times=11)
    async with database.sessions() as session, session.begin():
        typed = Credentials(operator.name, PASSWORD, operator.code(clock.now()), Browser("203.0.113.9"))
        right = await sign_in(session, typed, now=clock.now())

    assert [outcome.code for outcome in outcomes] == ["operator_refused"] * 10 + ["rate_limited"]
    assert isinstance(right, Refusal)
    assert right.code == "rate_limited"
    assert await count_sessions(database, operator) == 0


async def test_control_without_counting_first_guessing_goes_on(
    database: Database, clock: FixedClock, operator: MadeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken away: the eleventh guess is verified like the first."""

    async def never(*_given: Any, **_named: Any) -> None:
        return None

    monkeypatch.setattr(service, "reserve_attempt", never)
    outcomes = await guess(database, clock, operator, times=11)

    assert [outcome.code for outcome in outcomes] == ["operator_refused"] * 11


async def test_strangers_do_not_lock_a_known_browser_out(
    database: Database, clock: FixedClock, operator: MadeOperator
) -> None:
    """A browser this operator has used is counted by itself."""
    async with database.sessions() as session, session.begin():
        typed = Credentials(operator.name, PASSWORD, operator.code(clock.now()), Browser("192.0.2.5"))
        first = await sign_in(session, typed, now=clock.now())
    assert isinstance(first, OperatorSignedIn)
    await guess(database, clock, operator, times=12)
    async with database.sessions() as session, session.begin():
        known = Browser("192.0.2.5", device=first.device)
        typed = Credentials(operator.name, PASSWORD, operator.code(clock.now(), ahead=1), known)
        again = await sign_in(session, typed, now=clock.now())

    assert isinstance(again, OperatorSignedIn)


@pytest.mark.parametrize("how", ["nobody", "a merchant", "idle", "old", "revoked", "forged", "removed"])
async def test_everybody_else_is_led_to_the_sign_in(
    how: str, app: FastAPI, desk: Desk, database: Database, clock: FixedClock
) -> None:
    """Every page and every form of the operator's is shut to all the others."""
    headers = {
        "nobody": {},
        "forged": {"Cookie": desk.headers["Cookie"][:-4] + "AAAA"},
        "a merchant": (await make_merchant(database)).headers if how == "a merchant" else {},
    }.get(how, desk.headers)
    if how == "idle":
        clock.at += SESSION_IDLE_MAX
    if how == "old":
        async with database.sessions() as session, session.begin():
            await session.execute(update(OperatorSession).values(last_seen_at=clock.now() + SESSION_LIFETIME))
        clock.at += SESSION_LIFETIME
    if how in {"revoked", "removed"}:
        async with database.sessions() as session, session.begin():
            await session.execute(update(OperatorSession).values(revoked_at=clock.now()))
    wrong = []
    for method, path in operator_routes(app):
        answer = await desk.client.request(
            method, path, headers={"origin": "http://testserver", **headers, "accept": "text/html"}
        )
        is_form = method == "POST" and answer.status_code in {403, 415}
        if not is_form and (
            answer.status_code != 303 or not answer.headers["location"].startswith("/operator/sign-in")
        ):
            wrong.append(f"{method} {path}: {answer.status_code}")

    assert len(operator_routes(app)) >= 12
    assert wrong == []


def operator_routes(app: FastAPI) -> list[tuple[str, str]]:
    """Return every page and form behind the operator's sign-in."""
    found = []
    for route in docs.list_routes(list(app.routes)):
        if route.path.startswith("/operator") and route.path != "/operator/sign-in":
            path = re.sub(
                r"\{job_id\}",
                "1",
                re.sub(r"\{invitation_id\}", f"{'0' * 8}-{'0' * 4}-7000-8000-{'0' * 12}", route.path),
            )
            found += [(method, path) for method in sorted(route.methods - {"HEAD"})]
    return found


async def test_an_operator_is_nobody_in_a_shop(desk: Desk) -> None:
    """The operator's session opens no dashboard."""
    answer = await desk.get("/dashboard")

    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")


async def test_signing_out_ends_the_session_and_leaves_entries(desk: Desk, database: Database) -> None:
    """The old cookie opens nothing; the record says who came and went."""
    answer = await desk.post("/operator", "/operator/sign-out")
    after = await desk.get("/operator")
    async with database.sessions() as session:
        statement = select(OperatorEntry.action).where(OperatorEntry.operator_name == desk.operator.name)
        actions = list((await session.scalars(statement.order_by(OperatorEntry.id))).all())

    assert answer.status_code == 303
    assert after.status_code == 303
    assert actions == ["session.opened", "session.closed"]


async def test_a_second_operator_of_the_same_name_is_refused(
    database: Database, clock: FixedClock, operator: MadeOperator
) -> None:
    """Names are unique; the first one's password and app stay."""
    async with database.sessions() as session, session.begin():
        made = await service_create(session, operator.name, clock)

    assert made is None
    assert await sign_in_operator(database, operator, now=clock.now())


async def service_create(session: Any, name: str, clock: FixedClock) -> Any:
    """Make an operator of this name."""
    from app.modules.operators.signing_in.accounts import create_operator

    return await create_operator(session, name, password=PASSWORD, now=clock.now())


async def test_a_reset_ends_sessions_and_the_old_app(
    desk: Desk, database: Database, clock: FixedClock
) -> None:
    """After it neither the session nor the old code is good."""
    from app.modules.operators.signing_in.accounts import reset_operator

    async with database.sessions() as session, session.begin():
        await reset_operator(session, desk.operator.name, password=PASSWORD + "-2", now=clock.now())
    after = await desk.get("/operator")
    clock.at += timedelta(minutes=1)
    async with database.sessions() as session, session.begin():
        old = Credentials(
            desk.operator.name, PASSWORD + "-2", desk.operator.code(clock.now()), Browser("192.0.2.6")
        )
        outcome = await sign_in(session, old, now=clock.now())

    assert after.status_code == 303
    assert outcome == Refusal("operator_refused")


async def test_the_secret_is_sealed_and_the_password_hashed(database: Database, clock: FixedClock) -> None:
    """A dump without the keys opens nothing."""
    made = await make_operator(database, now=clock.now())
    async with database.sessions() as session:
        row = await session.scalar(select(Operator).where(Operator.name == made.name))

    assert row is not None
    assert made.secret not in row.sealed_secret
    assert row.password_hash.startswith("$argon2id$")
