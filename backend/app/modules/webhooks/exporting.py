"""The log as a table to download."""

from __future__ import annotations

from app.kernel.i18n import msg
from app.kernel.points import ExportColumn as Col
from app.kernel.points import Exporter

LOG = Exporter(
    title=msg("Webhook log"),
    about=msg("What was told to your other programs in the last 30 days, and how it went."),
    permission="webhooks.view",
    order=90,
    query="""SELECT one.id, event.id AS event_id, event.type, event.at, target.url, one.status, one.attempts,
        one.last_status, one.error, one.finished_at
        FROM webhook_delivery one
        JOIN webhook_event event ON event.merchant_id = one.merchant_id AND event.id = one.event_id
        JOIN webhook_endpoint target ON target.merchant_id = one.merchant_id AND target.id = one.endpoint_id
        WHERE one.merchant_id = $1 ORDER BY one.id""",
    counting="SELECT count(*) FROM webhook_delivery WHERE merchant_id = $1",
    columns=(
        Col("id", msg("Delivery"), "id"),
        Col("event_id", msg("Event"), "id"),
        Col("type", msg("Kind"), "id"),
        Col("at", msg("Happened"), "moment"),
        Col("url", msg("Address")),
        Col("status", msg("State"), "id"),
        Col("attempts", msg("Tries"), "count"),
        Col("last_status", msg("Last answer"), "id"),
        Col("error", msg("Reason"), "id"),
        Col("finished_at", msg("Finished"), "moment"),
    ),
)
