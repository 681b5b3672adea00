"""Secrets at rest are encrypted, and follow a rotation of the keys that can be cut short at any moment."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from app.commands import keys
from app.commands.errors import CommandError
from app.commands.keys import count_old_values, reseal_everything
from app.config import Settings
from app.db.keycheck import ForeignKeys, check_keys
from app.db.session import Database, tenant_scope
from app.kernel import sealing
from app.kernel.sealing import SEALED
from app.kernel.settings import get_settings, save_settings
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.service import queue_mail, unseal_mail
from app.modules.wallets.apple_wallet.credentials import AppleSetup, seal_key, unseal_key
from app.modules.wallets.google_wallet.accounts import seal_context
from app.modules.wallets.google_wallet.models import GoogleAccountRow
from app.process import Process, build_process
from app.utils import security
from app.utils.security import KEY_FILE, Keyring
from tests.fixtures import START
from tools.lint.sources import read_python_files

NEW_KEY = b"n" * 32
MAILS = 3


def with_new_key(old: Keyring) -> Keyring:
    """Return the key ring with a second version of the field key."""
    return Keyring({**old.keys, "field": {**old.keys["field"], 2: NEW_KEY}})


def only_new(old: Keyring) -> Keyring:
    """Return the key ring without the first version of the field key."""
    return Keyring({**old.keys, "field": {2: NEW_KEY}})


@pytest.fixture
async def sealed_merchant(
    process: Process, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[UUID]:
    """Return a merchant with three mails, an Apple key and a Google account, all sealed with the first key."""
    merchant_id = (await make_merchant(database)).id
    await forget_operators(database)
    keyring = process.resources.get(Keyring)
    async with tenant_scope(database, merchant_id) as session:
        for number in range(MAILS):
            await queue_mail(
                session,
                merchant_id=merchant_id,
                recipient=f"r{number}@example.com",
                kind="test",
                locale="en",
                subject=f"Subject {number}",
                text="Text",
                now=START,
            )
        sealed = seal_key(keyring, merchant_id, b"apple key")
        await save_settings(session, AppleSetup(apple_key=sealed), merchant_id=merchant_id)
        google = keyring.seal(b"google key", context=seal_context(merchant_id))
        session.add(
            GoogleAccountRow(
                merchant_id=merchant_id, issuer_id="1", service_email="a@b.c", sealed=google, updated_at=START
            )
        )

    async def only_this(_process: Process) -> list[UUID]:
        return [merchant_id]

    monkeypatch.setattr(keys, "list_merchants", only_this)
    yield merchant_id
    # The mailbox of the other tests would meet mails that its keys do not open.
    async with tenant_scope(database, merchant_id) as session:
        await session.execute(update(OutboxMessage).values(content=None))
    await forget_operators(database)


async def forget_operators(database: Database) -> None:
    """Delete those whom other tests made: they belong to no merchant, so their secrets would be moved, too."""
    async with database.sessions() as session, session.begin():
        await session.execute(text("DELETE FROM operator"))


@pytest.fixture
async def rotated(process: Process, settings: Settings) -> Any:
    """Return a process that knows the second version of the field key."""
    other = build_process(settings, keyring=with_new_key(process.resources.get(Keyring)))
    yield other
    await other.aclose()


async def read_all(database: Database, merchant_id: UUID, keyring: Keyring) -> list[Any]:
    """Return every secret of the merchant in the clear; raises ValueError where the key ring does not open it."""
    async with tenant_scope(database, merchant_id) as session:
        mails = (await session.execute(text("SELECT id, content FROM outbox_message ORDER BY id"))).all()
        setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
        google = await session.scalar(text("SELECT sealed FROM google_account"))
    return [
        *(unseal_mail(keyring, row.id, row.content).subject for row in mails),
        unseal_key(keyring, merchant_id, setup.apple_key),
        keyring.unseal(google, context=seal_context(merchant_id)),
    ]


SECRETS = ["Subject 0", "Subject 1", "Subject 2", b"apple key", b"google key"]


async def test_key_rotation_moves_every_sealed_value(
    sealed_merchant: UUID, rotated: Process, database: Database, process: Process
) -> None:
    """Afterwards the new key alone opens everything, and nothing is left to do."""
    new = only_new(process.resources.get(Keyring))
    with pytest.raises(ValueError, match="cannot be opened"):
        await read_all(database, sealed_merchant, new)

    assert await count_old_values(rotated) == len(SECRETS)
    assert await reseal_everything(rotated) == len(SECRETS)
    assert await count_old_values(rotated) == 0
    assert await reseal_everything(rotated) == 0
    assert await read_all(database, sealed_merchant, new) == SECRETS


async def test_a_rotation_cut_short_goes_on_where_it_was(
    sealed_merchant: UUID,
    rotated: Process,
    database: Database,
    process: Process,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With batches of one: what was moved stays moved, both keys open the rest, the second run ends it."""
    monkeypatch.setattr(sealing, "RESEAL_BATCH", 1)
    keyring: Any = rotated.resources.get(Keyring)
    real, done = Keyring.seal, 0

    def dies_at_the_third(self: Keyring, plain: bytes, *, context: str) -> bytes:
        nonlocal done
        done += 1
        if done == 3:
            raise KeyboardInterrupt
        return real(self, plain, context=context)

    with monkeypatch.context() as patched:
        patched.setattr(Keyring, "seal", dies_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            await reseal_everything(rotated)

    assert await count_old_values(rotated) == len(SECRETS) - 2
    assert await read_all(database, sealed_merchant, keyring) == SECRETS
    assert await reseal_everything(rotated) == len(SECRETS) - 2
    assert await read_all(database, sealed_merchant, only_new(process.resources.get(Keyring))) == SECRETS


async def test_a_value_that_no_key_opens_stops_the_rotation_with_a_sentence(
    sealed_merchant: UUID, rotated: Process, database: Database
) -> None:
    """It is named by its kind, never shown, and never overwritten."""
    async with tenant_scope(database, sealed_merchant) as session:
        await session.execute(update(OutboxMessage).values(content=b"\x00\x01" + b"broken" * 9))
    with pytest.raises(CommandError, match=f"messaging of merchant {sealed_merchant} is opened by no key"):
        await reseal_everything(rotated)

    async with tenant_scope(database, sealed_merchant) as session:
        assert (
            await session.scalar(
                text("SELECT count(*) FROM outbox_message WHERE content LIKE '%broken%'::bytea")
            )
            == 3
        )


def test_every_module_that_seals_follows_a_rotation(process: Process) -> None:
    """Whoever calls seal offers SEALED; a module that forgot would lose its secrets at the next rotation."""
    sealing_modules = {
        file.path.split("/")[2]
        for file in read_python_files()
        if file.in_app and file.path.startswith("app/modules/") and "/tests/" not in file.path
        if ".seal(" in file.text
    }

    assert len(sealing_modules) >= 2
    assert sealing_modules <= {name.partition(".")[0] for name, _ in SEALED.items()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a key file that is looked at every time."""
    monkeypatch.setattr(security, "KEY_FILE_LOOK_SECONDS", 0.0)
    Keyring.load_or_create(tmp_path)
    return tmp_path


def test_a_running_process_learns_a_new_version_before_it_signs(folder: Path) -> None:
    """First every process can verify with it, then it signs; no process has to be started again."""
    running = Keyring.load_or_create(folder)
    signed = running.mac("token", "x")

    made = Keyring.add_versions(folder, ("token", "field"), active_in_seconds=60)
    assert made == {"token": 2, "field": 2}
    assert (running.newest("token"), running.versions("token")) == (1, (2, 1))

    path = folder / KEY_FILE
    stored = json.loads(path.read_text())
    stored["_active_from"] = {name: 1.0 for name in stored["_active_from"]}
    path.write_text(json.dumps(stored))
    assert (running.newest("token"), running.newest("pepper")) == (2, 1)
    assert running.mac("token", "x") != signed
    assert running.mac("token", "x", version=1) == signed


def test_a_rotation_begun_twice_makes_one_version(folder: Path) -> None:
    """A version that waits to become active is the one that is meant."""
    for _ in range(3):
        assert Keyring.add_versions(folder, ("field",), active_in_seconds=60) == {"field": 2}
    assert Keyring.add_versions(folder, ("pepper",), active_in_seconds=0) == {"pepper": 2}
    assert Keyring.add_versions(folder, ("pepper",), active_in_seconds=0) == {"pepper": 3}


def test_the_key_file_stays_private_and_whole(folder: Path) -> None:
    """Mode 0600, no half-written file beside it, the other keys untouched."""
    before = Keyring.load_or_create(folder).keys
    Keyring.add_versions(folder, ("field",), active_in_seconds=0)
    after = Keyring.load_or_create(folder).keys

    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == [KEY_FILE, "keys.lock"]
    assert {name: versions[1] for name, versions in after.items()} == {n: v[1] for n, v in before.items()}
    assert len(after["field"][2]) == 32


async def test_a_retired_key_is_forgotten_and_a_foreign_one_refused(
    database: Database, process: Process
) -> None:
    """A database recognises the installation by the newer key; a made-up newer key is no help to a stranger."""
    real = process.resources.get(Keyring)
    both, retired = with_new_key(real), only_new(real)
    stranger = Keyring({**real.keys, "field": {2: b"s" * 32}})
    async with database.sessions() as session:
        with pytest.raises(ForeignKeys):
            await check_keys(session, retired)  # the database has not seen the second version yet
        await check_keys(session, both)
        await check_keys(session, retired)
        with pytest.raises(ForeignKeys):
            await check_keys(session, stranger)
        await session.rollback()


async def test_the_command_rotates_a_whole_installation(
    settings: Settings,
    process: Process,
    sealed_merchant: UUID,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`rotate-keys` adds the versions, moves the values and says so; `--retire` then takes the old key away."""
    plain = {
        name: {"1": security.b64(found[1])} for name, found in process.resources.get(Keyring).keys.items()
    }
    (tmp_path / KEY_FILE).write_text(json.dumps(plain))
    own = settings.model_copy(update={"secrets_dir": tmp_path})
    monkeypatch.setattr(keys, "ACTIVE_IN_SECONDS", 0.01)
    said: list[str] = []
    try:
        with pytest.raises(CommandError, match="no such key"):
            keys.rotate_keys(own, names=["lookup"])
        await asyncio.to_thread(keys.rotate_keys, own, say=said.append)
        await asyncio.to_thread(keys.retire_field_keys, own, say=said.append)
        left = Keyring.load_or_create(tmp_path)

        assert said[0].startswith("New versions: field 2, token 2, pepper 2, apple 2.")
        assert said[1].startswith(f"{len(SECRETS)} encrypted values moved")
        assert said[2].startswith("Taken away: field:1.")
        assert {name: left.versions(name) for name in left.keys} == {
            "pepper": (2, 1),
            "token": (2, 1),
            "lookup": (1,),
            "field": (2,),
            "apple": (2, 1),
        }
        assert await read_all(database, sealed_merchant, left) == SECRETS
    finally:
        await forget_versions(settings)


async def forget_versions(settings: Settings) -> None:
    """Take the second versions out of the shared database again."""
    import asyncpg

    connection = await asyncpg.connect(settings.database_admin_url)
    await connection.execute("DELETE FROM key_check WHERE name LIKE '%:2'")
    await connection.close()
