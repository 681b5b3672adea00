"""Given-up work: listed by page, queued again, dropped; each change leaves an entry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, system_scope
from app.kernel.adapters import resources_of
from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.jobs import (
    DeadJob,
    DeadKind,
    drop_dead_job,
    drop_dead_jobs,
    list_dead_jobs,
    list_dead_kinds,
    retry_dead_job,
    retry_dead_jobs,
)
from app.modules.operators.journal import record_entry
from app.modules.operators.looking.shops import name_shops
from app.modules.operators.signing_in.service import OperatorRef

DEAD_PAGE_SIZE = 50
JOB_NUMBER_MAX = 2**63 - 1


@dataclass(frozen=True)
class DeadPage:
    """Some given-up jobs, the newest first. next_before: 0 where there are no more. names: of their shops.

    kinds: of all that was given up, not of these only.
    """

    jobs: list[DeadJob]
    next_before: int
    names: dict[UUID, str]
    kinds: list[DeadKind]


async def dead_page(session: AsyncSession, *, kind: str, before: int) -> DeadPage:
    """Return a page of given-up jobs (system scope)."""
    before = before if 0 < before <= JOB_NUMBER_MAX else 0
    found = await list_dead_jobs(session, limit=DEAD_PAGE_SIZE + 1, name=kind, before=before)
    shown = found[:DEAD_PAGE_SIZE]
    names = await name_shops(session, {job.merchant_id for job in shown if job.merchant_id})
    next_before = shown[-1].id if len(found) > DEAD_PAGE_SIZE else 0
    return DeadPage(shown, next_before, names, await list_dead_kinds(session))


@dataclass(frozen=True)
class Choice:
    """Which given-up jobs are meant: one by its number, or all of a kind, or all there are."""

    job_id: int | None = None
    kind: str = ""

    @property
    def facts(self) -> dict[str, object]:
        """Return what an entry says of it."""
        if self.job_id is not None:
            return {"job": self.job_id}
        return {"kind": self.kind} if self.kind else {}


@dataclass(frozen=True)
class _Way:
    """What is done to given-up jobs: by number, by kind, and what the record calls it."""

    action: str
    one: Callable[..., Awaitable[int]]
    several: Callable[..., Awaitable[int]]


async def retry_work(
    session: AsyncSession, operator: OperatorRef, choice: Choice | None, *, now: datetime
) -> int:
    """Queue the chosen jobs again; returns how many there were. None: what was typed chooses nothing."""
    return await _change(session, operator, choice, way=_RETRY, now=now)


async def drop_work(
    session: AsyncSession, operator: OperatorRef, choice: Choice | None, *, now: datetime
) -> int:
    """Drop the chosen jobs for good; returns how many there were. None: what was typed chooses nothing."""
    return await _change(session, operator, choice, way=_DROP, now=now)


async def _change(
    session: AsyncSession, operator: OperatorRef, choice: Choice | None, *, way: _Way, now: datetime
) -> int:
    if choice is None or not _is_possible(choice):
        return 0
    async with system_scope(resources_of(session).get(Database)) as system:
        if choice.job_id is not None:
            done = int(await way.one(system, choice.job_id))
        else:
            done = await way.several(system, name=choice.kind)
    if done:
        facts = {**choice.facts, "jobs": done}
        record_entry(session, operator.name, action=way.action, facts=facts, now=now)
    return done


_RETRY = _Way("jobs.retried", retry_dead_job, retry_dead_jobs)
_DROP = _Way("jobs.dropped", drop_dead_job, drop_dead_jobs)


def _is_possible(choice: Choice) -> bool:
    return choice.job_id is None or 0 < choice.job_id <= JOB_NUMBER_MAX


def changed_text(how: str, jobs: int) -> str:
    """Return what to say after a change; how: retried or dropped."""
    if jobs == 0:
        return _("There was nothing to do any more.")
    number = current().format_number(jobs)
    if how == "retried":
        return ngettext("%(num)s job is queued again.", "%(num)s jobs are queued again.", jobs, num=number)
    return ngettext("%(num)s job was dropped.", "%(num)s jobs were dropped.", jobs, num=number)
