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

SHOPS_AT_ONCE = 500
_SHOP = text("SELECT id, name FROM merchant WHERE id = :id")
_SHOPS = text(
    "SELECT id, name FROM merchant WHERE CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)"
    " ORDER BY id LIMIT :limit"
)


def print_usage(settings: Settings, merchant: UUID | None) -> None:
    """Print this month's usage, one line a meter; raises CommandError for an unknown business."""

    async def work(process: Process, _session: AsyncSession) -> list[tuple[str, Usage]]:
        return await read_all(process, merchant)

    console = Console(soft_wrap=True, highlight=False)
    console.print(usage_table(in_process(settings, work)))


async def read_all(process: Process, merchant: UUID | None) -> list[tuple[str, Usage]]:
    """Return name and usage of every business, or of one; raises CommandError for an unknown one."""
    shops = (
        await _list_shops(process) if merchant is None else [(merchant, await _name_of(process, merchant))]
    )
    found = []
    for shop_id, name in sorted(shops, key=lambda shop: (shop[1].lower(), shop[0])):
        async with tenant_scope(process.database, shop_id) as session:
            usage = await read_usage(session, shop_id, now=process.clock.now())
        found.append((f"{name}\n{shop_id}", usage))
    return found


async def _list_shops(process: Process) -> list[tuple[UUID, str]]:
    """Return every business, read page by page."""
    found: list[tuple[UUID, str]] = []
    while True:
        values = {"after": found[-1][0] if found else None, "limit": SHOPS_AT_ONCE}
        async with system_scope(process.database) as session:
            page = (await session.execute(_SHOPS, values)).all()
        found += [(shop.id, shop.name) for shop in page]
        if len(page) < SHOPS_AT_ONCE:
            return found


async def _name_of(process: Process, merchant: UUID) -> str:
    """Return a business's name; raises CommandError for an unknown one."""
    async with system_scope(process.database) as session:
        shop = (await session.execute(_SHOP, {"id": merchant})).one_or_none()
    if shop is None:
        raise CommandError(f"There is no business {merchant}.")
    return str(shop.name)


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
    await _name_of(process, merchant)
    await set_tenant(session, merchant)
    if not await give_plan(session, merchant, plan, now=process.clock.now()):
        names = ", ".join(process.resources.get(Plans).plans) or "none; STEMPEL_PLANS_FILE names their file"
        raise CommandError(f"There is no plan {plan}. Plans: {names}.")
