"""The one statement that counts: what some customers' roll-ups are, less what they were.

It reads everything of a few customers and writes the difference only. "Was" is told by rollup_card: visits up to the
last one seen, without those that were voided then. "Is" is what stands in the tables now. The same statement
therefore counts a new visit, a void, a merge of two cards, and a customer who was never counted before.

$1 merchant, $2 build, $3 customers, $4 currency, $5 the last customer counted (null: all of them).
"""

from __future__ import annotations

MEASURES = (
    "visits",
    "first_visits",
    "purchases",
    "amount_minor",
    "stamps",
    "points",
    "redemptions",
    "stamps_spent",
    "points_spent",
    "new_cards",
)
VISITS_TOLD_APART_MAX = 100
NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
NEVER = "'1970-01-01'::date"

_CARDS = """
rooted AS (
    SELECT card.id AS pass_id, card.customer_id AS person FROM pass_object card
    WHERE card.merchant_id = $1 AND card.customer_id = ANY ($3) AND card.merged_into IS NULL
      AND ($5::uuid IS NULL OR card.customer_id <= $5)
    UNION ALL
    SELECT card.id, rooted.person FROM rooted
    JOIN pass_object card ON card.merchant_id = $1 AND card.merged_into = rooted.pass_id
), is_card AS MATERIALIZED (
    SELECT rooted.person, card.id AS pass_id, card.program_id, card.merged_into IS NULL AS joined,
           (card.merged_into IS NULL AND card.status IN ('active', 'blocked'))::int AS held,
           card.stamp_count, card.points_balance, card.reward_unlocked::int AS ready
    FROM rooted JOIN pass_object card ON card.merchant_id = $1 AND card.id = rooted.pass_id
), was_card AS MATERIALIZED (
    SELECT * FROM rollup_card WHERE merchant_id = $1 AND build = $2 AND customer_id = ANY ($3)
), both_cards AS MATERIALIZED (
    SELECT coalesce(now.pass_id, was.pass_id) AS pass_id, now.person, was.customer_id AS old_person,
           was.seen_visit, was.voided_visits, was.seen_redemption, was.voided_redemptions,
           coalesce(now.joined, false) AS is_joined, coalesce(was.joined, false) AS was_joined
    FROM is_card now FULL JOIN was_card was ON was.pass_id = now.pass_id
)"""

# Cards are read as sorted and distinct: neighbours in the index follow one another, and no plan hashes all visits
# because it takes the few cards for one and the same (their number is not known before they are there).
_EVENTS = f"""
told AS MATERIALIZED (
    SELECT visit.id, visit.pass_id, visit.at, visit.store_id, visit.voided_at IS NOT NULL AS voided,
           coalesce(visit.staff_id, {NOBODY}) AS staff_id, visit.given_by, visit.stamps, visit.points,
           CASE WHEN visit.currency = $4 THEN greatest(coalesce(visit.amount_minor, 0), 0) ELSE 0 END AS amount,
           visit.at AT TIME ZONE store.time_zone AS local, card.person, card.old_person,
           card.person IS NOT NULL AND visit.voided_at IS NULL AS is_in,
           coalesce(visit.id <= card.seen_visit AND visit.id <> ALL (card.voided_visits), false) AS was_in
    FROM (SELECT DISTINCT ON (pass_id) * FROM both_cards) AS card
    JOIN visit ON visit.merchant_id = $1 AND visit.pass_id = card.pass_id
    JOIN store ON store.merchant_id = $1 AND store.id = visit.store_id
), visits AS MATERIALIZED (
    SELECT *, local::date AS day,
           is_in AND row_number() OVER (PARTITION BY person, is_in ORDER BY at, id) = 1 AS is_first,
           was_in AND row_number() OVER (PARTITION BY old_person, was_in ORDER BY at, id) = 1 AS was_first,
           min(local::date) OVER (PARTITION BY person, is_in) AS first_day
    FROM told
), rewards AS MATERIALIZED (
    SELECT given.id, given.pass_id, given.store_id, coalesce(given.staff_id, {NOBODY}) AS staff_id, given.given_by,
           given.kind, given.cost, given.voided_at IS NOT NULL AS voided,
           given.redeemed_at AT TIME ZONE store.time_zone AS local, card.person,
           card.person IS NOT NULL AND given.voided_at IS NULL AS is_in,
           coalesce(given.id <= card.seen_redemption AND given.id <> ALL (card.voided_redemptions), false) AS was_in
    FROM (SELECT DISTINCT ON (pass_id) * FROM both_cards) AS card
    JOIN redemption given ON given.merchant_id = $1 AND given.pass_id = card.pass_id
    JOIN store ON store.merchant_id = $1 AND store.id = given.store_id
)"""

_CELLS = """
changes AS (
    SELECT local, store_id, staff_id, given_by, n AS visits, is_first::int - was_first::int AS first_visits,
           CASE WHEN amount > 0 THEN n ELSE 0 END AS purchases, n * amount AS amount_minor,
           n * stamps AS stamps, n * points AS points,
           0 AS redemptions, 0 AS stamps_spent, 0 AS points_spent, 0 AS new_cards
    FROM (SELECT *, is_in::int - was_in::int AS n FROM visits) AS visit WHERE n <> 0 OR is_first <> was_first
    UNION ALL
    SELECT local, store_id, staff_id, given_by, 0, 0, 0, 0, 0, 0, n,
           CASE WHEN kind = 'stamps' THEN n * cost ELSE 0 END, CASE WHEN kind = 'points' THEN n * cost ELSE 0 END, 0
    FROM (SELECT *, is_in::int - was_in::int AS n FROM rewards) AS given WHERE n <> 0
    UNION ALL
    SELECT card.created_at AT TIME ZONE store.time_zone, card.store_id, {nobody}, '', 0, 0, 0, 0, 0, 0, 0, 0, 0,
           both_cards.is_joined::int - both_cards.was_joined::int
    FROM both_cards JOIN pass_object card ON card.merchant_id = $1 AND card.id = both_cards.pass_id
    JOIN store ON store.merchant_id = $1 AND store.id = card.store_id
    WHERE both_cards.is_joined <> both_cards.was_joined
), cells AS MATERIALIZED (
    SELECT local::date AS day, extract(hour FROM local)::int AS hour, store_id, staff_id, given_by, {sums}
    FROM changes GROUP BY 1, 2, 3, 4, 5
), days AS (
    INSERT INTO rollup_day (merchant_id, build, day, store_id, staff_id, given_by, {names})
    SELECT $1, $2, day, store_id, staff_id, given_by, {sums} FROM cells GROUP BY day, store_id, staff_id, given_by
    ON CONFLICT (merchant_id, build, day, store_id, staff_id, given_by) DO UPDATE SET {day_sets}
), stores AS (
    INSERT INTO rollup_store (merchant_id, build, day, store_id, {names})
    SELECT $1, $2, day, store_id, {sums} FROM cells GROUP BY day, store_id
    ON CONFLICT (merchant_id, build, day, store_id) DO UPDATE SET {store_sets}
), hours AS (
    INSERT INTO rollup_hour (merchant_id, build, day, hour, store_id, {names})
    SELECT $1, $2, day, hour, store_id, {sums} FROM cells GROUP BY day, hour, store_id
    ON CONFLICT (merchant_id, build, day, hour, store_id) DO UPDATE SET {hour_sets}
)""".format(
    nobody=NOBODY,
    names=", ".join(MEASURES),
    sums=", ".join(f"sum({name}) AS {name}" for name in MEASURES),
    day_sets=", ".join(f"{name} = rollup_day.{name} + excluded.{name}" for name in MEASURES),
    store_sets=", ".join(f"{name} = rollup_store.{name} + excluded.{name}" for name in MEASURES),
    hour_sets=", ".join(f"{name} = rollup_hour.{name} + excluded.{name}" for name in MEASURES),
)

_PEOPLE_SHARES = f"""coalesce(last_day, {NEVER}) AS last_day, least(visits, {VISITS_TOLD_APART_MAX}) AS visits,
           visits AS all_visits, amount_minor, coalesce(last_day - first_day, 0) AS span_days,
           (redemptions > 0)::int AS redeemer"""

_CUSTOMERS = f"""
came AS (
    SELECT person, min(at) AS first_at, max(at) AS last_at, min(day) AS first_day, max(day) AS last_day,
           count(*) AS visits, count(DISTINCT day) AS visit_days, count(*) FILTER (WHERE amount > 0) AS purchases,
           sum(amount) AS amount_minor,
           count(DISTINCT day) FILTER (WHERE amount > 0 AND day > first_day) AS later_paid_days,
           coalesce(sum(amount) FILTER (WHERE day > first_day), 0) AS later_amount_minor,
           sum(stamps) AS stamps, sum(points) AS points
    FROM visits WHERE is_in GROUP BY person
), got AS (
    SELECT person, count(*) AS redemptions FROM rewards WHERE is_in GROUP BY person
), is_customer AS MATERIALIZED (
    SELECT card.person AS customer_id, first_at, last_at, first_day, last_day, coalesce(visits, 0) AS visits,
           coalesce(visit_days, 0) AS visit_days, coalesce(purchases, 0) AS purchases,
           coalesce(amount_minor, 0) AS amount_minor, coalesce(later_paid_days, 0) AS later_paid_days,
           coalesce(later_amount_minor, 0) AS later_amount_minor, coalesce(stamps, 0) AS stamps,
           coalesce(points, 0) AS points, coalesce(redemptions, 0) AS redemptions
    FROM (SELECT DISTINCT person FROM is_card) AS card LEFT JOIN came USING (person) LEFT JOIN got USING (person)
), was_customer AS MATERIALIZED (
    SELECT * FROM rollup_customer WHERE merchant_id = $1 AND build = $2 AND customer_id = ANY ($3)
), customers AS (
    INSERT INTO rollup_customer (merchant_id, build, customer_id, first_at, last_at, first_day, last_day, visits,
        visit_days, purchases, amount_minor, later_paid_days, later_amount_minor, stamps, points, redemptions)
    SELECT $1, $2, * FROM is_customer
    ON CONFLICT (merchant_id, build, customer_id) DO UPDATE SET first_at = excluded.first_at,
        last_at = excluded.last_at, first_day = excluded.first_day, last_day = excluded.last_day,
        visits = excluded.visits, visit_days = excluded.visit_days, purchases = excluded.purchases,
        amount_minor = excluded.amount_minor, later_paid_days = excluded.later_paid_days,
        later_amount_minor = excluded.later_amount_minor, stamps = excluded.stamps, points = excluded.points,
        redemptions = excluded.redemptions
), customers_gone AS (
    DELETE FROM rollup_customer WHERE merchant_id = $1 AND build = $2 AND customer_id IN (
        SELECT customer_id FROM was_customer EXCEPT SELECT customer_id FROM is_customer)
), people AS (
    INSERT INTO rollup_people (merchant_id, build, last_day, visits, customers, all_visits, amount_minor, span_days,
        redeemers)
    SELECT $1, $2, last_day, visits, sum(n), sum(n * all_visits), sum(n * amount_minor), sum(n * span_days),
           sum(n * redeemer)
    FROM (SELECT 1 AS n, {_PEOPLE_SHARES} FROM is_customer
          UNION ALL SELECT -1, {_PEOPLE_SHARES} FROM was_customer) AS share
    GROUP BY last_day, visits
    HAVING sum(n) <> 0 OR sum(n * all_visits) <> 0 OR sum(n * amount_minor) <> 0 OR sum(n * span_days) <> 0
        OR sum(n * redeemer) <> 0
    ON CONFLICT (merchant_id, build, last_day, visits) DO UPDATE SET
        customers = rollup_people.customers + excluded.customers,
        all_visits = rollup_people.all_visits + excluded.all_visits,
        amount_minor = rollup_people.amount_minor + excluded.amount_minor,
        span_days = rollup_people.span_days + excluded.span_days,
        redeemers = rollup_people.redeemers + excluded.redeemers
)"""

_COHORTS = """
months AS (
    SELECT 1 AS n, person, date_trunc('month', local)::date AS month, count(*) AS visits, sum(amount) AS amount
    FROM visits WHERE is_in GROUP BY 1, 2, 3
    UNION ALL
    SELECT -1, old_person, date_trunc('month', local)::date, count(*), sum(amount)
    FROM visits WHERE was_in GROUP BY 1, 2, 3
), cohorts AS (
    INSERT INTO rollup_cohort (merchant_id, build, cohort, month, customers, visits, amount_minor)
    SELECT $1, $2, cohort, month, sum(n), sum(n * visits), sum(n * amount)
    FROM (SELECT *, min(month) OVER (PARTITION BY n, person) AS cohort FROM months) AS months
    GROUP BY cohort, month HAVING sum(n) <> 0 OR sum(n * visits) <> 0 OR sum(n * amount) <> 0
    ON CONFLICT (merchant_id, build, cohort, month) DO UPDATE SET
        customers = rollup_cohort.customers + excluded.customers,
        visits = rollup_cohort.visits + excluded.visits,
        amount_minor = rollup_cohort.amount_minor + excluded.amount_minor
)"""

_BALANCES = """
balances AS (
    INSERT INTO rollup_balance (merchant_id, build, program_id, cards, stamps, points, ready)
    SELECT $1, $2, program_id, sum(held), sum(stamps), sum(points), sum(ready)
    FROM (SELECT program_id, held, held * stamp_count AS stamps, held * points_balance AS points,
                 held * ready AS ready FROM is_card
          UNION ALL SELECT program_id, -held, -stamps, -points, -ready FROM was_card) AS share
    GROUP BY program_id
    HAVING sum(held) <> 0 OR sum(stamps) <> 0 OR sum(points) <> 0 OR sum(ready) <> 0
    ON CONFLICT (merchant_id, build, program_id) DO UPDATE SET
        cards = rollup_balance.cards + excluded.cards, stamps = rollup_balance.stamps + excluded.stamps,
        points = rollup_balance.points + excluded.points, ready = rollup_balance.ready + excluded.ready
)"""

_SEEN = """
seen_visits AS (
    SELECT pass_id, (array_agg(id ORDER BY id DESC))[1] AS last, array_agg(id) FILTER (WHERE voided) AS voided
    FROM told GROUP BY pass_id
), seen_rewards AS (
    SELECT pass_id, (array_agg(id ORDER BY id DESC))[1] AS last, array_agg(id) FILTER (WHERE voided) AS voided
    FROM rewards GROUP BY pass_id
), cards_gone AS (
    DELETE FROM rollup_card WHERE merchant_id = $1 AND build = $2 AND pass_id IN (
        SELECT pass_id FROM was_card EXCEPT SELECT pass_id FROM is_card)
), cards AS (
    INSERT INTO rollup_card (merchant_id, build, pass_id, customer_id, program_id, seen_visit, voided_visits,
        seen_redemption, voided_redemptions, joined, held, stamps, points, ready)
    SELECT $1, $2, card.pass_id, card.person, card.program_id, seen_visits.last,
           coalesce(seen_visits.voided, '{}'), seen_rewards.last, coalesce(seen_rewards.voided, '{}'), card.joined,
           card.held, card.held * card.stamp_count, card.held * card.points_balance, card.held * card.ready
    FROM is_card card LEFT JOIN seen_visits USING (pass_id) LEFT JOIN seen_rewards USING (pass_id)
    ON CONFLICT (merchant_id, build, pass_id) DO UPDATE SET customer_id = excluded.customer_id,
        seen_visit = excluded.seen_visit, voided_visits = excluded.voided_visits,
        seen_redemption = excluded.seen_redemption, voided_redemptions = excluded.voided_redemptions,
        joined = excluded.joined, held = excluded.held, stamps = excluded.stamps, points = excluded.points,
        ready = excluded.ready
)"""

COUNT = (
    "WITH RECURSIVE"
    + ",".join((_CARDS, _EVENTS, _CELLS, _CUSTOMERS, _COHORTS, _BALANCES, _SEEN))
    + " SELECT count(*) FROM is_card"
)

# Whose roll-ups a card's change touches: those of whoever holds it now, and of whoever it was counted for.
HOLDERS = """
WITH RECURSIVE up AS (
    SELECT id, customer_id, merged_into FROM pass_object WHERE merchant_id = $1 AND id = ANY ($3)
    UNION
    SELECT card.id, card.customer_id, card.merged_into
    FROM up JOIN pass_object card ON card.merchant_id = $1 AND card.id = up.merged_into
)
SELECT customer_id FROM up WHERE merged_into IS NULL
UNION
SELECT customer_id FROM rollup_card WHERE merchant_id = $1 AND build = $2 AND pass_id = ANY ($3)"""

# The cards that these customers hold now may have been counted for others, who are touched as well.
EARLIER_HOLDERS = """
WITH RECURSIVE rooted AS (
    SELECT id FROM pass_object WHERE merchant_id = $1 AND customer_id = ANY ($3) AND merged_into IS NULL
    UNION
    SELECT card.id FROM rooted JOIN pass_object card ON card.merchant_id = $1 AND card.merged_into = rooted.id
)
SELECT DISTINCT rollup_card.customer_id FROM rooted
JOIN rollup_card ON rollup_card.merchant_id = $1 AND rollup_card.build = $2 AND rollup_card.pass_id = rooted.id"""

# Chosen once, by a WITH: as a subquery it may be run again for each row that is looked at, and then takes one more
# each time, because the rows that it has just taken are skipped.
TAKE = """
WITH oldest AS MATERIALIZED (
    SELECT pass_id FROM rollup_pending WHERE merchant_id = $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM rollup_pending WHERE merchant_id = $1 AND pass_id IN (SELECT pass_id FROM oldest)
RETURNING pass_id"""

# On a row that is there already, DO UPDATE ... WHERE false writes nothing and locks it, as refresh marks do: the
# worker cannot take it, and read the card, before this change is committed.
LEAVE = """
INSERT INTO rollup_pending (merchant_id, pass_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
ON CONFLICT (merchant_id, pass_id) DO UPDATE SET at = rollup_pending.at WHERE false"""

ROLLUPS = (
    "rollup_day",
    "rollup_store",
    "rollup_hour",
    "rollup_card",
    "rollup_customer",
    "rollup_people",
    "rollup_cohort",
    "rollup_balance",
)
