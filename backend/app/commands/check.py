"""`check`: every module's promises about the data, proven merchant by merchant."""

from __future__ import annotations

import asyncio

from rich.console import Console
from sqlalchemy import text

from app.commands.database import open_database
from app.config import Settings
from app.db.session import system_scope, tenant_scope
from app.kernel.ledger import INVARIANT, Violation
from app.process import Process, build_process

VIOLATIONS_SHOWN_MAX = 50


def check_invariants(settings: Settings) -> bool:
    """Run all invariants for all merchants, print what is broken, and return whether nothing is."""
    with open_database(settings) as ready:
        merchants, violations = asyncio.run(_find_violations(ready))
    console = Console(soft_wrap=True)
    for found in violations[:VIOLATIONS_SHOWN_MAX]:
        console.print(
            f"{found.invariant}: merchant {found.merchant_id}, {found.subject_id}: {found.detail}",
            markup=False,
        )
    if violations:
        console.print(f"{len(violations)} broken promises in {merchants} merchants.")
        return False
    console.print(f"{len(INVARIANT.items())} invariants hold for {merchants} merchants.")
    return True


async def _find_violations(settings: Settings) -> tuple[int, list[Violation]]:
    process = build_process(settings)
    try:
        return await _check_merchants(process)
    finally:
        await process.aclose()


async def _check_merchants(process: Process) -> tuple[int, list[Violation]]:
    async with system_scope(process.database) as session:
        merchants = (await session.execute(text("SELECT id FROM merchant ORDER BY id"))).scalars().all()
    violations: list[Violation] = []
    for merchant_id in merchants:
        for _name, invariant in INVARIANT.items():
            async with tenant_scope(process.database, merchant_id) as session:
                violations += await invariant(session)
    return len(merchants), violations
