"""Jobs in the caller's transaction, over pgqueuer: enqueue with the fact, run after the commit, give up in
the open.

The runner is imported from app.kernel.jobs.runner by the worker only.
"""

from app.kernel.jobs.definition import Backoff, GiveUp, Job, JobContext, Periodic, Poller, TryAgain, job
from app.kernel.jobs.enqueue import DeadJob, enqueue, list_dead_jobs, retry_dead_job
from app.kernel.jobs.schema import QUEUE_TABLES, queue_ddl

__all__ = [
    "QUEUE_TABLES",
    "Backoff",
    "DeadJob",
    "GiveUp",
    "Job",
    "JobContext",
    "Periodic",
    "Poller",
    "TryAgain",
    "enqueue",
    "job",
    "list_dead_jobs",
    "queue_ddl",
    "retry_dead_job",
]
