"""`queues` and `dead-letters`: what waits, what was given up, and giving it another chance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.commands.database import open_database
from app.commands.errors import CommandError
from app.config import Settings
from app.db.session import system_scope
from app.kernel.jobs import (
    DeadJob,
    drop_dead_job,
    drop_dead_jobs,
    find_schedule_delay,
    list_dead_jobs,
    list_queues,
    retry_dead_job,
    retry_dead_jobs,
)
from app.modules.operators.journal import record_entry
from app.modules.operators.signing_in.accounts import COMMAND_LINE
from app.process import Process, build_process

T = TypeVar("T")


def print_queues(settings: Settings) -> None:
    """Show every kind of work in the queue, the longest waiting first."""

    async def work(process: Process, session: AsyncSession) -> None:
        now = process.clock.now()
        delay = await find_schedule_delay(session, now=now)
        table = Table("work", "due", "oldest waits", "running", "later", "tried again", "given up", box=None)
        lines = await list_queues(session, now=now)
        for line in sorted(lines, key=lambda line: (-line.oldest_wait.total_seconds(), line.name)):
            waits = f"{line.oldest_wait.total_seconds():.0f} s" if line.due else "-"
            counts = [str(number) for number in (line.running, line.later, line.trying, line.dead)]
            table.add_row(line.name, str(line.due), waits, *counts)
        console = Console(soft_wrap=True, highlight=False)
        console.print(table if lines else "Nothing is waiting.")
        behind = "no worker has ever run here" if delay is None else f"{delay.total_seconds():.0f} s behind"
        console.print(f"The clock's work: {behind}.")

    _in_system(settings, work)


def print_dead_jobs(settings: Settings, *, kind: str = "") -> None:
    """List what was given up, newest first, with the reason."""

    async def work(_process: Process, session: AsyncSession) -> list[DeadJob]:
        return await list_dead_jobs(session, name=kind)

    dead = _in_system(settings, work)
    console = Console(soft_wrap=True)
    for job in dead:
        line = (
            f"{job.id}  {job.name}  {job.failed_at:%Y-%m-%d %H:%M} UTC  {job.attempts} attempts: {job.reason}"
        )
        console.print(line, markup=False)
    console.print(
        "Nothing was given up." if not dead else "./stempel dead-letters retry ID gives one another chance."
    )


def retry(settings: Settings, job_id: int) -> None:
    """Queue a given-up job again; raises CommandError where there is none with this id."""
    change_dead(settings, "retry", job_id=job_id)


def change_dead(
    settings: Settings, how: Literal["retry", "drop"], *, job_id: int | None = None, kind: str = ""
) -> int:
    """Queue again or drop one job, or all of a kind, or all; returns how many. An entry says who did it.

    Raises CommandError where there is no such job.
    """
    changes = {"retry": (retry_dead_job, retry_dead_jobs), "drop": (drop_dead_job, drop_dead_jobs)}
    one, many = changes[how]

    async def work(process: Process, session: AsyncSession) -> int:
        done = int(await one(session, job_id)) if job_id is not None else await many(session, name=kind)
        if done:
            action = "jobs.retried" if how == "retry" else "jobs.dropped"
            facts: dict[str, object] = {"jobs": done, **({"kind": kind} if kind else {})}
            facts |= {} if job_id is None else {"job": job_id}
            record_entry(session, COMMAND_LINE, action=action, facts=facts, now=process.clock.now())
        return done

    done = _in_system(settings, work)
    if job_id is not None and not done:
        raise CommandError(f"There is no given-up job {job_id}. ./stempel dead-letters list lists them.")
    return done


def _in_system(settings: Settings, work: Callable[[Process, AsyncSession], Awaitable[T]]) -> T:
    """Run some work in a transaction of the system's scope."""

    async def run(ready: Settings) -> T:
        process = build_process(ready)
        try:
            async with system_scope(process.database) as session:
                return await work(process, session)
        finally:
            await process.aclose()

    with open_database(settings) as ready:
        return asyncio.run(run(ready))
