"""The foundation's own tables as downloads. Later modules offer theirs beside their tables."""

from __future__ import annotations

from app.kernel.i18n import msg
from app.kernel.points import ExportColumn as Col
from app.kernel.points import Exporter

_HOLDER = """
LEFT JOIN pass_object card ON card.merchant_id = row.merchant_id AND card.id = row.pass_id
LEFT JOIN customer ON customer.merchant_id = card.merchant_id AND customer.id = card.customer_id
LEFT JOIN store ON store.merchant_id = row.merchant_id AND store.id = row.store_id
LEFT JOIN staff_member staff ON staff.merchant_id = row.merchant_id AND staff.id = row.staff_id"""

_WHO = (Col("card_number", msg("Card number")), Col("customer", msg("Customer")))
_WHERE = (Col("store", msg("Store")), Col("given_by", msg("Given by")))


def _count(table: str) -> str:
    return f"SELECT count(*) FROM {table} WHERE merchant_id = $1"  # noqa: S608 (names come from this file)


CUSTOMERS = Exporter(
    title=msg("Customers"),
    about=msg("Names, addresses and consents, one row for each person."),
    permission="customers.export",
    personal=True,
    order=10,
    query="""SELECT id, name, email, phone, email_verified_at, email_consent, email_consent_at, unsubscribed_at, locale,
        birthday_day, birthday_month, birthday_year, created_at
        FROM customer WHERE merchant_id = $1 AND erased_at IS NULL ORDER BY id""",
    counting=_count("customer"),
    columns=(
        Col("id", msg("Customer id"), "id"),
        Col("name", msg("Name")),
        Col("email", msg("E-mail")),
        Col("phone", msg("Phone")),
        Col("email_verified_at", msg("Address confirmed"), "moment"),
        Col("email_consent", msg("Agreed to updates"), "id"),
        Col("email_consent_at", msg("Agreed on"), "moment"),
        Col("unsubscribed_at", msg("Unsubscribed on"), "moment"),
        Col("locale", msg("Language"), "id"),
        Col("birthday_day", msg("Birthday, day"), "count"),
        Col("birthday_month", msg("Birthday, month"), "count"),
        Col("birthday_year", msg("Birthday, year"), "count"),
        Col("created_at", msg("Customer since"), "moment"),
    ),
)
CARDS = Exporter(
    title=msg("Cards"),
    about=msg("Every card with its balance."),
    permission="customers.export",
    personal=True,
    order=20,
    query="""SELECT row.card_number, customer.name AS customer, program.name AS program, row.status, row.stamp_count,
        row.points_balance, row.reward_unlocked, row.created_at, row.last_visit_at
        FROM pass_object row
        JOIN program ON program.merchant_id = row.merchant_id AND program.id = row.program_id
        LEFT JOIN customer ON customer.merchant_id = row.merchant_id AND customer.id = row.customer_id
        WHERE row.merchant_id = $1 ORDER BY row.id""",
    counting=_count("pass_object"),
    columns=(
        *_WHO,
        Col("program", msg("Programme")),
        Col("status", msg("State"), "id"),
        Col("stamp_count", msg("Stamps"), "count"),
        Col("points_balance", msg("Points"), "count"),
        Col("reward_unlocked", msg("Reward waiting"), "id"),
        Col("created_at", msg("Since"), "moment"),
        Col("last_visit_at", msg("Last visit"), "moment"),
    ),
)
VISITS = Exporter(
    title=msg("Visits"),
    about=msg("Every visit with what it gave; what was undone says so."),
    permission="visits.export",
    personal=True,
    order=30,
    query=f"""SELECT row.id, row.at, card.card_number, customer.name AS customer, store.name AS store,
        coalesce(staff.name, row.given_by) AS given_by, row.source, row.amount_minor, row.currency, row.stamps,
        row.points, row.voided_at, row.void_reason
        FROM visit row {_HOLDER} WHERE row.merchant_id = $1 ORDER BY row.id""",  # noqa: S608
    counting=_count("visit"),
    columns=(
        Col("id", msg("Visit id"), "id"),
        Col("at", msg("Time"), "moment"),
        *_WHO,
        *_WHERE,
        Col("source", msg("How"), "id"),
        Col("amount_minor", msg("Amount"), "money"),
        Col("currency", msg("Currency"), "id"),
        Col("stamps", msg("Stamps"), "count"),
        Col("points", msg("Points"), "count"),
        Col("voided_at", msg("Undone on"), "moment"),
        Col("void_reason", msg("Reason")),
    ),
)


def _ledger(table: str, amount: str, *, title: str, about: str, order: int) -> Exporter:
    return Exporter(
        title=title,
        about=about,
        permission="visits.export",
        personal=True,
        order=order,
        query=f"""SELECT row.id, row.timestamp AS at, card.card_number, customer.name AS customer, store.name AS store,
            staff.name AS given_by, row.kind, row.{amount} AS amount, row.balance_after
            FROM {table} row {_HOLDER} WHERE row.merchant_id = $1 ORDER BY row.id""",  # noqa: S608
        counting=_count(table),
        columns=(
            Col("id", msg("Entry id"), "id"),
            Col("at", msg("Time"), "moment"),
            *_WHO,
            *_WHERE,
            Col("kind", msg("Why"), "id"),
            Col("amount", msg("Change"), "count"),
            Col("balance_after", msg("Balance after"), "count"),
        ),
    )


STAMPS = _ledger(
    "stamp_event", "stamps_added", title=msg("Stamps"), about=msg("Every movement of stamps."), order=40
)
POINTS = _ledger(
    "points_event", "points_added", title=msg("Points"), about=msg("Every movement of points."), order=50
)
REDEMPTIONS = Exporter(
    title=msg("Rewards given"),
    about=msg("Every reward that was handed out."),
    permission="visits.export",
    personal=True,
    order=60,
    query=f"""SELECT row.id, row.redeemed_at AS at, card.card_number, customer.name AS customer, store.name AS store,
        coalesce(staff.name, row.given_by) AS given_by, reward.title AS reward, row.kind, row.cost, row.voided_at,
        row.void_reason
        FROM redemption row {_HOLDER}
        LEFT JOIN reward ON reward.merchant_id = row.merchant_id AND reward.id = row.reward_id
        WHERE row.merchant_id = $1 ORDER BY row.id""",  # noqa: S608
    counting=_count("redemption"),
    columns=(
        Col("id", msg("Redemption id"), "id"),
        Col("at", msg("Time"), "moment"),
        *_WHO,
        *_WHERE,
        Col("reward", msg("Reward")),
        Col("kind", msg("Paid with"), "id"),
        Col("cost", msg("Cost"), "count"),
        Col("voided_at", msg("Undone on"), "moment"),
        Col("void_reason", msg("Reason")),
    ),
)
STAFF = Exporter(
    title=msg("Staff"),
    about=msg("The people at the till; no PINs."),
    permission="staff.view",
    personal=True,
    order=70,
    query="""SELECT id, name, role, created_at, left_at FROM staff_member WHERE merchant_id = $1 ORDER BY id""",
    counting=_count("staff_member"),
    columns=(
        Col("id", msg("Staff id"), "id"),
        Col("name", msg("Name")),
        Col("role", msg("Role")),
        Col("created_at", msg("Since"), "moment"),
        Col("left_at", msg("Left on"), "moment"),
    ),
)
AUDIT = Exporter(
    title=msg("Changes"),
    about=msg("Who changed what in the dashboard."),
    permission="audit.view",
    order=80,
    query="""SELECT id, at, actor_kind, actor_id, action, target_kind, target_id, facts FROM audit_entry
        WHERE merchant_id = $1 ORDER BY id""",
    counting=_count("audit_entry"),
    columns=(
        Col("id", msg("Entry id"), "id"),
        Col("at", msg("Time"), "moment"),
        Col("actor_kind", msg("Kind of actor"), "id"),
        Col("actor_id", msg("Actor"), "id"),
        Col("action", msg("Action")),
        Col("target_kind", msg("Kind of target"), "id"),
        Col("target_id", msg("Target"), "id"),
        Col("facts", msg("Details")),
    ),
)
TABLES = {
    "customers": CUSTOMERS,
    "cards": CARDS,
    "visits": VISITS,
    "stamps": STAMPS,
    "points": POINTS,
    "redemptions": REDEMPTIONS,
    "staff": STAFF,
    "audit": AUDIT,
}
