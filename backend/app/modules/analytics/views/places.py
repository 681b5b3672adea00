"""Stores and the people at the till, side by side."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.reports import Block, Chart, Column, Report, ReportContext, Series, Table, Value
from app.modules.analytics.figures import column, shown_keys, title_of, values_of
from app.modules.analytics.queries import totals_by
from app.modules.analytics.views.common import (
    NotCounted,
    loyalty_types,
    open_books,
    store_names,
    uncounted,
)
from app.modules.staff.public import staff_names

NOBODY = UUID(int=0)
# Who gave something where nobody is named, in the words of the visit list.
WAYS = {
    "pin": msg("A former member"),
    "shared_pin": msg("Shared PIN"),
    "device": msg("Staff device"),
    "api_key": msg("API key"),
    "member": msg("Dashboard"),
}
Rows = list[tuple[str, dict[str, Value]]]


async def load_places(context: ReportContext) -> Report:
    """Return a table of the stores and one of the staff."""
    try:
        books = await open_books(context)
    except NotCounted:
        return uncounted()
    by_store = await totals_by(books, context.period, "store_id")
    names = await store_names(context)
    with_sales = any(sums["purchases"] for _key, sums in by_store)
    keys = shown_keys(await loyalty_types(context), with_sales=with_sales)
    stores: Rows = [(names.get(key[0], "–"), values_of(sums)) for key, sums in by_store]  # noqa: RUF001
    by_giver = await totals_by(books, context.period, "staff_id", "given_by")
    staff = await _named(context, by_giver)
    staff_keys = [key for key in keys if key not in {"cards", "new", "returning"}]
    return Report(
        blocks=[
            _block(_("Stores"), stores, key="stores", heading=_("Store"), keys=keys),
            _block(
                _("Staff"), staff, key="staff", heading=_("Given by"), keys=staff_keys, text=_staff_text()
            ),
        ]
    )


def _staff_text() -> str:
    return _("Who gave it: by their own PIN or on the shop's device. A shared PIN names nobody.")


async def _named(context: ReportContext, by_giver: list[tuple[Any, dict[str, float]]]) -> Rows:
    ids = sorted({key[0] for key, _sums in by_giver if key[0] != NOBODY})
    names = await staff_names(context.session, context.merchant_id, ids)
    # By id: two people of one name are two rows.
    sums: dict[tuple[UUID, str], dict[str, float]] = {}
    for (staff_id, given_by), cell in by_giver:
        if not given_by:  # new cards, which nobody gives
            continue
        # Outside of an f-string and of get(): the extraction of texts must see them.
        way = _(WAYS[given_by]) if given_by in WAYS else given_by
        who = (staff_id, names[staff_id]) if staff_id in names else (NOBODY, way)
        known = sums.setdefault(who, dict.fromkeys(cell, 0))
        for measure, value in cell.items():
            known[measure] += value
    return [(name, values_of(cell)) for (_id, name), cell in sums.items()]


def _block(title: str, rows: Rows, *, key: str, heading: str, keys: list[str], text: str = "") -> Block:
    def by_visits(row: tuple[str, dict[str, Value]]) -> tuple[float, str]:
        return -float(row[1]["visits"] or 0), row[0]  # type: ignore[arg-type]

    ordered = sorted(rows, key=by_visits)
    chart = Chart(
        "parts",
        [name for name, _values in ordered],
        [Series(title_of("visits"), [values["visits"] for _name, values in ordered])],
    )
    table = Table(
        key,
        [Column(heading, "text"), *(column(name) for name in keys)],
        [[name, *(values[measure] for measure in keys)] for name, values in ordered],
    )
    return Block(title, text, chart if ordered else None, table)
