"""The owner asks everyone for a second factor; members who leave and members who lost everything."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db.session import Database, tenant_scope
from app.kernel.audit import AuditEntry
from app.modules.accounts.public import MEMBER_GONE, MemberGone
from app.modules.second_factor import totp as totp_module
from app.modules.second_factor.models import MemberTotp, Passkey, RecoveryCode
from app.modules.second_factor.rules import format_secret
from app.modules.second_factor.tests.conftest import CODE, SECURITY, STEP, Person
from app.modules.second_factor.tests.software_key import SoftwareKey
from app.process import Process


async def test_who_has_none_is_led_through_setting_one_up(person: Person) -> None:
    """At the next sign-in no session opens before the first code; then it does, with recovery codes."""
    answer = await person.own("/required", required="true")
    assert answer.status_code == 303
    await person.sign_out()
    assert (await person.give_password()).headers["location"] == f"{STEP}?next=/dashboard"
    assert "Set it up now" in (await person.client.get(STEP)).text

    begun = await person.post(f"{STEP}/app", page=STEP)
    person.read_secret((await person.client.get(begun.headers["location"])).text)
    wrong = await person.post(f"{STEP}/app/confirm", page=f"{STEP}/app", code="1")
    assert wrong.status_code == 403
    assert not await person.is_signed_in()
    right = await person.post(f"{STEP}/app/confirm", page=f"{STEP}/app", code=person.code())
    assert len(CODE.findall(right.text)) == 10
    assert await person.is_signed_in()


async def test_json_opens_nothing_before_it_is_set_up(person: Person) -> None:
    """A program's sign-in says that a code is missing, and no code is right."""
    await person.own("/required", required="true")
    await person.sign_out()
    body = {"email": person.merchant.email, "password": person.password, "totp": "000000"}

    assert (await person.client.post("/sessions", json=body)).status_code == 401
    assert not await person.is_signed_in()


async def test_a_right_password_never_adds_a_second_app(person: Person) -> None:
    """A secret begun in the dashboard is not shown to the half signed in, and does not count for them."""
    await person.add_passkey(SoftwareKey())
    await person.begin_app()
    await person.sign_out()
    await person.give_password()

    begun = await person.post(f"{STEP}/app", page=STEP)
    shown = await person.client.get(f"{STEP}/app")
    confirmed = await person.post(f"{STEP}/app/confirm", page=STEP, code=person.code())

    assert (begun.status_code, shown.headers["location"]) == (303, STEP)
    assert confirmed.headers["location"] == "/sign-in"
    assert not await person.is_signed_in()


async def begun_in_the_dashboard(person: Person) -> None:
    """Begin an app in the dashboard, then sign in anew as far as the question for a first factor."""
    await person.own("/required", required="true")
    await person.begin_app()
    await person.sign_out()
    assert (await person.give_password()).headers["location"] == f"{STEP}?next=/dashboard"


async def test_a_secret_begun_in_the_dashboard_is_not_shown_at_the_sign_in(
    person: Person, database: Database
) -> None:
    """Whoever knows the password neither sees a secret that another session drew nor makes it count."""
    await begun_in_the_dashboard(person)
    secret = format_secret(base64.b32encode(person.secret).decode().rstrip("="))

    shown = await person.client.get(f"{STEP}/app")
    confirmed = await person.post(f"{STEP}/app/confirm", page=STEP, code=person.code())

    assert (shown.status_code, shown.headers["location"]) == (303, STEP)
    assert secret not in shown.text + confirmed.text
    assert not await person.is_signed_in()
    async with tenant_scope(database, person.merchant.id) as session:
        assert (await session.execute(select(MemberTotp.confirmed_at))).scalar_one() is None


async def test_control_without_its_mark_the_secret_is_shown(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where secrets are bound to no session, the half signed in reads the one from the dashboard."""
    monkeypatch.setattr(totp_module, "_mark", lambda _session, _begun_in: b"")
    await begun_in_the_dashboard(person)

    shown = await person.client.get(f"{STEP}/app")

    assert format_secret(base64.b32encode(person.secret).decode().rstrip("=")) in shown.text


async def test_another_session_of_the_same_member_is_not_shown_the_secret(
    person: Person, another: Any
) -> None:
    """Two browsers of one account: what one began, the other neither sees nor confirms."""
    await person.begin_app()
    other = Person(another(), person.merchant, person.clock, person.secret)
    assert (await other.give_password()).status_code == 303

    shown = await other.client.get(f"{SECURITY}/app")
    confirmed = await other.own("/app/confirm", code=person.code())

    assert (shown.status_code, shown.headers["location"]) == (303, SECURITY)
    assert confirmed.headers["location"] == SECURITY
    assert (await person.own("/app/confirm", code=person.code())).status_code == 200


async def test_the_last_factor_stays_where_one_is_required(person: Person, database: Database) -> None:
    """Neither the only app nor the only passkey can be removed; a second one can."""
    await person.own("/required", required="true")
    await person.set_up_app()
    refused = await person.own("/app/remove", password=person.password, code=person.code())
    person.clock.advance(minutes=1)
    assert refused.status_code == 409

    await person.add_passkey(SoftwareKey())
    removed = await person.own("/app/remove", password=person.password, code=person.code())
    assert removed.status_code == 303
    async with tenant_scope(database, person.merchant.id) as session:
        passkey_id = (await session.execute(select(Passkey.id))).scalar_one()
    last = await person.own(f"/passkeys/{passkey_id}/remove", password=person.password)
    assert last.status_code == 409
    assert await count(database, person, Passkey) == 1


async def count(database: Database, person: Person, table: Any) -> int:
    """Count the rows of the person's business."""
    async with tenant_scope(database, person.merchant.id) as session:
        return int((await session.execute(select(func.count()).select_from(table))).scalar_one())


async def test_only_the_owner_may_ask_everyone(app: Any) -> None:
    """No role besides the owner's holds the permission."""
    declared = app.state.registry.permissions()["second_factor.require"]

    assert declared.roles == frozenset()
    assert declared.api_scope is False


async def test_who_leaves_the_team_leaves_nothing(person: Person, database: Database) -> None:
    """The member's app, passkeys and recovery codes go with the member; a colleague's stay."""
    await person.set_up_app()
    await person.add_passkey(SoftwareKey())
    merchant = person.merchant
    async with tenant_scope(database, merchant.id) as session:
        stranger = MemberGone(session, merchant.id, merchant.id, person.clock.now())
        await MEMBER_GONE.tell(stranger)
    assert await count(database, person, RecoveryCode) == 10
    async with tenant_scope(database, merchant.id) as session:
        await MEMBER_GONE.tell(MemberGone(session, merchant.id, merchant.owner_id, person.clock.now()))

    assert [await count(database, person, table) for table in (MemberTotp, Passkey, RecoveryCode)] == [
        0,
        0,
        0,
    ]


async def test_the_operator_helps_out(person: Person, process: Process, database: Database) -> None:
    """After the command the password is enough; the entry says that it was the operator; twice does no harm."""
    from app.commands.accounts import reset_second_factor_in
    from app.commands.errors import CommandError

    await person.set_up_app()
    await person.add_passkey(SoftwareKey())
    await person.sign_out()

    assert "CoffeeLux" in await reset_second_factor_in(process, person.merchant.email.upper())
    assert (await person.give_password()).headers["location"] == "/dashboard"
    with pytest.raises(CommandError, match="has no second factor"):
        await reset_second_factor_in(process, person.merchant.email)
    with pytest.raises(CommandError, match="Nobody signs in"):
        await reset_second_factor_in(process, "nobody@example.com")
    async with tenant_scope(database, person.merchant.id) as session:
        row = (
            await session.execute(select(AuditEntry).where(AuditEntry.action == "second_factor.reset"))
        ).scalar_one()
    assert (row.actor_kind, row.target_id) == ("operator", person.merchant.owner_id)
    assert re.search(r"Only your password", (await person.client.get(SECURITY)).text)
