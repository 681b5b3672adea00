"""The worker's part: batch after batch, each kept at once; and forgetting files that nobody started."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from app.kernel.errors import NotFound
from app.kernel.jobs import Backoff, GiveUp, JobContext, enqueue, job
from app.modules.crm.importing.service import OPEN, drop_run, get_run
from app.modules.crm.importing.work import must_wait, next_batch

TRIES_MAX = 8
# How often an import looks whether a shop that stands still goes on.
WAITS = timedelta(hours=1)


@job(
    "crm.work_on_import",
    retry=Backoff(first=timedelta(seconds=10), give_up_after=timedelta(hours=6)),
    timeout=timedelta(minutes=30),
    priority=-10,
)
async def work_on_import(context: JobContext, *, run_id: UUID) -> None:
    """Work on an import until nothing is left; begun again, it goes on where the last kept batch ended.

    In a shop that is closed it waits: opened again, it goes on.
    """
    merchant_id = context.merchant_id
    assert merchant_id is not None
    try:
        is_more = True
        while is_more:
            async with context.session() as session:
                now = context.clock.now()
                if await must_wait(session, merchant_id, run_id):
                    key = str(run_id)
                    await enqueue(
                        session,
                        work_on_import,
                        merchant_id=merchant_id,
                        key=key,
                        run_at=now + WAITS,
                        run_id=run_id,
                    )
                    return
                is_more = await next_batch(session, merchant_id, run_id, now=now)
    except NotFound:  # discarded meanwhile, or its store is gone
        return
    except Exception as error:
        if context.attempt < TRIES_MAX:
            raise
        async with context.session() as session:
            run = await get_run(session, merchant_id, run_id, lock=True)
            run.status = "failed"
        raise GiveUp("the import could not be done") from error


@job("crm.forget_draft")
async def forget_draft(context: JobContext, *, run_id: UUID) -> None:
    """Forget a file that nobody started within a day."""
    merchant_id = context.merchant_id
    assert merchant_id is not None
    async with context.session() as session:
        try:
            run = await get_run(session, merchant_id, run_id, lock=True)
        except NotFound:
            return
        if run.status in OPEN:
            await drop_run(session, merchant_id, [run_id])
