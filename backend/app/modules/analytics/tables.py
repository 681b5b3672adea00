"""The daily figures as a download."""

from __future__ import annotations

from app.kernel.i18n import msg
from app.kernel.points import ExportColumn as Col
from app.kernel.points import Exporter

_SOURCE = """FROM rollup_day row
    JOIN rollup_state state ON state.merchant_id = row.merchant_id AND state.build = row.build AND state.live
    LEFT JOIN store ON store.merchant_id = row.merchant_id AND store.id = row.store_id
    LEFT JOIN staff_member staff ON staff.merchant_id = row.merchant_id AND staff.id = row.staff_id
    WHERE row.merchant_id = $1"""

DAILY = Exporter(
    title=msg("Figures by day"),
    about=msg("Every day of every store and giver, as the pages of figures add them up."),
    permission="analytics.view",
    order=90,
    query=f"""SELECT row.day, store.name AS store, coalesce(staff.name, row.given_by) AS given_by, row.visits,
        row.first_visits, row.purchases, row.amount_minor, row.stamps, row.points, row.redemptions, row.stamps_spent,
        row.points_spent, row.new_cards {_SOURCE} ORDER BY row.day, store.name, 3""",  # noqa: S608 (of this file)
    counting=f"SELECT count(*) {_SOURCE}",  # noqa: S608 (of this file)
    columns=(
        Col("day", msg("Day"), "day"),
        Col("store", msg("Store")),
        Col("given_by", msg("Given by")),
        Col("visits", msg("Visits"), "count"),
        Col("first_visits", msg("New customers"), "count"),
        Col("purchases", msg("Purchases"), "count"),
        Col("amount_minor", msg("Sales"), "money"),
        Col("stamps", msg("Stamps"), "count"),
        Col("points", msg("Points"), "count"),
        Col("redemptions", msg("Rewards"), "count"),
        Col("stamps_spent", msg("Stamps spent"), "count"),
        Col("points_spent", msg("Points spent"), "count"),
        Col("new_cards", msg("New cards"), "count"),
    ),
)
