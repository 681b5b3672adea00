"""Recovery codes over HTTP: once each, once at once, replaced, and of no use to who steals the database."""

from __future__ import annotations

import asyncio
import base64
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.db.session import Database, tenant_scope, to_async_url
from app.modules.second_factor import service
from app.modules.second_factor.models import MemberTotp, RecoveryCode
from app.modules.second_factor.recovery import hash_recovery_code
from app.modules.second_factor.rules import parse_recovery_code
from app.modules.second_factor.tests.conftest import CODE, SECURITY, Person
from app.modules.second_factor.tests.software_key import SoftwareKey
from app.modules.second_factor.totp import SEALED_SECRETS
from app.process import Process
from app.utils.security import Keyring
from tests.waiting import Meeting

TABLES = ("member_totp", "recovery_code", "passkey", "passkey_challenge", "half_sign_in", "merchant_session")


async def test_a_recovery_code_signs_in_once(person: Person) -> None:
    """In small letters and without dashes it is the same code; the second time it is none."""
    code = (await person.set_up_app())[3]
    await person.sign_out()
    await person.give_password()

    assert (await person.give_code(code.lower().replace("-", ""))).status_code == 303
    assert await person.is_signed_in()
    await person.sign_out()
    await person.give_password()
    assert (await person.give_code(code)).status_code == 403
    assert not await person.is_signed_in()


async def use_at_once(person: Person, another: Any) -> list[int]:
    """Use one recovery code in four browsers at the same moment; return what they answered."""
    code = (await person.set_up_app())[0]
    others = [Person(another(), person.merchant, person.clock) for _number in range(4)]
    for other in others:
        await other.give_password()
    return sorted(a.status_code for a in await asyncio.gather(*(other.give_code(code) for other in others)))


async def test_a_code_used_at_once_signs_in_once(person: Person, another: Any) -> None:
    """Four browsers, one code: one session."""
    assert await use_at_once(person, another) == [303, 403, 403, 403]


async def test_without_the_lock_a_code_signs_in_twice(
    person: Person, another: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: look first, write afterwards, and all four are let in."""
    looked = Meeting(4)

    async def look_then_write(
        session: AsyncSession, merchant_id: UUID, *, member_id: UUID, code: str, now: datetime
    ) -> bool:
        unused = select(RecoveryCode.id).where(
            RecoveryCode.code_hash == _hash(session, merchant_id, member_id, code),
            RecoveryCode.used_at.is_(None),
        )
        found = (await session.execute(unused)).scalar_one_or_none()
        await looked.wait()
        await session.execute(update(RecoveryCode).where(RecoveryCode.id == found).values(used_at=now))
        return found is not None

    monkeypatch.setattr(service, "spend_code", look_then_write)
    assert await use_at_once(person, another) == [303] * 4


def _hash(session: AsyncSession, merchant_id: UUID, member_id: UUID, code: str) -> bytes:
    keyring: Keyring = session.info["resources"].get(Keyring)
    version = keyring.newest("token")
    return hash_recovery_code(keyring, merchant_id, member_id, code=code, version=version)


async def test_new_codes_end_the_old_ones(person: Person) -> None:
    """Drawing asks for password and code; then ten others work, and the old do not."""
    old = await person.set_up_app()
    refused = await person.own("/recovery-codes", password=person.password, code="123456")
    assert refused.status_code == 403
    assert CODE.findall(refused.text) == []

    answer = await person.own("/recovery-codes", password=person.password, code=person.code())
    new = CODE.findall(answer.text)

    assert len(new) == 10
    assert not set(new) & set(old)
    await person.sign_out()
    await person.give_password()
    assert (await person.give_code(old[1])).status_code == 403
    assert (await person.give_code(new[1])).status_code == 303


async def test_codes_are_shown_once_and_saved_as_a_file(person: Person) -> None:
    """The page never shows them again; the file holds exactly codes, whatever else is sent."""
    codes = await person.set_up_app()

    page = await person.client.get(SECURITY)
    file = await person.own("/recovery-codes/file", codes=" ".join([*codes, "<script>", "short"]))

    assert CODE.findall(page.text) == []
    assert "10 of 10" in page.text
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="stempel-recovery-codes.txt"'
    assert [line for line in file.text.splitlines() if parse_recovery_code(line)] == codes
    assert "script" not in file.text


async def test_a_stolen_dump_holds_no_usable_secret(person: Person, process: Process, admin_url: str) -> None:
    """Every byte of the tables, read as their owner: no secret, no code, no token, in any spelling."""
    codes = await person.set_up_app()
    await person.add_passkey(SoftwareKey())
    await person.client.post("/sign-in/passkey/options", json={})
    cookies = dict(person.client.cookies)
    await person.give_password()
    cookies |= dict(person.client.cookies)
    dump = ""
    engine = create_async_engine(to_async_url(admin_url))
    async with engine.connect() as connection:
        for table in TABLES:
            rows = await connection.execute(text(f"SELECT to_jsonb(t)::text AS row FROM {table} t"))
            dump += "\n".join(row.row for row in rows)
    await engine.dispose()

    secrets = [person.secret.hex(), base64.b32encode(person.secret).decode(), *codes]
    secrets += [code.replace("-", "") for code in codes]
    secrets += [cookies[name].rpartition(".")[2] for name in ("session", "half_sign_in")]
    secrets += [cookies["passkey_mark"]]
    assert len(dump) > 2_000
    assert [secret for secret in secrets if secret.lower() in dump.lower()] == []
    # The control: what is sealed is there, opens with the keys, and only as what it is.
    keyring = process.resources.get(Keyring)
    async with tenant_scope(process.database, person.merchant.id) as session:
        row = (await session.execute(select(MemberTotp))).scalar_one()
    context = f"member_totp:{row.merchant_id}:{row.member_id}"
    assert row.sealed_secret.hex() in dump
    assert keyring.unseal(row.sealed_secret, context=context) == person.secret
    with pytest.raises(ValueError, match="cannot be opened"):
        keyring.unseal(row.sealed_secret, context=f"{context}x")
    with pytest.raises(ValueError, match="cannot be opened"):
        Keyring.for_tests().unseal(row.sealed_secret, context=context)


async def test_a_rotation_of_the_keys_takes_the_secrets_along(person: Person, process: Process) -> None:
    """Sealed with a new key afterwards: the old key alone no longer opens it, the new one does, nothing is left."""
    await person.set_up_app()
    old = process.resources.get(Keyring)
    fields = {1: old.keys["field"][1], 2: Keyring.for_tests().keys["field"][1]}
    both = Keyring({**old.keys, "field": fields})
    async with tenant_scope(process.database, person.merchant.id) as session:
        assert await SEALED_SECRETS.count_old(session, both) == 1
        assert await SEALED_SECRETS.reseal(session, both) == 1
        assert await SEALED_SECRETS.count_old(session, both) == 0
        row = (await session.execute(select(MemberTotp))).scalar_one()
    context = f"member_totp:{row.merchant_id}:{row.member_id}"
    assert both.unseal(row.sealed_secret, context=context) == person.secret
    with pytest.raises(ValueError, match="cannot be opened"):
        old.unseal(row.sealed_secret, context=context)
