"""`usage` and `set-plan`: what each business uses, and its plan."""

from __future__ import annotations

from uuid import UUID

from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.commands.errors import CommandError
from app.commands.operators import in_process
from app.config import Settings
from app.db.session import set_tenant, system_scope, tenant_scope
from app.modules.billing.public import Plans, Usage, give_plan, read_usage
from app.process import Process

SHOPS_MAX = 500
_SHOPS = text(
    "SELECT id, name FROM merchant WHERE (CAST(:id AS uuid) IS NULL OR id = CAST(:id AS uuid))"
    " ORDER BY lower(name), id LIMIT :limit"
)


def print_usage(settings: Settings, merchant: UUID | None) -> None:
    """Print this month's usage, one line a meter; raises CommandError for an unknown business."""

    async def work(process: Process, _session: AsyncSession) -> list[tuple[str, Usage]]:
        return await read_all(process, merchant)

    console = Console(soft_wrap=True, highlight=False)
    console.print(usage_table(in_process(settings, work)))


async def read_all(process: Process, merchant: UUID | None) -> list[tuple[str, Usage]]:
    """Return name and usage of every business, or of one; raises CommandError for an unknown one."""
    async with system_scope(process.database) as session:
        shops = (await session.execute(_SHOPS, {"id": merchant, "limit": SHOPS_MAX})).all()
    if merchant is not None and not shops:
        raise CommandError(f"There is no business {merchant}.")
    found = []
    for shop in shops:
        async with tenant_scope(process.database, shop.id) as session:
            usage = await read_usage(session, shop.id, now=process.clock.now())
        found.append((f"{shop.name}\n{shop.id}", usage))
    return found


def usage_table(found: list[tuple[str, Usage]]) -> Table:
    """Return the table that is printed."""
    table = Table("Business", "Plan", "Month", "Meter", "Used", "Limit", "State")
    for name, usage in found:
        plan = usage.plan.title if usage.plan else "none"
        for number, row in enumerate(usage.rows):
            first = (name, plan, f"{usage.month:%Y-%m}") if number == 0 else ("", "", "")
            limit = "none" if row.limit is None else str(row.limit)
            table.add_row(*first, row.meter, str(row.shown), limit, row.level)
    return table


def set_plan(settings: Settings, merchant: UUID, plan: str) -> None:
    """Give a business a plan, or the default one by an empty name; raises CommandError with a sentence."""

    async def work(process: Process, session: AsyncSession) -> None:
        await set_plan_in(process, session, merchant, plan=plan)

    in_process(settings, work)


async def set_plan_in(process: Process, session: AsyncSession, merchant: UUID, *, plan: str) -> None:
    """Do it in an open process; raises CommandError for an unknown plan or business."""
    async with system_scope(process.database) as system:
        known = (await system.execute(_SHOPS, {"id": merchant, "limit": 1})).one_or_none()
    if known is None:
        raise CommandError(f"There is no business {merchant}.")
    await set_tenant(session, merchant)
    if not await give_plan(session, merchant, plan, now=process.clock.now()):
        names = ", ".join(process.resources.get(Plans).plans) or "none; STEMPEL_PLANS_FILE names their file"
        raise CommandError(f"There is no plan {plan}. Plans: {names}.")
