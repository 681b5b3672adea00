"""An account taken back from a stranger: what the stranger set up signs in no more."""

from __future__ import annotations

from app.modules.accounts.tests.helpers import NEW_PASSWORD, send, token_to
from app.modules.second_factor.tests.conftest import STEP, Person
from app.modules.second_factor.tests.software_key import SoftwareKey
from app.modules.second_factor.tests.test_passkeys import sign_in_with
from app.process import Process


async def take_back(person: Person, process: Process) -> str:
    """Click the first mail's link, choose a new password, and return where that leads."""
    token = await token_to(process, person.merchant.email, "new_device")
    await person.client.get(f"/not-me/link/{token}")
    asked = await send(person.client, "/not-me")
    assert asked.headers["location"] == "/password-reset/new"
    done = await send(person.client, "/password-reset/new", {"password": NEW_PASSWORD})
    return str(done.headers["location"])


async def test_a_strangers_passkey_does_not_survive_the_alarm(person: Person, process: Process) -> None:
    """Whoever knew the password and added a passkey is out: the owner needs no factor, the key opens nothing."""
    key = SoftwareKey()
    await person.add_passkey(key)

    assert await take_back(person, process) == "/dashboard"
    await person.sign_out()

    assert await sign_in_with(person, key) == "/sign-in"
    assert not await person.is_signed_in()


async def test_a_strangers_app_does_not_lock_the_owner_out(person: Person, process: Process) -> None:
    """An app set up after the sign-in that was told about is forgotten with its recovery codes."""
    codes = await person.set_up_app()

    assert await take_back(person, process) == "/dashboard"
    await person.sign_out()
    answer = await person.post("/sign-in", email=person.merchant.email, password=NEW_PASSWORD)

    assert (len(codes), answer.headers["location"]) == (10, "/dashboard")


async def test_an_older_factor_stays(person: Person, process: Process) -> None:
    """A factor from before the sign-in that was told about is asked for all the same: a mailbox takes none away."""
    await person.set_up_app()
    await person.sign_out()
    person.client.cookies.clear()
    await person.give_password()
    assert (await person.give_code(person.code())).status_code == 303

    assert await take_back(person, process) == STEP


async def test_an_alarm_ends_half_sign_ins(person: Person, process: Process) -> None:
    """A stranger who had given the old password before the alarm cannot go on to the second step afterwards."""
    await person.set_up_app()
    await person.sign_out()
    await person.give_password()
    half = person.client.cookies["half_sign_in"]
    await take_back(person, process)
    person.client.cookies.set("half_sign_in", half)

    assert (await person.client.get(STEP)).headers.get("location") == "/sign-in"
