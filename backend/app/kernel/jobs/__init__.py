"""Jobs in the caller's transaction, over pgqueuer: enqueue with the fact, run after the commit, give up in
the open.

The runner is imported from app.kernel.jobs.runner by the worker only.
"""

from app.kernel.jobs.dead import (
    DeadJob,
    DeadKind,
    drop_dead_job,
    drop_dead_jobs,
    list_dead_jobs,
    list_dead_kinds,
    retry_dead_job,
    retry_dead_jobs,
)
from app.kernel.jobs.definition import Backoff, GiveUp, Job, JobContext, Periodic, Poller, TryAgain, job
from app.kernel.jobs.enqueue import Wish, enqueue, enqueue_all
from app.kernel.jobs.looking import Failing, QueueLine, find_schedule_delay, list_failing, list_queues
from app.kernel.jobs.schema import QUEUE_TABLES, queue_ddl

__all__ = [
    "QUEUE_TABLES",
    "Backoff",
    "DeadJob",
    "DeadKind",
    "Failing",
    "GiveUp",
    "Job",
    "JobContext",
    "Periodic",
    "Poller",
    "QueueLine",
    "TryAgain",
    "Wish",
    "drop_dead_job",
    "drop_dead_jobs",
    "enqueue",
    "enqueue_all",
    "find_schedule_delay",
    "job",
    "list_dead_jobs",
    "list_dead_kinds",
    "list_failing",
    "list_queues",
    "queue_ddl",
    "retry_dead_job",
    "retry_dead_jobs",
]
