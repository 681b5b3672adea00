"""Passkeys over HTTP: added, used alone and after the password; every way to cheat is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db.session import Database, tenant_scope
from app.kernel.audit import AuditEntry
from app.modules.merchants.factories import make_merchant
from app.modules.second_factor.models import Passkey, PasskeyChallenge
from app.modules.second_factor.passkeys import challenges
from app.modules.second_factor.passkeys import service as passkey_service
from app.modules.second_factor.tests.conftest import CODE, SECURITY, STEP, Person
from app.modules.second_factor.tests.software_key import PRESENT, SoftwareKey


async def ask(person: Person, *, page: str = "/sign-in") -> dict[str, Any]:
    """Get the question as the page's script does."""
    answer = await person.client.post(f"{page}/passkey/options", json={})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def sign_in_with(person: Person, key: SoftwareKey, **use: Any) -> str:
    """Sign in with a passkey alone; return where that leads."""
    answer = await person.post("/sign-in/passkey", credential=key.use(await ask(person), **use))
    return str(answer.headers["location"])


async def test_a_passkey_signs_in_alone(person: Person) -> None:
    """No name, no password: the key says whose it is. The first one brings recovery codes."""
    key = SoftwareKey()
    added = await person.add_passkey(key, name="My phone")
    assert len(CODE.findall(added.text)) == 10
    await person.sign_out()

    assert await sign_in_with(person, key) == "/dashboard"
    assert await person.is_signed_in()
    assert "My phone" in (await person.client.get(SECURITY)).text


async def test_a_passkey_is_the_second_step(person: Person) -> None:
    """With a passkey the password alone opens nothing; the passkey, or a recovery code, goes on."""
    key = SoftwareKey()
    codes = CODE.findall((await person.add_passkey(key)).text)
    await person.sign_out()
    assert (await person.give_password()).headers["location"] == f"{STEP}?next=/dashboard"
    assert not await person.is_signed_in()

    options = await ask(person, page=STEP)
    assert len(options["allowCredentials"]) == 1
    answer = await person.post(f"{STEP}/passkey", page=STEP, credential=key.use(options))
    assert (answer.status_code, await person.is_signed_in()) == (303, True)
    await person.sign_out()
    await person.give_password()
    assert (await person.give_code(codes[0])).status_code == 303


async def test_adding_asks_for_the_password(person: Person) -> None:
    """Without it there is no question, and an answer to another question is none."""
    wrong = await person.client.post(f"{SECURITY}/passkeys/options", json={"password": "wrong"})
    made_up = SoftwareKey().make({"challenge": "AAAA", "user": {"id": "AAAA"}})
    answer = await person.own("/passkeys", credential=made_up)

    assert (wrong.status_code, wrong.json()["code"]) == (403, "password_wrong")
    assert answer.status_code == 403
    await person.sign_out()
    assert (await person.give_password()).headers["location"] == "/dashboard"


@pytest.mark.parametrize(
    "key",
    [
        SoftwareKey(origin="https://stempel.example.com"),
        SoftwareKey(origin="http://testserver:81"),
        SoftwareKey(rp_id="example.com"),
        SoftwareKey(flags=PRESENT),
        SoftwareKey(flags=0),
    ],
    ids=["other origin", "other port", "other host", "owner not recognised", "nobody there"],
)
async def test_a_key_made_elsewhere_is_refused(person: Person, database: Database, key: SoftwareKey) -> None:
    """Origin and host come from the installation's own address; the device must have recognised its owner."""
    answer = await person.add_passkey(key)

    assert answer.status_code == 403
    async with tenant_scope(database, person.merchant.id) as session:
        assert (await session.execute(select(func.count()).select_from(Passkey))).scalar_one() == 0


@pytest.mark.parametrize(
    "change", [{"origin": "https://evil.example"}, {"rp_id": "evil.example"}, {"flags": 1}]
)
async def test_an_answer_given_elsewhere_is_refused(person: Person, change: dict[str, Any]) -> None:
    """The same key on another site, or without its owner, signs nobody in."""
    key = SoftwareKey()
    await person.add_passkey(key)
    await person.sign_out()
    for name, value in change.items():
        setattr(key, name, value)

    assert await sign_in_with(person, key) == "/sign-in"
    assert not await person.is_signed_in()


async def replay(person: Person) -> list[str]:
    """Use one answer twice; return where both led."""
    key = SoftwareKey()
    await person.add_passkey(key)
    await person.sign_out()
    answer = key.use(await ask(person))
    mark = person.client.cookies["passkey_mark"]
    found = []
    for _turn in range(2):
        person.client.cookies.set("passkey_mark", mark, domain="testserver.local", path="/")
        sent = await person.post("/sign-in/passkey", credential=answer)
        found.append(sent.headers["location"])
        await person.sign_out() if await person.is_signed_in() else None
    return found


async def test_a_question_is_answered_once(person: Person) -> None:
    """A recorded answer is worth nothing."""
    assert await replay(person) == ["/dashboard", "/sign-in"]


async def test_without_using_questions_up_an_answer_is_replayed(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: where the question stays, the recorded answer signs in again."""

    async def look_only(session: Any, asked: Any, *, challenge: bytes, now: Any) -> bool:
        hashed = challenges.sha256(challenge).digest()
        return await session.get(PasskeyChallenge, hashed) is not None

    monkeypatch.setattr(passkey_service, "take_answer", look_only)
    assert await replay(person) == ["/dashboard", "/dashboard"]


async def test_a_question_ends_after_five_minutes(person: Person) -> None:
    """Up to its last second it may be answered, and not at its end."""
    key = SoftwareKey()
    await person.add_passkey(key)
    await person.sign_out()
    first, second = await ask(person), None
    person.clock.advance(minutes=5)
    late = await person.post("/sign-in/passkey", credential=key.use(first))
    second = await ask(person)
    person.clock.advance(minutes=4, seconds=59)
    in_time = await person.post("/sign-in/passkey", credential=key.use(second))

    assert (late.headers["location"], in_time.headers["location"]) == ("/sign-in", "/dashboard")


async def test_a_question_belongs_to_the_browser_that_asked(person: Person, another: Any) -> None:
    """An answer carried to another browser opens no session there."""
    key = SoftwareKey()
    await person.add_passkey(key)
    await person.sign_out()
    answer = key.use(await ask(person))
    stranger = Person(another(), person.merchant, person.clock)
    await ask(stranger)

    sent = await stranger.post("/sign-in/passkey", credential=answer)

    assert sent.headers["location"] == "/sign-in"
    assert not await stranger.is_signed_in()


async def test_a_copied_key_is_blocked(person: Person, database: Database) -> None:
    """A counter that stands still tells that there are two; neither signs in from then on, and an entry is left."""
    key = SoftwareKey(count=0)
    await person.add_passkey(key)
    await person.sign_out()
    assert await sign_in_with(person, key) == "/dashboard"
    await person.sign_out()

    assert await sign_in_with(person, key, count=1) == "/sign-in"
    assert await sign_in_with(person, key, count=9) == "/sign-in"
    assert not await person.is_signed_in()
    async with tenant_scope(database, person.merchant.id) as session:
        actions = (await session.execute(select(AuditEntry.action))).scalars().all()
    assert actions.count("passkey.blocked") == 1


async def test_a_key_opens_its_own_account_only(person: Person, another: Any, database: Database) -> None:
    """A key that claims to be somebody else's is refused, alone and as the second step of that account."""
    key, others_key = SoftwareKey(), SoftwareKey()
    await person.add_passkey(key)
    other = Person(another(), await make_merchant(database), person.clock)
    await other.give_password()
    await other.add_passkey(others_key)
    await other.sign_out()

    claimed, key.handle = key.handle, others_key.handle
    assert await sign_in_with(other, key) == "/sign-in"
    key.handle = claimed
    await other.give_password()
    answer = await other.post(f"{STEP}/passkey", page=STEP, credential=key.use(await ask(other, page=STEP)))

    assert answer.status_code == 403
    assert not await other.is_signed_in()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        "[]",
        '"text"',
        "[" * 10_000,
        json.dumps({"rawId": "AAAA", "response": {"clientDataJSON": "bm90IGpzb24"}}),
        json.dumps({"rawId": 5, "response": {"clientDataJSON": ["e30"]}}),
        json.dumps({"rawId": "", "response": {"clientDataJSON": "eyJjaGFsbGVuZ2UiOiJBQUFBIn0"}}),
        json.dumps({"rawId": "ä", "response": {"clientDataJSON": "eyJjaGFsbGVuZ2UiOiJBQUFBIn0"}}),
    ],
)
async def test_nonsense_is_refused_everywhere(person: Person, text: str) -> None:
    """What is no answer at all gets the same refusal as a wrong one."""
    added = await person.own("/passkeys", credential=text)
    alone = await person.post("/sign-in/passkey", credential=text)

    assert added.status_code == 403
    assert (alone.status_code, alone.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize(
    "part", ["attestationObject", "clientDataJSON", "authenticatorData", "signature", "type", "id"]
)
async def test_a_spoiled_answer_is_refused(person: Person, part: str) -> None:
    """Each part of an answer, replaced by bytes that mean nothing, is a refusal and never an error."""
    key = SoftwareKey()
    options = await person.client.post(f"{SECURITY}/passkeys/options", json={"password": person.password})
    made = json.loads(key.make(options.json()))
    spoiled = {**made, part: "AAAA"} if part in made else made
    spoiled["response"] = {**made["response"], **({} if part in made else {part: "AAAA"})}
    added = await person.own("/passkeys", credential=json.dumps(spoiled))
    assert added.status_code in {200, 403}
    if added.status_code == 403:
        await person.add_passkey(key)
    await person.sign_out()
    used = json.loads(key.use(await ask(person)))
    if part not in used and part not in used["response"]:
        return
    target = used if part in used else used["response"]
    target[part] = "AAAA"

    answer = await person.post("/sign-in/passkey", credential=json.dumps(used))

    assert answer.headers["location"] == "/sign-in"
    assert not await person.is_signed_in()


async def test_passkeys_are_named_renamed_and_removed(person: Person, database: Database) -> None:
    """Names are told apart; removing asks for the password; a removed key signs nobody in."""
    first, second = SoftwareKey(), SoftwareKey()
    await person.add_passkey(first, name="Phone")
    await person.add_passkey(second, name="Phone")
    async with tenant_scope(database, person.merchant.id) as session:
        rows = (await session.execute(select(Passkey).order_by(Passkey.id))).scalars().all()
    assert [row.name for row in rows] == ["Phone", "Phone 2"]

    renamed = await person.own(f"/passkeys/{rows[1].id}/rename", name="Laptop")
    refused = await person.own(f"/passkeys/{rows[0].id}/remove", password="wrong")
    assert (renamed.status_code, refused.status_code) == (303, 403)
    removed = await person.own(f"/passkeys/{rows[0].id}/remove", password=person.password)
    again = await person.own(f"/passkeys/{rows[0].id}/remove", password=person.password)
    assert (removed.status_code, again.status_code) == (303, 404)
    page = (await person.client.get(SECURITY)).text
    assert ("Laptop" in page, "Phone" in page) == (
        True,
        "Phone" in page.replace("Phone 2", "").replace("My phone", ""),
    )
    await person.sign_out()
    assert await sign_in_with(person, first) == "/sign-in"
    assert await sign_in_with(person, second) == "/dashboard"


async def test_somebody_elses_passkey_cannot_be_touched(
    person: Person, another: Any, database: Database
) -> None:
    """Another business's id is not found, and the key stays as it was."""
    await person.add_passkey(SoftwareKey(), name="Mine")
    async with tenant_scope(database, person.merchant.id) as session:
        passkey_id = (await session.execute(select(Passkey.id))).scalar_one()
    other = Person(another(), await make_merchant(database), person.clock)
    await other.give_password()

    renamed = await other.own(f"/passkeys/{passkey_id}/rename", name="Theirs")
    removed = await other.own(f"/passkeys/{passkey_id}/remove", password=other.password)

    assert (renamed.status_code, removed.status_code) == (404, 404)
    assert "Mine" in (await person.client.get(SECURITY)).text
