"""The installation's own signs: worker, queues, given-up work, database, disk and backups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.db.session import system_scope
from app.kernel.backups import last_backup
from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.jobs import find_schedule_delay, list_dead_kinds, list_queues
from app.kernel.observability import describe_exception, get_logger
from app.kernel.operating import OPERATOR_SIGN, Look, Sign
from app.kernel.upkeep import check_nightly
from app.modules.operators import rules
from app.modules.operators.looking.machine import read_database, read_disk
from app.modules.operators.rules import ACT, LEVELS, LOOK, OK

log = get_logger("stempel.operators")


def in_words(span: timedelta) -> str:
    """Return a span in its largest whole unit, in the reader's language."""
    seconds = max(0, int(span.total_seconds()))
    number = current().format_number
    if seconds < 60:
        return ngettext("%(num)s second", "%(num)s seconds", seconds, num=number(seconds))
    if seconds < 3600:
        return ngettext("%(num)s minute", "%(num)s minutes", seconds // 60, num=number(seconds // 60))
    if seconds < 2 * 86400:
        return ngettext("%(num)s hour", "%(num)s hours", seconds // 3600, num=number(seconds // 3600))
    return ngettext("%(num)s day", "%(num)s days", seconds // 86400, num=number(seconds // 86400))


async def gather_signs(look: Look) -> list[Sign]:
    """Ask everybody; the worst first. Who cannot answer is a sign as well, and never hides the others."""
    found: list[Sign] = []
    for name, ask in OPERATOR_SIGN.items():
        try:
            found.extend(await ask(look))
        except Exception as error:  # noqa: BLE001 (the overview is needed most when something is broken)
            log.error("sign_not_read", sign=name, reason=describe_exception(error))
            text = _("This could not be looked at (%(kind)s). The log says more.", kind=type(error).__name__)
            found.append(Sign(ACT, name, text, order=0))
    return sorted(found, key=lambda sign: (-LEVELS.index(sign.level), sign.order))


async def work_signs(look: Look) -> Sequence[Sign]:
    """Tell whether a worker is there, whether work waits, and what was given up."""
    async with system_scope(look.database) as session:
        delay = await find_schedule_delay(session, now=look.now)
        queues = await list_queues(session, now=look.now)
        kinds = {kind.name: kind.jobs for kind in await list_dead_kinds(session)}
    waited = max((line.oldest_wait for line in queues), default=timedelta())
    signs = [_worker_sign(delay), _queue_sign(waited, sum(line.due for line in queues))]
    return [*signs, _dead_sign(sum(kinds.values())), _ledger_sign(kinds.get(check_nightly.job_name, 0))]


def _worker_sign(delay: timedelta | None) -> Sign:
    title, url = _("Worker"), "/operator/queues"
    if delay is None:
        return Sign(ACT, title, _("No worker has ever run here. Start one: ./stempel worker"), url, order=10)
    level = rules.level_above(delay, look=rules.SCHEDULE_LOOK, act=rules.SCHEDULE_ACT)
    if level == OK:
        return Sign(OK, title, _("Running."), url, order=10)
    text = _(
        "No worker has taken anything for %(time)s. Mails, wallets and clean-up stand still.",
        time=in_words(delay),
    )
    return Sign(level, title, text, url, order=10)


def _queue_sign(waited: timedelta, due: int) -> Sign:
    level = rules.level_above(waited, look=rules.WAIT_LOOK, act=rules.WAIT_ACT)
    if level == OK:
        return Sign(OK, _("Queues"), _("Work is taken at once."), "/operator/queues", order=20)
    text = ngettext(
        "%(num)s job is due, the oldest for %(time)s. More workers help, if the machine has room.",
        "%(num)s jobs are due, the oldest for %(time)s. More workers help, if the machine has room.",
        due,
        num=current().format_number(due),
        time=in_words(waited),
    )
    return Sign(level, _("Queues"), text, "/operator/queues", order=20)


def _dead_sign(dead: int) -> Sign:
    title, url = _("Given up"), "/operator/given-up"
    if dead == 0:
        return Sign(OK, title, _("Nothing was given up."), url, order=30)
    text = ngettext(
        "%(num)s job was given up. Put its reason right, then queue it again.",
        "%(num)s jobs were given up. Put their reasons right, then queue them again.",
        dead,
        num=current().format_number(dead),
    )
    return Sign(ACT if dead >= rules.DEAD_ACT else LOOK, title, text, url, order=30)


def _ledger_sign(broken: int) -> Sign:
    title, url = _("Ledgers"), "/operator/given-up"
    if not broken:
        return Sign(
            OK, title, _("Every total equalled its entries at the last nightly check."), url, order=35
        )
    text = _(
        "Totals do not equal their entries. ./stempel check names merchant and card; change nothing by hand."
    )
    return Sign(ACT, title, text, url, order=35)


async def database_signs(look: Look) -> Sequence[Sign]:
    """Tell whether the schema is this release's and connections are left."""
    async with system_scope(look.database) as session:
        facts = await read_database(session)
    title, url = _("Database"), "/operator/machine"
    if facts.schema_state == "older":
        text = _("The tables are older than this release. Run ./stempel migrate.")
        return [Sign(ACT, title, text, url, order=40)]
    share = facts.connections_share
    level = rules.level_above(share, look=rules.CONNECTIONS_LOOK, act=rules.CONNECTIONS_ACT)
    taken = current().format_percent(share)
    if level == OK:
        return [
            Sign(OK, title, _("Answers; %(share)s of its connections are taken.", share=taken), url, order=40)
        ]
    text = _(
        "%(share)s of its connections are taken. Lower STEMPEL_DATABASE_POOL_SIZE, or put PgBouncer in front.",
        share=taken,
    )
    return [Sign(level, title, text, url, order=40)]


async def disk_signs(look: Look) -> Sequence[Sign]:
    """Tell how full the disk with the data folder is."""
    disk = read_disk(look.settings.data_dir)
    level = rules.level_above(disk.used_share, look=rules.DISK_LOOK, act=rules.DISK_ACT)
    used = current().format_percent(disk.used_share)
    text = _("%(share)s full.", share=used)
    if level != OK:
        text = _(
            "%(share)s full. Old backups and logs are the first to go; the database needs room to work.",
            share=used,
        )
    return [Sign(level, _("Disk"), text, "/operator/machine", order=50)]


async def backup_signs(look: Look) -> Sequence[Sign]:
    """Tell how old the newest backup is. A demo has nothing that anybody would miss."""
    async with system_scope(look.database) as session:
        newest = await last_backup(session)
    finished = newest.finished_at if newest else None
    return [_backup_sign(finished, now=look.now, is_demo=look.settings.demo)]


def _backup_sign(finished_at: datetime | None, *, now: datetime, is_demo: bool) -> Sign:
    title, url = _("Backup"), "/operator/machine"
    if finished_at is None:
        text = _("There is no backup yet. ./stempel backup makes one; let it run every night.")
        return Sign(LOOK if is_demo else ACT, title, text, url, order=60)
    age = max(now - finished_at, timedelta())
    level = rules.level_above(age, look=rules.BACKUP_LOOK, act=rules.BACKUP_ACT)
    if level == OK:
        return Sign(OK, title, _("The last one is %(time)s old.", time=in_words(age)), url, order=60)
    text = _("The last one is %(time)s old. Look why the nightly one does not run.", time=in_words(age))
    return Sign(level, title, text, url, order=60)
