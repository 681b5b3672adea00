"""The authenticator app over HTTP: set up, sign in, limits, off."""

from __future__ import annotations

from app.modules.second_factor.tests.conftest import SECURITY, STEP, Person


async def test_an_app_counts_from_its_first_code_on(person: Person) -> None:
    """Until a code confirms it the password is enough; afterwards it leads to the second step."""
    await person.begin_app()
    await person.sign_out()
    before = await person.give_password()
    assert (before.status_code, before.headers["location"]) == (303, "/dashboard")

    codes = await person.set_up_app()
    await person.sign_out()
    half = await person.give_password()

    assert len(set(codes)) == 10
    assert half.headers["location"] == f"{STEP}?next=/dashboard"
    assert not await person.is_signed_in()
    answer = await person.give_code(person.code())
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
    assert await person.is_signed_in()
