"""The drill: a backup taken on one machine, put back on an empty one, and the shop goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.backup.tests.conftest import LATE_ROWS, Drill
from app.backup.tests.machines import back_up, run_as_owner, running, used_machine
from app.commands.check import _check_merchants
from app.db.keycheck import ForeignKeys
from app.kernel.backups import last_backup, last_backup_run
from app.kernel.clock import FixedClock
from app.process import Process

SECRETS = ("keys.json", "other.pem")


async def test_an_old_pin_works(drill: Drill) -> None:
    """The second stamp is given on the new machine with the PIN of the old one, over the total of the old one."""
    answer = await drill.shop.stamp(drill.client)

    assert (answer.status_code, answer.json()["stamp_count"]) == (201, 2)


async def test_an_old_card_link_works(drill: Drill) -> None:
    """The link in the customer's mail opens the card, with the name on it."""
    card = drill.shop.card
    # The wrong one first: the right one leaves its cookie.
    foreign = await drill.client.get(f"/card/{card.id}?t={card.token[:-4]}AAAA", follow_redirects=True)
    page = await drill.client.get(f"/card/{card.id}?t={card.token}", follow_redirects=True)

    assert (page.status_code, "Anna" in page.text) == (200, True)
    assert "Anna" not in foreign.text


async def test_an_old_pass_works_and_learns_what_it_missed(drill: Drill) -> None:
    """The phone's token opens its pass; it is told to fetch it although its tag and its date are from the future."""
    shop, serial = drill.shop, str(drill.shop.card.id)
    latest = await shop.phone.latest(serial, since=shop.phone.modified[serial])
    marks = run_as_owner(drill.new.database_admin_url, "SELECT pass_id FROM card_refresh")
    await shop.refresh(drill.process)
    changed = await shop.phone.changed(shop.tag)

    assert latest.status_code == 200
    assert [row[0] for row in marks] == [shop.card.id]
    assert changed.json()["serialNumbers"] == [serial]


async def test_the_ledgers_check(drill: Drill) -> None:
    """Every invariant holds for the merchant that came back; a stamp taken out of a total is found (the control)."""
    admin = drill.new.database_admin_url
    merchants, violations = await _check_merchants(drill.process)
    run_as_owner(admin, "UPDATE pass_object SET stamp_count = stamp_count + 1")
    _, broken = await _check_merchants(drill.process)
    run_as_owner(admin, "UPDATE pass_object SET stamp_count = stamp_count - 1")

    assert (merchants, violations) == (1, [])
    assert len(broken) == 1


async def test_a_database_without_its_keys_is_refused(
    drill: Drill, clock: FixedClock, tmp_path: Path, process: Process
) -> None:
    """The control of the keys: with others the new machine does not start."""
    with pytest.raises(ForeignKeys):
        async with running(drill.new.model_copy(update={"secrets_dir": tmp_path}), clock):
            pass
    process.registry.bind()


async def test_a_backup_is_one_moment_although_the_shops_go_on(drill: Drill) -> None:
    """A row that was written before its table was read is not in the backup: it came after the snapshot."""
    restored = run_as_owner(drill.new.database_admin_url, LATE_ROWS)[0][0]

    assert drill.steps.index("update_counter") > 0
    assert (restored, drill.late_rows) == (0, 1)


async def test_files_come_back_to_their_places(drill: Drill) -> None:
    """Keys, the data folder's files, and a certificate that a setting names; the database's own files do not."""
    base = drill.new.data_dir
    found = {
        path.relative_to(base).as_posix(): path.stat().st_mode & 0o777
        for path in base.rglob("*")
        if path.is_file()
    }
    both = (drill.old.keys_dir, drill.new.keys_dir)
    keys = [[(folder / name).read_bytes() for name in SECRETS] for folder in both]
    settings = [(one.setting, one.path.read_bytes()) for one in drill.outcome.restored]

    made_since = ("apple", "secrets/google-stand-in.json")
    assert {name: mode for name, mode in found.items() if not name.startswith(made_since)} == {
        "badges/add-de.svg": 0o600,
        "restored/apple_certificate/pass.p12": 0o600,
        "secrets/keys.json": 0o600,
        "secrets/other.pem": 0o600,
    }
    assert keys[0] == keys[1]
    assert settings == [("apple_certificate", b"\0certificate")]


async def test_the_operator_sees_the_last_backup(drill: Drill, clock: FixedClock) -> None:
    """When it was taken, its size, its rows, and that it was read back."""
    marker = drill.marker

    assert marker is not None
    assert (marker.file, marker.size_bytes) == (drill.file.name, drill.file.stat().st_size)
    assert marker.verified_at == marker.finished_at == clock.now()
    assert marker.row_count == drill.outcome.contents.rows > 0
    assert marker.refused is None


async def test_a_refused_backup_leaves_a_mark_and_no_file(
    tmp_path: Path, clock: FixedClock, process: Process
) -> None:
    """Without its keys no backup is whole: refused, noted for the operator, nothing half in the folder."""
    with used_machine(tmp_path / "old") as old:
        with pytest.raises(Exception, match="^backup_file: "):
            await back_up(old, clock)
        async with running(old, clock) as (first, _client), first.database.sessions() as session:
            last, run = await last_backup(session), await last_backup_run(session)
    process.registry.bind()

    assert last is None
    assert run is not None
    assert run.refused == "backup_file"
    assert [path.name for path in old.backup_folder.iterdir()] == [".lock"]
