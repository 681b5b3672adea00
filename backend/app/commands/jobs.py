"""`jobs`: the work that was given up, and giving it another chance."""

from __future__ import annotations

import asyncio

from rich.console import Console

from app.commands.database import open_database
from app.commands.errors import CommandError
from app.config import Settings
from app.db.session import system_scope
from app.kernel.jobs import DeadJob, list_dead_jobs, retry_dead_job
from app.process import build_process


def print_dead_jobs(settings: Settings) -> None:
    """List what was given up, newest first, with the reason."""
    with open_database(settings) as ready:
        dead = asyncio.run(_list(ready))
    console = Console(soft_wrap=True)
    for job in dead:
        line = (
            f"{job.id}  {job.name}  {job.failed_at:%Y-%m-%d %H:%M} UTC  {job.attempts} attempts: {job.reason}"
        )
        console.print(line, markup=False)
    console.print(
        "Nothing was given up." if not dead else "./stempel jobs --retry ID gives one another chance."
    )


def retry(settings: Settings, job_id: int) -> None:
    """Queue a given-up job again; raises CommandError where there is none with this id."""
    with open_database(settings) as ready:
        if not asyncio.run(_retry(ready, job_id)):
            raise CommandError(f"There is no given-up job {job_id}. ./stempel jobs lists them.")


async def _list(settings: Settings) -> list[DeadJob]:
    process = build_process(settings)
    try:
        async with system_scope(process.database) as session:
            return await list_dead_jobs(session)
    finally:
        await process.aclose()


async def _retry(settings: Settings, job_id: int) -> bool:
    process = build_process(settings)
    try:
        async with system_scope(process.database) as session:
            return await retry_dead_job(session, job_id)
    finally:
        await process.aclose()
