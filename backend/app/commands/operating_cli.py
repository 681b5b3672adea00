"""The operator's part of the command line: the same as the operator's page, for whoever has a shell.

Only declared here; what each does is imported when it is called, so that the command line starts at once.
"""

from __future__ import annotations

import sys
from typing import Annotated
from uuid import UUID

import typer

Name = Annotated[str, typer.Argument(help="Small letters, digits, dots and dashes.")]
Kind = Annotated[str, typer.Option(help="Only work of this kind, such as wallets.refresh_card.")]
Number = Annotated[int | None, typer.Argument(min=1, help="Number of the job.")]
All = Annotated[bool, typer.Option("--all", help="All of them, or all of the kind.")]

dead_letters = typer.Typer(help="Work that was given up: list, retry, drop.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Put the operator's commands onto the command line."""
    app.command()(create_operator)
    app.command()(reset_operator)
    app.command()(remove_operator)
    app.command()(operators)
    app.command()(queues)
    app.command()(usage)
    app.command()(set_plan)
    app.add_typer(dead_letters, name="dead-letters")


def ask_password() -> str:
    """Ask twice at a terminal, or read one line; never an option, which every user of the machine could see."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


def create_operator(name: Name) -> None:
    """Let somebody open the operator's page; prints the code for their authenticator app."""
    from app.commands.operators import create
    from app.config import Settings

    create(Settings(), name, ask_password())


def reset_operator(name: Name) -> None:
    """Give an operator a new password and app, and end their sessions."""
    from app.commands.operators import reset
    from app.config import Settings

    reset(Settings(), name, ask_password())


def remove_operator(name: Name) -> None:
    """Take the operator's page from somebody, at once."""
    from app.commands.operators import remove
    from app.config import Settings

    remove(Settings(), name)
    typer.echo(f"{name} is no operator any more.")


def operators() -> None:
    """List who may open the operator's page."""
    from app.commands.operators import print_operators
    from app.config import Settings

    print_operators(Settings())


def queues() -> None:
    """Show what waits for the worker, since when, and what was given up."""
    from app.commands.jobs import print_queues
    from app.config import Settings

    print_queues(Settings())


def usage(
    merchant: Annotated[UUID | None, typer.Option(help="Only this business, by its id.")] = None,
) -> None:
    """Show what each business uses this month, and the limits of its plan."""
    from app.commands.usage import print_usage
    from app.config import Settings

    print_usage(Settings(), merchant)


def set_plan(
    merchant: Annotated[UUID, typer.Argument(help="Id of the business; ./stempel usage lists them.")],
    plan: Annotated[str, typer.Argument(help="Name of a plan; without it the default one.")] = "",
) -> None:
    """Give a business a plan from the file of plans."""
    from app.commands.usage import set_plan as run
    from app.config import Settings

    run(Settings(), merchant, plan)
    typer.echo("The plan is in effect.")


@dead_letters.command("list")
def list_dead(kind: Kind = "") -> None:
    """List the work that was given up, newest first, with the reason."""
    from app.commands.jobs import print_dead_jobs
    from app.config import Settings

    print_dead_jobs(Settings(), kind=kind)


@dead_letters.command("retry")
def retry_dead(number: Number = None, every: All = False, kind: Kind = "") -> None:  # noqa: FBT002 (a flag)
    """Queue given-up work again: one job by its number, or --all, or --all of a --kind."""
    from app.commands.jobs import change_dead
    from app.config import Settings

    done = change_dead(Settings(), "retry", job_id=_one_or_all(number, kind, every=every), kind=kind)
    typer.echo(f"Queued again: {done}.")


@dead_letters.command("drop")
def drop_dead(number: Number = None, every: All = False, kind: Kind = "") -> None:  # noqa: FBT002 (a flag)
    """Forget given-up work for good: one job by its number, or --all, or --all of a --kind."""
    from app.commands.jobs import change_dead
    from app.config import Settings

    done = change_dead(Settings(), "drop", job_id=_one_or_all(number, kind, every=every), kind=kind)
    typer.echo(f"Dropped: {done}.")


def _one_or_all(number: int | None, kind: str, *, every: bool) -> int | None:
    from app.commands.errors import CommandError

    if (number is None) != every or (number is not None and kind):
        raise CommandError("Name one job by its number, or say --all (with --kind for one kind only).")
    return number
