"""The embedded PostgreSQL: quick, private, alone on its folder, and whole after any death."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from app.db.embedded import EmbeddedPostgres, EmbeddedPostgresError, async_url, find_running_url
from app.db.embedded_binaries import find_binaries
from tests.runner.helpers import BACKEND, UNSAFE_BUT_QUICK, clean_environment, without_roots_power

PROGRAM = BACKEND / "tests" / "runner" / "embedded_program.py"
SECOND_START_SECONDS_MAX = 3.0  # 0.05 s on an idle machine; the tests share two cores


@pytest.fixture(scope="module")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was started and stopped once; tests take copies, which is quicker than initdb."""
    folder = tmp_path_factory.mktemp("made") / "data"
    with EmbeddedPostgres(folder, settings=UNSAFE_BUT_QUICK):
        pass
    return folder


@pytest.fixture
def folder(made_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_folder, tmp_path / "my data"))


def start_program(
    folder: Path, mode: str = "hold", *, before: tuple[str, ...] | list[str] = ()
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, sys.executable, str(PROGRAM), str(folder), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(PYTHONPATH=str(BACKEND)),
    )


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the database on the folder."""
    process = start_program(folder)
    yield process
    process.kill()
    process.communicate(timeout=30)


def socket_folder(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def wait_until_gone(pid: int) -> bool:
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.02)
    return False


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_data_survives_a_stop(folder):
    """What was written before a stop is there after the next start, which is quick."""
    with EmbeddedPostgres(folder) as server:
        await ask(server.admin_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    began = time.monotonic()
    with EmbeddedPostgres(folder) as server:
        seconds = time.monotonic() - began
        answer = await ask(server.admin_url, "SELECT answer FROM kept")

    assert answer == 42
    assert seconds < SECOND_START_SECONDS_MAX


async def test_nothing_listens_on_the_network_and_the_socket_is_private(folder):
    """The only way in is a socket in a folder of the owner's alone."""
    with EmbeddedPostgres(folder) as server:
        listening = await ask(server.admin_url, "SHOW listen_addresses")
        where = socket_folder(server.admin_url)
        mode = stat.S_IMODE(where.stat().st_mode)
        socket_mode = stat.S_IMODE((where / ".s.PGSQL.5432").stat().st_mode)

    assert listening == ""
    assert (mode, socket_mode) == (0o700, 0o700)
    assert stat.S_IMODE((folder / "postgres.password").stat().st_mode) == 0o600


async def test_a_wrong_password_is_refused(folder):
    """Reaching the socket is not enough."""
    with EmbeddedPostgres(folder) as server, pytest.raises(asyncpg.InvalidPasswordError):
        await ask(server.url("stempel_admin", "wrong"), "SELECT 1")


async def test_the_log_keeps_no_values(folder):
    """An error names the constraint, not the row: rows hold personal data."""
    with EmbeddedPostgres(folder) as server:
        await ask(server.admin_url, "CREATE TABLE person (email text UNIQUE)")
        await ask(server.admin_url, "INSERT INTO person VALUES ('anna@example.com')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await ask(server.admin_url, "INSERT INTO person VALUES ('anna@example.com')")
    log = (folder / "postgres.log").read_text()

    assert "duplicate key" in log
    assert "anna" not in log


def test_a_second_start_on_one_folder_is_refused(folder, holder):
    """Two demos on one data folder: the second says who is there."""
    assert holder.stdout is not None
    assert holder.stdout.readline()

    with pytest.raises(EmbeddedPostgresError) as refusal:
        EmbeddedPostgres(folder).start()

    assert str(refusal.value) == (
        f"Stempel is already running on {folder} (process {holder.pid}). Stop it first, "
        "or choose another folder with --data-dir."
    )


async def test_another_process_finds_the_running_server(folder, holder):
    """Commands use the server the demo runs; when it has ended there is none."""
    assert holder.stdout is not None
    address = holder.stdout.readline().split()[1]
    found = find_running_url(folder)
    answer = await ask(str(found), "SELECT 1")
    holder.communicate(timeout=30)

    assert (found, answer) == (address, 1)
    assert find_running_url(folder) is None


async def test_the_server_ends_with_a_killed_parent_and_starts_again(folder, holder):
    """kill -9 of the supervisor leaves no server behind, and the next start follows at once."""
    assert holder.stdout is not None
    pid = int(holder.stdout.readline().split()[0])
    holder.kill()
    with EmbeddedPostgres(folder) as server:
        answer = await ask(server.admin_url, "SELECT 1")

    assert answer == 1
    assert wait_until_gone(pid)


async def test_a_killed_server_leaves_a_folder_that_starts(folder):
    """kill -9 of PostgreSQL: its pid file and shared memory stay, the next start recovers."""
    server = EmbeddedPostgres(folder)
    server.start()
    await ask(server.admin_url, "CREATE TABLE kept AS SELECT 1")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert (folder / "postgres" / "postmaster.pid").exists()
    server.stop()
    with EmbeddedPostgres(folder) as again:
        answer = await ask(again.admin_url, "SELECT count(*) FROM kept")

    assert answer == 1


def test_a_pid_file_with_another_programs_number_is_no_obstacle(folder):
    """After a reboot the number may belong to anything, this test for one."""
    (folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}/postgres\n")

    with EmbeddedPostgres(folder) as server:
        assert server.pid is not None


def test_a_cut_off_first_start_is_begun_again(tmp_path):
    """A database that was not finished is thrown away, not believed."""
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(tmp_path, settings=UNSAFE_BUT_QUICK) as server:
        assert server.pid is not None
    assert not (tmp_path / "postgres.new").exists()


def test_a_folder_of_an_unknown_version_is_refused(folder):
    """A server of another version would refuse with a riddle; we say which one is needed."""
    (folder / "postgres" / "PG_VERSION").write_text("99\n")

    with pytest.raises(
        EmbeddedPostgresError, match=r"^The data folder was made by PostgreSQL 99, and only other"
    ):
        EmbeddedPostgres(folder).start()


def test_a_folder_that_is_no_database_is_refused(tmp_path):
    """A folder with something else in it is left alone."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "letters.txt").write_text("mine")

    with pytest.raises(EmbeddedPostgresError, match="is not a PostgreSQL data folder"):
        EmbeddedPostgres(tmp_path).start()
    assert (tmp_path / "postgres" / "letters.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["x" * 120, "a, b"])
def test_a_path_no_socket_can_have_is_no_obstacle(made_folder, tmp_path, name):
    """Socket paths have 107 bytes and no comma; then a short private folder is used and removed again."""
    folder = Path(shutil.copytree(made_folder, tmp_path / name))
    with EmbeddedPostgres(folder) as server:
        where = socket_folder(server.admin_url)
        mode = stat.S_IMODE(where.stat().st_mode)

    assert not where.is_relative_to(folder)
    assert mode == 0o700
    assert not where.exists()


def test_a_read_only_place_is_one_sentence(tmp_path):
    """A folder that cannot be made says so."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    process = start_program(closed / "data", "once", before=without_roots_power())
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert errors.strip() == (
        f"refused: The data folder {closed}/data cannot be made (Permission denied). "
        "Choose another with --data-dir."
    )


async def test_a_failed_start_leaves_nothing_running(folder):
    """A server that dies at its start: the sentence has its reason, and the folder is free again."""
    with pytest.raises(EmbeddedPostgresError, match="The database did not start: .*shared_buffers"):
        EmbeddedPostgres(folder, settings={"shared_buffers": "nonsense"}).start()

    with EmbeddedPostgres(folder) as server:
        assert await ask(server.admin_url, "SELECT 1") == 1


def test_without_any_postgresql_the_sentence_says_what_to_do():
    """No wheel for this machine and nothing installed."""
    with pytest.raises(EmbeddedPostgresError, match="set STEMPEL_DATABASE_URL to a running one"):
        find_binaries(None, [])


def test_async_url_names_the_driver():
    """SQLAlchemy's form of the same address."""
    assert async_url("postgresql://a:b@/c?host=%2Fd") == "postgresql+asyncpg://a:b@/c?host=%2Fd"


def test_no_tcp_port_is_open(folder):
    """PostgreSQL's usual port answers nobody, unless another PostgreSQL of this machine has it."""
    with socket.socket() as before:
        taken = before.connect_ex(("127.0.0.1", 5432)) == 0
    with EmbeddedPostgres(folder), socket.socket() as during:
        assert (during.connect_ex(("127.0.0.1", 5432)) == 0) is taken
