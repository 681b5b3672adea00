"""The command line: parses, and calls app/commands."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.commands.errors import run_with_sentences
from app.commands.operating_cli import add_commands

app = typer.Typer(
    name="stempel",
    help="Stempel, a loyalty platform for shops.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def demo(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; without it 8000, or the next free one.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the data.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same shop.")] = 1,
    empty: Annotated[bool, typer.Option("--empty", help="Start without the demo shop.")] = False,
    lan: Annotated[bool, typer.Option("--lan", help="Let phones on this network in; shows a QR.")] = False,
    clock_file: Annotated[Path | None, typer.Option(help="File with a clock offset in seconds.")] = None,
) -> None:
    """Start everything with a demo shop: database, web and worker; Ctrl-C ends it."""
    from app.commands.demo import DemoOptions, run_demo

    run_demo(DemoOptions(port, data_dir, seed, empty, lan, clock_file))


@app.command()
def serve(
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the web processes (settings: docs/settings.md); SIGHUP replaces them one by one."""
    from app.config import Settings
    from app.kernel.metrics_folder import share

    settings = Settings()
    share(settings.data_dir, "web")
    from app.commands.serve import serve as run

    run(settings, listen_fd=listen_fd, ready_fd=ready_fd)


@app.command()
def worker() -> None:
    """Run the worker process: jobs and periodic work."""
    from app.config import Settings
    from app.kernel.metrics_folder import share

    settings = Settings()
    share(settings.data_dir, "worker")
    from app.commands.serve import work

    work(settings)


@app.command()
def migrate() -> None:
    """Bring the database up to date: roles, tables, partitions."""
    from app.commands.database import migrate as run
    from app.commands.database import open_database
    from app.config import Settings

    with open_database(Settings()) as ready:
        run(ready)
    typer.echo("The database is up to date.")


@app.command()
def backup(
    to: Annotated[Path | None, typer.Option(help="Folder; without it STEMPEL_BACKUP_DIR.")] = None,
    keep: Annotated[int | None, typer.Option(min=0, help="Keep the newest so many; 0: all.")] = None,
    verify: Annotated[Path | None, typer.Option(help="Read this backup to its end instead.")] = None,
    key: Annotated[Path | None, typer.Option(help="File of the secret key, to verify with.")] = None,
    new_key: Annotated[Path | None, typer.Option(help="Make a key pair: the secret key goes here.")] = None,
) -> None:
    """Write everything into one encrypted file, while the shops go on (docs/backup.md)."""
    from app.commands import backup as commands
    from app.config import Settings

    given = {"backup_dir": to and to.absolute(), "backup_keep": keep}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    with commands.speaker() as speaker:
        if new_key is not None:
            commands.make_key(new_key, speaker)
        elif verify is not None:
            commands.verify(settings, verify, speaker, key_file=key)
        else:
            commands.backup(settings, speaker)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    key: Annotated[Path | None, typer.Option(help="File of the secret key.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the data.")] = None,
) -> None:
    """Put a backup back into an empty database and an empty data folder (docs/backup.md)."""
    from app.commands import backup as commands
    from app.config import Settings

    settings = Settings() if data_dir is None else Settings(data_dir=data_dir.absolute())
    with commands.speaker() as speaker:
        commands.restore_backup(settings, file, speaker, key_file=key)


@app.command()
def doctor() -> None:
    """Look at what a working installation needs, and say what is missing."""
    from app.commands.inspection import examine

    if not examine():
        raise typer.Exit(1)


@app.command()
def check() -> None:
    """Prove that the totals equal their entries, and every other promise about the data."""
    from app.commands.check import check_invariants
    from app.config import Settings

    if not check_invariants(Settings()):
        raise typer.Exit(1)


@app.command()
def rebuild_analytics() -> None:
    """Count every figure anew from visits and cards; interrupted, it goes on where it was."""
    from app.commands.rebuild_analytics import rebuild
    from app.config import Settings

    typer.echo(f"Counted anew: {rebuild(Settings())} merchants.")


@app.command()
def jobs(
    retry: Annotated[int | None, typer.Option(help="Give this job another chance.")] = None,
) -> None:
    """List the jobs that were given up, with the reason."""
    from app.commands import jobs as commands
    from app.config import Settings

    if retry is None:
        commands.print_dead_jobs(Settings())
    else:
        commands.retry(Settings(), retry)
        typer.echo(f"Job {retry} is queued again.")


@app.command()
def rotate_keys(
    key: Annotated[list[str] | None, typer.Option(help="Only this one: field, token, pepper, apple.")] = None,
    retire: Annotated[
        bool, typer.Option("--retire", help="Take old field keys away that nothing uses.")
    ] = False,
) -> None:
    """Add a new version of the keys and encrypt everything anew; safe to run again, nothing has to stop."""
    from app.commands.keys import retire_field_keys
    from app.commands.keys import rotate_keys as run
    from app.config import Settings
    from app.utils.security import KEYS_THAT_ROTATE

    if retire:
        retire_field_keys(Settings(), say=typer.echo)
    else:
        run(Settings(), names=key or KEYS_THAT_ROTATE, say=typer.echo)


@app.command()
def create_merchant(
    name: Annotated[str, typer.Option(prompt=True, help="Name of the business.")],
    email: Annotated[str, typer.Option(prompt=True, help="Address that signs in.")],
    locale: Annotated[str, typer.Option(help="Language: en, fr, de, lb.")] = "en",
) -> None:
    """Make a business without the sign-up mail; the password is asked for, or read from standard input."""
    from app.commands.merchants import MerchantWish, create
    from app.config import Settings

    # Never an option: command lines are seen by every user of the machine and kept in histories.
    if sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        password = sys.stdin.readline().rstrip("\n")
    typer.echo(f"Made: {create(Settings(), MerchantWish(name, email, password, locale))}")


@app.command()
def reset_second_factor(
    email: Annotated[str, typer.Argument(help="Address that signs in.")],
) -> None:
    """Take app, passkeys and recovery codes from somebody who lost them; ask who it is before you do."""
    from app.commands.accounts import reset_second_factor as run
    from app.config import Settings

    name = run(Settings(), email)
    typer.echo(f"Done: the password alone signs in to {name} again. Choose a second factor anew at once.")


@app.command()
def modules(
    hooks: Annotated[bool, typer.Option("--hooks", help="Who answers which hook, in order.")] = False,
) -> None:
    """List the installed modules."""
    from app.commands.modules import print_hooks, print_modules

    if hooks:
        print_hooks()
    else:
        print_modules()


add_commands(app)


def main() -> None:
    """Run the command line; errors are sentences."""
    # What people type, and not the module they never see.
    run_with_sentences(partial(app, prog_name="./stempel"))


if __name__ == "__main__":
    main()
