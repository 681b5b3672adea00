"""The operator sees what was given up and gives it another chance."""

from __future__ import annotations

from typing import Any

import pytest

from app.commands.errors import CommandError
from app.commands.jobs import print_dead_jobs, retry
from app.config import Settings
from app.db.session import system_scope
from app.kernel.jobs import enqueue, list_dead_jobs
from app.kernel.jobs.runner import JobRunner
from app.modules.wallets.jobs import refresh_card
from app.utils.id_generator import new_id


async def test_a_given_up_job_is_listed_with_its_reason_and_runs_again(
    process: Any, clock: Any, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job nobody knows is given up; the list names it, --retry queues it, an unknown id is a sentence."""
    import asyncio

    from app.kernel.jobs.enqueue import connection_of

    async with system_scope(process.database) as session:
        job_id = await enqueue(session, refresh_card, merchant_id=new_id(), pass_id=new_id())
        raw = await connection_of(session)
        await raw.execute(
            "UPDATE pgqueuer SET status = 'failed', reason = 'the other side said no' WHERE id = $1", job_id
        )

    await asyncio.to_thread(print_dead_jobs, settings)
    shown = capsys.readouterr().out
    await asyncio.to_thread(retry, settings, job_id)
    runner = JobRunner(
        process.database, process.registry, process.settings, clock, resources=process.resources
    )
    await runner.drain()

    assert f"{job_id}  wallets.refresh_card" in shown
    assert "the other side said no" in shown
    async with system_scope(process.database) as session:
        assert job_id not in [job.id for job in await list_dead_jobs(session)]
    with pytest.raises(CommandError, match="There is no given-up job 999999999"):
        await asyncio.to_thread(retry, settings, 999999999)
