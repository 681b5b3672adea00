"""A merchant with millions of visits over two years, made in SQL within minutes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.db.session import Database
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from filling import make_months, quick_owner, without_indexes

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAYS = 728
EVENTS_A_CUSTOMER = 20
# One event in so many is a reward that was handed out.
EVENTS_A_REWARD = 12
ROWS_A_BATCH = 1_000_000

# UUIDv7 of a moment: the row lands in its month's partition, as real ones do.
_ID = """(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(salt, 1, 3) || '8'
    || substr(salt, 4, 15))::uuid"""
# One after the other, from the first day to yesterday; the stores are open twelve hours a day.
_AT = """SELECT n, md5(n::text) AS salt, CAST(:first_day AS timestamptz) + make_interval(days => place::int)
    + interval '6 hours' + (place - floor(place)) * interval '12 hours' AS at
    FROM (SELECT n, (n - 1)::float8 * :days / :rows AS place
        FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n) AS placed"""
# A fifth of the customers makes most of the visits, as everywhere.
_CARD = "md5('card' || (1 + (pow(random(), 3) * (:cards - 1))::int))::uuid"
_STORE = "(CAST(:stores AS uuid[]))[1 + n % 4]"
_STAFF = "md5('staff' || (n / 4) % 12)::uuid"

CUSTOMERS = """
INSERT INTO customer (merchant_id, id, name, locale, sort_name, created_at)
SELECT :m, md5('customer' || n)::uuid, 'Customer ' || n, 'en', 'customer ' || n, CAST(:first_day AS timestamptz)
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"""
CARDS = """
INSERT INTO pass_object (merchant_id, id, customer_id, store_id, program_id, card_number, status, created_at,
    stamp_count, points_balance, reward_unlocked)
SELECT :m, md5('card' || n)::uuid, md5('customer' || n)::uuid, (CAST(:stores AS uuid[]))[1], CAST(:program AS uuid),
    'B' || n, 'active', CAST(:first_day AS timestamptz) + make_interval(days => n % 700), n % 10, n % 300, n % 10 = 9
FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"""
VISITS = f"""
INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, staff_id, source, amount_minor, currency, stamps,
    points, at, voided_at)
SELECT :m, {_ID}, {_STORE}, {_CARD}, 'pin', {_STAFF}, 'staff_device', 300 + (n % 40) * 50, 'EUR', 1, 3, at,
    CASE WHEN n % 500 = 0 THEN at + interval '5 minutes' END
FROM ({_AT}) AS made"""
REWARDS = f"""
INSERT INTO redemption (merchant_id, id, reward_id, pass_id, store_id, staff_id, given_by, kind, cost, redeemed_at)
SELECT :m, {_ID}, (SELECT id FROM reward WHERE merchant_id = :m AND program_id = CAST(:program AS uuid) LIMIT 1),
    {_CARD}, {_STORE}, {_STAFF}, 'pin', 'stamps', 10, at
FROM ({_AT}) AS made"""
TABLES = ("customer", "pass_object", "visit", "redemption")


async def fill(database: Database, admin_url: str, events: int) -> UUID:
    """Make the merchant with its events; returns its id. Prints how long it took."""
    begun = time.perf_counter()
    merchant = await make_merchant(database)
    stores = [await make_store(database, merchant, "hybrid", name=f"Store {n}") for n in range(4)]
    people, rewards = max(1000, events // EVENTS_A_CUSTOMER), events // EVENTS_A_REWARD
    first_day = NOW.replace(hour=0) - timedelta(days=DAYS)
    values: dict[str, Any] = {
        "m": merchant.id, "stores": [store.id for store in stores], "program": stores[0].program.id,
        "cards": people, "days": DAYS, "first_day": first_day,
    }  # fmt: skip
    parts = ((CUSTOMERS, people), (CARDS, people), (VISITS, events - rewards), (REWARDS, rewards))
    async with quick_owner(admin_url) as owner:
        await make_months(owner, first_day, NOW)
        async with without_indexes(owner, *TABLES):
            for statement, rows in parts:
                known = {name: value for name, value in values.items() if f":{name}" in statement}
                for first in range(1, rows + 1, ROWS_A_BATCH):
                    last = min(first + ROWS_A_BATCH - 1, rows)
                    part = {**known, "first": first, "last": last}
                    await owner.execute(
                        text(statement), part | ({"rows": rows} if ":rows" in statement else {})
                    )
                    print(
                        f"  {statement.split()[2]} {last:,}: {time.perf_counter() - begun:.0f} s", flush=True
                    )
        # What autovacuum does within minutes of such a load.
        await owner.execute(text("VACUUM (ANALYZE)"))
    print(f"made {events:,} events in {time.perf_counter() - begun:.0f} s", flush=True)
    return merchant.id
