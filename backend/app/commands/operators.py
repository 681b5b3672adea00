"""`create-operator` and its kin: who may open the operator's page. Only somebody with a shell decides that."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import TypeVar

import segno
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncSession

from app.commands.database import open_database
from app.commands.errors import CommandError
from app.config import Settings
from app.kernel.outcomes import Refusal
from app.modules.operators.rules import clean_name
from app.modules.operators.signing_in.accounts import (
    AppSecret,
    create_operator,
    list_operators,
    remove_operator,
    reset_operator,
)
from app.modules.second_factor.public import format_secret
from app.process import Process, build_process

T = TypeVar("T")
Maker = Callable[..., Awaitable[AppSecret | Refusal | None]]


def create(settings: Settings, name: str, password: str) -> None:
    """Make an operator and show the secret of their app; raises CommandError with a sentence."""
    secret = _change(settings, create_operator, name, password)
    if secret is None:
        raise CommandError(f"There is an operator {name} already. ./stempel reset-operator renews one.")
    _show(settings, secret)


def reset(settings: Settings, name: str, password: str) -> None:
    """Give an operator a new password and app; raises CommandError with a sentence."""
    secret = _change(settings, reset_operator, name, password)
    if secret is None:
        raise CommandError(f"There is no operator {name}. ./stempel operators lists them.")
    _show(settings, secret)


def remove(settings: Settings, name: str) -> None:
    """Remove an operator and end their sessions; raises CommandError where there is none."""

    async def work(process: Process, session: AsyncSession) -> bool:
        return await remove_operator(session, name.strip().lower(), now=process.clock.now())

    if not in_process(settings, work):
        raise CommandError(f"There is no operator {name}. ./stempel operators lists them.")


def print_operators(settings: Settings) -> None:
    """List the operators and when they last signed in."""

    async def work(_process: Process, session: AsyncSession) -> list[str]:
        lines = []
        for operator in await list_operators(session):
            seen = operator.last_signed_in_at
            when = f"last signed in {seen:%Y-%m-%d %H:%M} UTC" if seen else "has not signed in yet"
            lines.append(f"{operator.name}  {when}")
        return lines

    console = Console(soft_wrap=True, highlight=False)
    for line in in_process(settings, work) or ["There is no operator yet: ./stempel create-operator NAME"]:
        console.print(line, markup=False)


def in_process(settings: Settings, work: Callable[[Process, AsyncSession], Awaitable[T]]) -> T:
    """Run some work in a transaction of an opened process."""

    async def run(ready: Settings) -> T:
        process = build_process(ready)
        try:
            await process.open()
            async with process.database.sessions() as session, session.begin():
                return await work(process, session)
        finally:
            await process.aclose()

    with open_database(settings) as ready:
        return asyncio.run(run(ready))


def _change(settings: Settings, make: Maker, name: str, password: str) -> AppSecret | None:
    clean = clean_name(name)
    if clean is None:
        raise CommandError("A name has up to 40 small letters, digits, dots and dashes.")

    async def work(process: Process, session: AsyncSession) -> AppSecret | Refusal | None:
        return await make(session, clean, password=password, now=process.clock.now())

    outcome = in_process(settings, work)
    if isinstance(outcome, Refusal):
        raise CommandError("This password is too easy to guess. Choose a longer one.")
    return outcome


def _show(settings: Settings, secret: AppSecret) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print("Scan this with an authenticator app, now: it is shown this once.", markup=False)
    picture = io.StringIO()
    segno.make(secret.uri, error="l").terminal(out=picture, compact=True, border=2)
    console.file.write(picture.getvalue())
    console.print(f"Or type this key: {format_secret(secret.key)}", markup=False)
    address = f"{settings.public_url.rstrip('/')}/operator"
    console.print(f"Then sign in with name, password and its code: {address}", markup=False)
