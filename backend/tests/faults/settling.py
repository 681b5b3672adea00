"""What must be true of jobs, mails and wallets: while nobody works on them, and once somebody did."""

from __future__ import annotations

import email
import json
import time
from pathlib import Path
from typing import Any, Literal

import asyncpg

from app.modules.wallets.google_wallet.rules import object_id
from app.modules.wallets.google_wallet.stand_in import StandIn
from tests.faults.history import History
from tests.faults.installation import ISSUER, STAMPS_NEEDED, Installation

CONVERGED_SECONDS_MAX = 300.0
LOOK_EVERY_SECONDS = 0.5

_WITHOUT_MARK = """
SELECT card.id::text FROM pass_object card
WHERE card.id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT FROM card_refresh m WHERE m.merchant_id = card.merchant_id AND m.pass_id = card.id)
  AND NOT EXISTS (SELECT FROM pgqueuer WHERE entrypoint = 'wallets.refresh_card'
                  AND payload IS NOT NULL AND convert_from(payload, 'UTF8') LIKE '%' || card.id || '%')
"""
_WAITING = """
SELECT entrypoint, status::text, count(*) FROM pgqueuer
WHERE entrypoint LIKE ANY(ARRAY['wallets.%', 'messaging.%']) OR status = 'failed' GROUP BY 1, 2
UNION ALL SELECT 'marks', 'waiting', count(*) FROM card_refresh HAVING count(*) > 0
UNION ALL SELECT 'mails', status, count(*) FROM outbox_message
WHERE status IN ('waiting', 'sending') GROUP BY 2
"""
_CARDS = "SELECT id, stamp_count, points_balance, merchant_id, last_visit_at FROM pass_object"
_OLD_HEARTS = "UPDATE pgqueuer SET heartbeat = heartbeat - interval '61 seconds' WHERE status = 'picked'"
_OLD_LEASES = """
WITH objects AS (UPDATE google_object SET busy_until = NULL WHERE busy_until IS NOT NULL)
UPDATE outbox_message SET claimed_at = claimed_at - interval '10 minutes' WHERE status = 'sending'
"""
# After an outage one asks a minute later whether it is over, and the others come in the minutes after that.
_PAUSES = (
    "UPDATE google_pace SET paused_until = now() WHERE paused_until > now()",
    "UPDATE apple_health SET until = now() WHERE until > now()",
    "UPDATE mail_pace SET probe_at = now() WHERE probe_at > now()",
    "UPDATE pgqueuer SET run_at = now() WHERE status = 'queued' AND run_at > now() AND starts > 0"
    " AND entrypoint LIKE ANY(ARRAY['wallets.%', 'messaging.%'])",
)


async def end_pauses(connection: asyncpg.Connection[Any]) -> None:
    """Make the minutes pass for which an outage is waited out; a worker may live."""
    for statement in _PAUSES:
        await connection.execute(statement)


async def cards_without_mark(connection: asyncpg.Connection[Any], touched: set[str]) -> list[str]:
    """Return the changed cards whose wallets nobody would ever hear of; meaningful while no worker runs."""
    return [row[0] for row in await connection.fetch(_WITHOUT_MARK, sorted(touched))]


async def let_a_minute_pass(connection: asyncpg.Connection[Any]) -> None:
    """Make what dead workers held as old as it is a few minutes later; only while no worker lives."""
    await connection.execute(_OLD_HEARTS)
    await connection.execute(_OLD_LEASES)


async def what_waits(connection: asyncpg.Connection[Any]) -> dict[str, int]:
    """Return what is still to be done for wallets and mails, and jobs that were given up."""
    return {f"{row[0]} {row[1]}": row[2] for row in await connection.fetch(_WAITING)}


async def differing_outputs(place: Installation, connection: asyncpg.Connection[Any]) -> list[str]:
    """Return the cards that Google or the phones do not show as they are."""
    google = StandIn(place.folder / "google")
    pushed = last_pushes(place.folder / "apns")
    found: list[str] = []
    for row in await connection.fetch(_CARDS):
        token = place.shop.push_tokens.get(row["id"])
        if token is None:
            continue
        shown = google.find("loyaltyObject", object_id(ISSUER, row["merchant_id"], row["id"]))
        stamps = (shown or {}).get("loyaltyPoints", {}).get("balance", {}).get("string")
        points = (shown or {}).get("secondaryLoyaltyPoints", {}).get("balance", {}).get("int")
        wanted = (f"{row['stamp_count']}/{STAMPS_NEEDED}", row["points_balance"])
        if row["last_visit_at"] is not None and (stamps, points) != wanted:
            found.append(f"Google shows {stamps}, {points} for {row['id']} with {wanted}")
        if row["last_visit_at"] is not None and pushed.get(token, 0.0) < row["last_visit_at"].timestamp():
            found.append(f"no push for {row['id']} since its last visit")
    return found


def last_pushes(folder: Path) -> dict[str, float]:
    """Return when each phone was last told."""
    path = folder / "pushes.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    pushes = [json.loads(line) for line in lines]
    return {push["token"]: push["at"] for push in pushes}


def mails_by_recipient(folder: Path) -> dict[str, list[str]]:
    """Return the Message-IDs that each mailbox got."""
    found: dict[str, list[str]] = {}
    for path in folder.glob("*.eml"):
        mail = email.message_from_bytes(path.read_bytes())
        found.setdefault(str(mail["To"]), []).append(str(mail["Message-ID"]))
    return found


def mail_problems(place: Installation, history: History) -> list[str]:
    """Return the mailboxes that got no mail for a join that was granted, or two different ones."""
    arrived = mails_by_recipient(place.folder / "smtp")
    problems = []
    for call in history.calls:
        ids = set(arrived.get(call.recipient, [])) if call.recipient else set()
        if call.recipient and call.outcome == "ok" and len(ids) != 1:
            problems.append(f"{call.key}: {len(ids)} mails")
        if call.recipient and call.outcome != "ok" and len(ids) > 1:
            problems.append(f"{call.key}: {len(ids)} mails")
    return problems


async def wait_until_settled(
    place: Installation,
    connection: asyncpg.Connection[Any],
    *,
    seconds: float = CONVERGED_SECONDS_MAX,
    skip_pauses: Literal["yes", "no"] = "no",
) -> float:
    """Wait until nothing waits and all outputs agree; return after how many seconds. Raises AssertionError."""
    begun = time.monotonic()
    while True:
        if skip_pauses == "yes":
            await end_pauses(connection)
        waiting = await what_waits(connection)
        differing = [] if waiting else await differing_outputs(place, connection)
        if not waiting and not differing:
            return time.monotonic() - begun
        late = time.monotonic() - begun > seconds
        assert not late, (
            f"after {seconds:.0f} s: {waiting} {differing[:5]}\n{place.forks.last_lines('worker0')}"
        )
        time.sleep(LOOK_EVERY_SECONDS)
