"""The authenticator app over HTTP: set up, sign in, limits, off."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.kernel.audit import AuditEntry
from app.modules.accounts.signing_in import half
from app.modules.messaging.models import OutboxMessage
from app.modules.second_factor import sign_in_pages, totp
from app.modules.second_factor.rules import matching_step
from app.modules.second_factor.tests.conftest import SECURITY, STEP, Person


async def test_an_app_counts_from_its_first_code_on(person: Person) -> None:
    """Until a code confirms it the password is enough; afterwards it leads to the second step."""
    await person.begin_app()
    await person.sign_out()
    before = await person.give_password()
    assert (before.status_code, before.headers["location"]) == (303, "/dashboard")

    codes = await person.set_up_app()
    await person.sign_out()
    half_way = await person.give_password()

    assert len(set(codes)) == 10
    assert half_way.headers["location"] == f"{STEP}?next=/dashboard"
    assert not await person.is_signed_in()
    answer = await person.give_code(person.code())
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
    assert await person.is_signed_in()


async def test_a_wrong_first_code_sets_nothing_up(person: Person) -> None:
    """The page stays with the same secret, says so, and the password goes on being enough."""
    await person.begin_app()
    secret = person.secret
    wrong = f"{(int(person.code()) + 1) % 1_000_000:06}"

    answer = await person.own("/app/confirm", code=wrong)

    assert answer.status_code == 403
    person.read_secret(answer.text)
    assert person.secret == secret
    await person.sign_out()
    assert (await person.give_password()).headers["location"] == "/dashboard"


async def test_setting_up_asks_for_the_password(person: Person) -> None:
    """A wrong password shows no secret and keeps none."""
    answer = await person.own("/app", password="not-the-password")

    assert answer.status_code == 403
    assert (await person.client.get(f"{SECURITY}/app")).headers["location"] == SECURITY


@pytest.mark.parametrize(("steps", "status"), [(-2, 403), (-1, 303), (0, 303), (1, 303), (2, 403)])
async def test_a_clock_may_be_off_by_one_step(person: Person, steps: int, status: int) -> None:
    """The codes before and after are taken, those beyond are not."""
    await person.set_up_app()
    await person.sign_out()
    await person.give_password()
    person.clock.advance(minutes=2)

    assert (await person.give_code(person.code(steps=steps))).status_code == status
    assert await person.is_signed_in() is (status == 303)


async def sign_in_twice_with_one_code(person: Person) -> list[int]:
    """Sign in with a code, out, and in again with the same code; return what both answered."""
    await person.set_up_app()
    code, found = person.code(), []
    for _turn in range(2):
        await person.sign_out()
        await person.give_password()
        found.append((await person.give_code(code)).status_code)
    return found


async def test_a_code_signs_in_once(person: Person) -> None:
    """Somebody who read the code over a shoulder cannot use it again."""
    assert await sign_in_twice_with_one_code(person) == [303, 403]
    assert not await person.is_signed_in()


async def test_without_the_guard_a_code_signs_in_twice(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: where the last step is not looked at, the code is good again."""
    monkeypatch.setattr(totp, "matching_step", lambda *args, **_last: matching_step(*args, last_step=None))

    assert await sign_in_twice_with_one_code(person) == [303, 303]


async def test_one_code_at_the_same_moment_signs_in_once(person: Person, another: Any) -> None:
    """Two browsers, one code: the row's lock lets one in."""
    await person.set_up_app()
    await person.sign_out()
    others = [Person(another(), person.merchant, person.clock, person.secret) for _number in range(4)]
    for other in others:
        await other.give_password()

    answers = await asyncio.gather(*(other.give_code(person.code()) for other in others))

    assert sorted(answer.status_code for answer in answers) == [303, 403, 403, 403]


async def guess(person: Person, count: int) -> list[int]:
    """Type wrong codes, one after the other."""
    right = int(person.code())
    return [
        (await person.give_code(f"{(right + 1 + number) % 1_000_000:06}")).status_code
        for number in range(count)
    ]


async def test_five_wrong_codes_pause_the_second_step(person: Person) -> None:
    """The sixth is not looked at, be it right; the password goes on, and after the pause so does the code."""
    await person.set_up_app()
    await person.sign_out()
    await person.give_password()
    assert await guess(person, 5) == [403] * 5

    paused = await person.give_code(person.code())
    assert paused.status_code == 429
    assert int(paused.headers["retry-after"]) == 900
    assert "taken again in 15 minutes" in paused.text
    # A new half sign-in does not help, and the first step is not locked.
    again = await person.give_password()
    assert (again.status_code, again.headers["location"]) == (303, f"{STEP}?next=/dashboard")
    assert (await person.give_code(person.code())).status_code == 429
    assert not await person.is_signed_in()

    person.clock.advance(minutes=15)
    await person.give_password()
    assert (await person.give_code(person.code())).status_code == 303


async def test_the_pause_is_whole_whenever_it_begins(person: Person) -> None:
    """The fifth wrong code comes fourteen minutes after the first: a quarter of an hour from there, not a minute."""
    await person.set_up_app()
    await person.sign_out()
    await person.give_password()
    assert await guess(person, 4) == [403] * 4
    person.clock.advance(minutes=14)
    await person.give_password()
    assert await guess(person, 1) == [403]

    person.clock.advance(minutes=14)
    await person.give_password()
    assert (await person.give_code(person.code())).headers["retry-after"] == "60"
    person.clock.advance(minutes=1)
    assert (await person.give_code(person.code())).status_code == 303


async def test_wrong_codes_long_ago_count_no_more(person: Person) -> None:
    """Four wrong codes, a quarter of an hour, and five more are looked at."""
    await person.set_up_app()
    await person.sign_out()
    await person.give_password()
    assert await guess(person, 4) == [403] * 4
    person.clock.advance(minutes=15)
    await person.give_password()

    assert await guess(person, 4) == [403] * 4
    assert (await person.give_code(person.code())).status_code == 303


async def test_without_the_limit_guessing_goes_on(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: where the reservation asks no limit, the sixth code is looked at."""
    monkeypatch.setattr(half, "FACTOR_TRIES_MAX", 1_000)
    await person.set_up_app()
    await person.sign_out()
    await person.give_password()
    await guess(person, 5)

    assert (await person.give_code(person.code())).status_code == 303


async def guess_at_once(person: Person, another: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """Type twenty wrong codes from ten browsers at once; return how many were looked at."""
    looked: list[str] = []
    real = sign_in_pages.check_code

    async def counted(*args: Any, **values: Any) -> bool:
        looked.append(values["code"])
        return await real(*args, **values)

    monkeypatch.setattr(sign_in_pages, "check_code", counted)
    await person.set_up_app()
    others = [Person(another(), person.merchant, person.clock, person.secret) for _number in range(10)]
    for other in others:
        await other.give_password()
    await asyncio.gather(*(guess(other, 2) for other in others))
    return len(looked)


async def test_codes_at_once_are_counted_before_they_are_looked_at(
    person: Person, another: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty wrong codes at the same moment: five are looked at."""
    assert await guess_at_once(person, another, monkeypatch) == 5


async def test_without_the_reservation_all_codes_are_looked_at(
    person: Person, another: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: nothing reserved, all twenty are."""

    async def nothing(*_args: Any, **_values: Any) -> None:
        return None

    monkeypatch.setattr(half, "reserve_factor_try", nothing)
    assert await guess_at_once(person, another, monkeypatch) == 20


async def test_turning_off_asks_for_password_and_code(person: Person) -> None:
    """Each alone is refused and the app stays; both together end it."""
    await person.set_up_app()
    no_code = await person.own("/app/remove", password=person.password, code="")
    wrong_password = await person.own("/app/remove", password="wrong", code=person.code())
    assert (no_code.status_code, wrong_password.status_code) == (403, 403)
    await person.sign_out()
    assert (await person.give_password()).headers["location"].startswith(STEP)
    await person.give_code(person.code())
    person.clock.advance(minutes=1)

    answer = await person.own("/app/remove", password=person.password, code=person.code())

    assert (answer.status_code, answer.headers["location"]) == (303, SECURITY)
    await person.sign_out()
    assert (await person.give_password()).headers["location"] == "/dashboard"


async def test_json_takes_the_code_beside_the_password(person: Person) -> None:
    """`POST /sessions` without the code says what is missing; with a wrong one it opens nothing."""
    await person.set_up_app()
    await person.sign_out()
    body = {"email": person.merchant.email, "password": person.password}

    missing = await person.client.post("/sessions", json=body)
    wrong = await person.client.post("/sessions", json={**body, "totp": "000000"})
    assert (missing.status_code, missing.json()["code"]) == (401, "totp_required")
    assert wrong.status_code == 401
    assert not await person.is_signed_in()
    right = await person.client.post("/sessions", json={**body, "totp": person.code()})
    assert right.status_code == 201
    assert await person.is_signed_in()


async def test_a_second_step_without_a_first_leads_to_the_sign_in(person: Person) -> None:
    """Without a half sign-in no address of the second step does anything."""
    await person.set_up_app()
    await person.sign_out()

    page = await person.client.get(STEP)
    answer = await person.post(STEP, code=person.code())
    options = await person.client.post(f"{STEP}/passkey/options", json={})

    assert (page.status_code, page.headers["location"]) == (303, "/sign-in")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert (options.status_code, options.json()["code"]) == (422, "link_unusable")
    assert not await person.is_signed_in()


async def test_changes_leave_entries_and_mails(person: Person, database: Database) -> None:
    """On and off are in the audit trail, and each sent a mail to the member."""
    await person.set_up_app()
    await person.own("/app/remove", password=person.password, code=person.code())

    async with tenant_scope(database, person.merchant.id) as session:
        actions = (await session.execute(select(AuditEntry.action).order_by(AuditEntry.id))).scalars().all()
        mails = await session.execute(
            select(OutboxMessage.recipient).where(OutboxMessage.kind == "factor_changed")
        )
        assert [action for action in actions if action.startswith("second_factor.")] == [
            "second_factor.app_on",
            "second_factor.app_off",
        ]
        assert mails.scalars().all() == [person.merchant.email] * 2
