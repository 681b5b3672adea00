"""The operator's commands: accounts for the operator's page, queues, given-up work."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator

import asyncpg
import pytest

from app.cli import app as command_line
from app.commands.errors import CommandError
from app.commands.jobs import change_dead, print_dead_jobs, print_queues
from app.commands.operating_cli import dead_letters
from app.commands.operators import create, print_operators, remove, reset
from app.config import Settings
from tests.fixtures import cloned_database, database_urls

PASSWORD = "lantern-walnut-harbour-58"  # noqa: S105 (a test password)
KEY = re.compile(r"type this key: ([A-Z2-7 ]+)")
SECONDS_MAX = 20


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Settings]:
    """Return the settings of an installation of its own, with keys of its own."""
    with cloned_database(f"stempel_operators_{worker_id}_{os.getpid()}") as name:
        yield Settings(
            **database_urls(name),
            database_allow_async_commit=True,
            data_dir=tmp_path_factory.mktemp("operators"),
            public_url="http://testserver",
            demo=True,
        )


def sql(settings: Settings, statement: str) -> list[tuple[object, ...]]:
    """Run a statement with the owner's login and return its rows."""

    async def run() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(settings.database_admin_url, timeout=SECONDS_MAX)
        try:
            return [tuple(row) for row in await connection.fetch(statement, timeout=SECONDS_MAX)]
        finally:
            await connection.close(timeout=SECONDS_MAX)

    return asyncio.run(run())


def plant(settings: Settings, kind: str) -> int:
    """Leave a given-up job and return its number."""
    ((number,),) = sql(
        settings,
        "INSERT INTO pgqueuer (priority, status, entrypoint, reason, starts)"
        f" VALUES (0, 'failed', '{kind}', 'GiveUp: the other side said no', 4) RETURNING id",
    )
    assert isinstance(number, int)
    return number


def test_an_operator_is_made_renewed_listed_and_removed(
    installation: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key is shown at each making, another one each time; the record says what was done."""
    create(installation, "Anna", PASSWORD)
    first = KEY.search(capsys.readouterr().out)
    with pytest.raises(CommandError, match="There is an operator anna already"):
        create(installation, "anna", PASSWORD)
    reset(installation, "anna", PASSWORD)
    second = KEY.search(capsys.readouterr().out)
    print_operators(installation)
    listed = capsys.readouterr().out
    remove(installation, "anna")
    print_operators(installation)
    empty = capsys.readouterr().out

    assert first is not None
    assert second is not None
    assert first[1] != second[1]
    assert "anna  has not signed in yet" in listed
    assert "There is no operator yet" in empty
    actions = sql(installation, "SELECT action FROM operator_entry ORDER BY id")
    assert actions == [("operator.created",), ("operator.reset",), ("operator.removed",)]


@pytest.mark.parametrize(
    ("name", "password", "sentence"),
    [
        ("anna", "short", "too easy to guess"),
        ("anna", "anna-anna-anna", "too easy to guess"),
        ("-anna", PASSWORD, "small letters"),
        ("a" * 41, PASSWORD, "small letters"),
        ("anna berg", PASSWORD, "small letters"),
    ],
)
def test_weak_passwords_and_odd_names_are_refused(
    name: str, password: str, sentence: str, installation: Settings
) -> None:
    """A sentence, and nobody is made."""
    with pytest.raises(CommandError, match=sentence):
        create(installation, name, password)

    assert sql(installation, "SELECT name FROM operator") == []


def test_there_is_nobody_to_renew_or_remove(installation: Settings) -> None:
    """An unknown name is a sentence."""
    for command in (lambda: reset(installation, "nobody", PASSWORD), lambda: remove(installation, "nobody")):
        with pytest.raises(CommandError, match="There is no operator nobody"):
            command()


def test_given_up_work_by_number_and_by_kind(
    installation: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """One is queued again, a kind is dropped, the rest stays; unknown numbers are a sentence."""
    one, other = plant(installation, "wallets.refresh_card"), plant(installation, "wallets.refresh_card")
    mail = plant(installation, "messaging.send_message")
    print_dead_jobs(installation, kind="messaging.send_message")
    listed = capsys.readouterr().out
    retried = change_dead(installation, "retry", job_id=one)
    dropped = change_dead(installation, "drop", kind="messaging.send_message")
    print_queues(installation)
    shown = capsys.readouterr().out

    assert f"{mail}  messaging.send_message" in listed
    assert f"{other}  wallets" not in listed
    assert (retried, dropped) == (1, 1)
    assert "wallets.refresh_card" in shown
    assert "no worker has ever run here" in shown
    states = sql(installation, "SELECT id, status::text FROM pgqueuer ORDER BY id")
    assert states == [(one, "queued"), (other, "failed")]
    with pytest.raises(CommandError, match="There is no given-up job 999999999"):
        change_dead(installation, "drop", job_id=999999999)


@pytest.mark.parametrize("arguments", [[], ["3", "--all"], ["3", "--kind", "wallets.refresh_card"]])
def test_one_or_all_has_to_be_said(arguments: list[str]) -> None:
    """Nothing is dropped because somebody forgot the number."""
    with pytest.raises(CommandError, match="Name one job by its number"):
        dead_letters(["drop", *arguments], standalone_mode=False)


def test_the_commands_are_there() -> None:
    """Each stands in the help of the command line."""
    names = {
        command.name or command.callback.__name__.replace("_", "-")
        for command in command_line.registered_commands
    }  # type: ignore[union-attr]
    groups = {group.name for group in command_line.registered_groups}

    assert {"create-operator", "reset-operator", "remove-operator", "operators", "queues"} <= names
    assert "dead-letters" in groups
