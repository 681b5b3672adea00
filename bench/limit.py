"""The limit of a stamp: pgbench calling one function that does every write of the award."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from app.db.embedded_binaries import find_binaries

NO_MARK = ""
# As the product has it, and as one would write it at first; see wallets.public.MARK_SQL for the difference.
PLAIN_MARK = "INSERT INTO card_refresh (merchant_id, pass_id) VALUES (tenant, wanted) ON CONFLICT DO NOTHING;"
LOCKING_MARK = """INSERT INTO card_refresh (merchant_id, pass_id) VALUES (tenant, wanted)
    ON CONFLICT (merchant_id, pass_id) DO UPDATE SET marked_at = card_refresh.marked_at WHERE false;"""

# Every write of the award in one call: lock and check, totals, visit, event, key, mark. Rights and row-level
# security are those of the caller (no SECURITY DEFINER).
_FUNCTION = """
CREATE FUNCTION {name}(tenant uuid, place uuid, wanted uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE card record; visit_id uuid := uuidv7(); count bigint;
BEGIN
  PERFORM set_config('stempel.merchant_id', tenant::text, true);
  SELECT p.stamp_count, p.last_stamp_at, s.time_zone, g.stamps_needed, g.cooldown_minutes INTO card
    FROM pass_object p JOIN store s ON s.merchant_id = p.merchant_id AND s.id = place
    JOIN program g ON g.merchant_id = p.merchant_id AND g.id = p.program_id
    WHERE p.merchant_id = tenant AND p.id = wanted AND p.status = 'active' FOR UPDATE OF p;
  count := (card.stamp_count + 1) % card.stamps_needed;
  UPDATE pass_object SET stamp_count = count, last_stamp_at = now(), last_visit_at = now(),
    revision = revision + 1, changed_at = now() WHERE merchant_id = tenant AND id = wanted;
  INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, source, currency, stamps, at)
    VALUES (tenant, visit_id, place, wanted, 'pin', 'customer_phone', 'EUR', 1, now());
  INSERT INTO stamp_event (merchant_id, id, pass_id, store_id, visit_id, kind, stamps_added, balance_after, timestamp)
    VALUES (tenant, uuidv7(), wanted, place, visit_id, 'earn', 1, count, now());
  INSERT INTO idempotency_key (merchant_id, scope, key, fingerprint, answer, created_at)
    VALUES (tenant, 'stamp|' || wanted, gen_random_uuid()::text, '\\x00', '{{"stamp_count": 1}}', now());
  {mark}
  RETURN count;
END $$
"""


def limit_function(mark: str = PLAIN_MARK, *, name: str = "bench_stamp") -> str:
    """Return the function; mark: how it leaves the refresh mark."""
    return _FUNCTION.format(name=name, mark=mark)


def run_pgbench(script: Path, url: str, *, clients: int, seconds: float) -> float:
    """Run a script with prepared statements; return transactions a second."""
    command = [
        str(find_binaries(None).folder / "pgbench"),
        "-n",
        "-M",
        "prepared",
        "-c",
        str(clients),
        "-j",
        "2",
    ]
    command += ["-T", str(int(seconds)), "-f", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None:
        sys.exit(f"pgbench failed ({done.returncode}): {done.stdout[-300:]} {done.stderr[-300:]}")
    return float(found.group(1))
