"""`backup` and `restore`: what the operator types, and what is said back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from getpass import getpass
from pathlib import Path

from rich.console import Console

from app.backup.archive import Contents
from app.backup.refusals import BackupRefused
from app.backup.restoring import Restore, examine, restore
from app.backup.sealed_file import SECRET_PREFIX, Openers, make_recipient
from app.backup.writing import note_refused, note_verified, write_backup
from app.commands.database import embedded_settings, open_database
from app.commands.errors import CommandError
from app.config import Settings
from app.db.embedded import EmbeddedPostgres, find_running_url
from app.db.embedded_files import write_private
from app.kernel.clock import make_clock

Ask = Callable[[str], str]


@dataclass(frozen=True)
class Speaker:
    """How a command talks. say: lines that stay; step: what is being done now; ask: for a secret."""

    say: Callable[[str], object]
    step: Callable[[str], object] = lambda _line: None
    ask: Ask | None = None


@contextmanager
def speaker() -> Iterator[Speaker]:
    """Yield a speaker for this terminal; what is being done now is shown on one line that goes away."""
    console = Console(highlight=False, soft_wrap=True)
    with console.status("") as status:

        def ask(question: str) -> str:
            status.stop()
            return getpass(f"{question}: ")

        yield Speaker(lambda line: console.print(line, markup=False), status.update, ask)


def backup(settings: Settings, speaker: Speaker) -> Path:
    """Write a backup and return its file."""
    clock = make_clock(settings.clock_file)
    try:
        openers = find_openers(settings, speaker, key_file=None)
    except BackupRefused as refused:
        # A schedule without a key would fail every night, and only its log would know.
        with suppress(Exception), open_database(settings) as ready:
            asyncio.run(note_refused(ready, refused.code, now=clock.now()))
        raise
    with open_database(settings) as ready:
        done = asyncio.run(write_backup(ready, openers, clock=clock, say=speaker.step))
    megabytes = done.size / 1_000_000
    speaker.say(f"{done.path}: {megabytes:.1f} MB, {done.contents.rows} rows, read back and whole.")
    for path in done.removed:
        speaker.say(f"{path.name} is gone: STEMPEL_BACKUP_KEEP is {settings.backup_keep}.")
    if not openers.passphrase:
        speaker.say("Only the secret key opens it; it is not on this machine, and must not be lost.")
    return done.path


def verify(settings: Settings, file: Path, speaker: Speaker, *, key_file: Path | None) -> Contents:
    """Read a backup to its end; raises BackupRefused when anything is wrong with it."""
    with open(file, "rb") as source:
        contents = examine(source, find_openers(settings, speaker, key_file=key_file))
    speaker.say(f"{file} is whole. {describe_contents(contents)}")
    if file.resolve().parent == settings.backup_folder.resolve():
        with open_database(settings) as ready:
            now = make_clock(settings.clock_file).now()
            asyncio.run(note_verified(ready, file.name, now=now))
    return contents


def restore_backup(settings: Settings, file: Path, speaker: Speaker, *, key_file: Path | None) -> None:
    """Put a backup back into an empty installation."""
    openers = find_openers(settings, speaker, key_file=key_file)
    with open(file, "rb") as source:
        contents = examine(source, openers)
        speaker.say(describe_contents(contents))
        with _open_target(settings) as ready:
            work = Restore(ready, source, openers, make_clock(settings.clock_file))
            outcome = asyncio.run(restore(work, contents, say=speaker.step))
    for file_put_back in outcome.restored:
        speaker.say(f"STEMPEL_{file_put_back.setting.upper()}={file_put_back.path}")
    speaker.say(
        f"Restored, as of {contents.about['taken_at'][:19]} UTC. What happened after that is not in it: look at "
        'docs/backup.md, "After a restore", before the shops open. Then: ./stempel check'
    )


def describe_contents(contents: Contents) -> str:
    """Return one line about a backup."""
    about = contents.about
    return (
        f"Taken {about['taken_at'][:19]} UTC by release {about['release']} (schema {about['schema']}, PostgreSQL "
        f"{about['postgresql']}): {contents.rows} rows in {len(contents.manifest['tables'])} tables, "
        f"{len(contents.manifest['files'])} files."
    )


def make_key(file: Path, speaker: Speaker) -> str:
    """Write a new secret key into a file that must not exist, and return the public one."""
    if file.exists():
        raise CommandError(f"{file} exists already; a key that is overwritten opens nothing any more.")
    secret, public = make_recipient()
    write_private(file, secret + "\n")
    speaker.say(f"The secret key is in {file}: take it off this machine, and keep two copies.")
    speaker.say(f"STEMPEL_BACKUP_RECIPIENT={public}")
    return public


def find_openers(settings: Settings, speaker: Speaker, *, key_file: Path | None) -> Openers:
    """Return passphrase and key from the settings, the key file, or by asking. key_file: for opening only."""
    passphrase = settings.backup_passphrase
    if settings.backup_passphrase_file is not None:
        passphrase = settings.backup_passphrase_file.read_text().partition("\n")[0].strip()
    recipient = settings.backup_recipient
    if key_file is not None:
        recipient = key_file.read_text().strip()
        if not recipient.startswith(SECRET_PREFIX):
            raise CommandError(f"{key_file} holds no secret key for backups.")
    if not passphrase and not recipient and speaker.ask is not None and sys.stdin.isatty():
        passphrase = speaker.ask("Passphrase of the backup")
    if not passphrase and not recipient:
        raise BackupRefused("backup_no_key")
    return Openers(passphrase, recipient)


@contextmanager
def _open_target(settings: Settings) -> Iterator[Settings]:
    """Yield settings that reach the empty database: the operator's, or an embedded one made here."""
    if settings.database_url or settings.database_admin_url:
        if not settings.database_admin_url:
            raise BackupRefused("backup_no_owner")
        yield settings
        return
    if find_running_url(settings.data_dir) is not None:
        raise BackupRefused("restore_not_empty", f"Stempel runs on {settings.data_dir}.")
    with EmbeddedPostgres(settings.data_dir) as server:
        yield embedded_settings(settings, server.admin_url)
