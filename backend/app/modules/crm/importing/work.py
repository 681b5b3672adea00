"""A batch of rows, in one transaction with the mark of how far it is: a killed worker's batch never was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.kernel.locks import lock_name
from app.kernel.metering import find_refusal
from app.kernel.outcomes import Refusal
from app.modules.cards.public import PassObject, import_cards, lock_cards
from app.modules.crm.importing.rows import ParsedRow, parse_row
from app.modules.crm.importing.service import Plan, get_run, plan_of
from app.modules.crm.models import ImportRow, ImportRun
from app.modules.crm.profile.service import move_balance
from app.modules.customers.public import (
    StatedConsent,
    add_customers,
    ensure_tag,
    erase_person,
    fill_customers,
    find_customers_by,
    tag_customers,
)
from app.modules.merchants.public import find_standstill
from app.modules.rewards.public import list_rewards, settle_card
from app.modules.stamps.public import Cause
from app.modules.stores.public import StoreView, get_program, get_store

BATCH = 250
UNDONE_AT_ONCE = 50
# Whoever came, redeemed or proved the mailbox is a customer by now, whoever brought them.
_STAYS = text(
    "SELECT DISTINCT card.customer_id FROM pass_object card"
    " WHERE card.merchant_id = :merchant_id AND card.customer_id = ANY(:ids) AND (EXISTS ("
    " SELECT 1 FROM visit WHERE visit.merchant_id = card.merchant_id AND visit.pass_id = card.id) OR EXISTS ("
    " SELECT 1 FROM redemption WHERE redemption.merchant_id = card.merchant_id AND redemption.pass_id = card.id))"
    " UNION SELECT id FROM customer WHERE merchant_id = :merchant_id AND id = ANY(:ids)"
    " AND email_verified_at IS NOT NULL"
)

_LOCK_PEOPLE = text(
    "SELECT id FROM customer WHERE merchant_id = :merchant_id AND id = ANY(:ids) ORDER BY id FOR UPDATE"
)


async def next_batch(session: AsyncSession, merchant_id: UUID, run_id: UUID, *, now: datetime) -> bool:
    """Work on the next rows of a check, an import or an undo; returns whether there is more to do."""
    # One batch of a merchant at a time: two imports must not both add the person that stands in both files.
    await lock_name(session, "crm_import", merchant_id)
    run = await get_run(session, merchant_id, run_id, lock=True)
    if run.status not in {"checking", "running", "undoing"}:
        return False
    size = UNDONE_AT_ONCE if run.status == "undoing" else BATCH
    rows = await _rows_after(session, run, size)
    if rows and run.status == "undoing":
        await _undo(session, run, rows, now=now)
    elif rows:
        await _bring(session, run, rows, now=now)
    if not rows:
        _finish(run, now=now)
        return False
    run.rows_done = rows[-1].number
    await session.flush()
    return True


async def must_wait(session: AsyncSession, merchant_id: UUID, run_id: UUID) -> bool:
    """Tell whether the shop stands still and this import would bring somebody in; raises NotFound."""
    if await find_standstill(session, merchant_id) is None:
        return False
    return (await get_run(session, merchant_id, run_id)).status == "running"


def _finish(run: ImportRun, *, now: datetime) -> None:
    ends = {"checking": "checked", "running": "done", "undoing": "undone"}
    if run.status == "running":
        run.finished_at = now
    if run.status == "undoing":
        run.undone_at = now
    run.status, run.rows_done = ends[run.status], run.rows


async def _rows_after(session: AsyncSession, run: ImportRun, size: int) -> Sequence[ImportRow]:
    statement = (
        select(ImportRow)
        .where(
            ImportRow.merchant_id == run.merchant_id,
            ImportRow.run_id == run.id,
            ImportRow.number > run.rows_done,
        )
        .order_by(ImportRow.number)
        .limit(size)
        .execution_options(populate_existing=True)
    )
    if run.status == "undoing":
        statement = statement.where(ImportRow.outcome == "new")
    return (await session.scalars(statement)).all()


async def _bring(session: AsyncSession, run: ImportRun, rows: Sequence[ImportRow], *, now: datetime) -> None:
    plan = plan_of(run)
    store = await get_store(session, run.merchant_id, plan.store_id) if plan.store_id else None
    parsed: dict[int, ParsedRow] = {}
    for row in rows:
        row.outcome = row.problem = row.customer_id = None
        said = parse_row(row.cells or [], plan.columns, today=now.date(), locale=run.locale)
        if isinstance(said, ParsedRow) and not _fits(said, store):
            said = "card_full"
        if isinstance(said, str):
            row.outcome, row.problem = "invalid", said
        else:
            parsed[row.number] = said
    matched = await _match(session, run, rows, parsed)
    if run.status == "running":
        if store is not None:
            await _leave_out(session, run, rows, now=now)
        await _write(session, run, rows, parsed, matched=matched, plan=plan, store=store, now=now)
    counts = Counter(row.outcome or "" for row in rows)
    run.counts = {name: run.counts.get(name, 0) + counts.get(name, 0) for name in {*run.counts, *counts}}


async def _leave_out(
    session: AsyncSession, run: ImportRun, rows: Sequence[ImportRow], *, now: datetime
) -> None:
    """Take the plan's room for this batch's cards; the new rows beyond it are left out."""
    fresh = [row for row in rows if row.outcome == "new"]
    fits = len(fresh)
    while fits:
        refused = await find_refusal(session, run.merchant_id, "cards", more=fits, now=now)
        if refused is None:
            break
        # Whoever takes room holds it from the first question on: the second, for less, is the last.
        fits = max(0, min(fits - 1, refused.limit - refused.used))
    for row in fresh[fits:]:
        row.outcome = "no_room"


def _fits(said: ParsedRow, store: StoreView | None) -> bool:
    return store is None or said.stamps <= store.program.stamps_needed


async def _match(
    session: AsyncSession, run: ImportRun, rows: Sequence[ImportRow], parsed: Mapping[int, ParsedRow]
) -> dict[int, UUID]:
    """Say for each row whether it is somebody known, somebody of an earlier row, or new."""
    people = parsed.values()
    by_email, by_phone = await find_customers_by(
        session,
        run.merchant_id,
        emails=sorted({said.email_key for said in people if said.email_key}),
        phones=sorted({said.phone_key for said in people if said.phone_key and not said.email_key}),
    )
    brought = await _brought_before(session, run, {*by_email.values(), *by_phone.values()})
    seen = await _keys_before(session, run) if run.status == "checking" else set()
    matched: dict[int, UUID] = {}
    for row in rows:
        said = parsed.get(row.number)
        if said is None:
            continue
        key = said.email_key or said.phone_key
        found = by_email.get(said.email_key) or (None if said.email_key else by_phone.get(said.phone_key))
        if (key and key in seen) or found in brought:
            row.outcome, row.customer_id = "duplicate", None
        elif found is not None:
            row.outcome, matched[row.number] = "known", found
        else:
            row.outcome = "new"
        if key:
            seen.add(key)
    return matched


async def _brought_before(session: AsyncSession, run: ImportRun, ids: set[UUID]) -> set[UUID]:
    """Return which of these customers an earlier row of the same file brought or named."""
    statement = select(ImportRow.customer_id).where(
        ImportRow.merchant_id == run.merchant_id,
        ImportRow.run_id == run.id,
        ImportRow.number <= run.rows_done,
        ImportRow.customer_id.in_(ids),
    )
    return {found for found in await session.scalars(statement) if found is not None} if ids else set()


async def _keys_before(session: AsyncSession, run: ImportRun) -> set[str]:
    """Return by what the earlier rows of a file that is only tried are known."""
    plan = plan_of(run)
    places = [plan.columns[name] for name in ("email", "phone") if name in plan.columns]
    if not places or run.rows_done == 0:
        return set()
    email, phone = plan.columns.get("email", -1), plan.columns.get("phone", -1)
    found = await session.execute(
        text(
            "SELECT lower(btrim(cells ->> CAST(:email AS int))) AS email, cells ->> CAST(:phone AS int) AS phone"
            " FROM import_row WHERE merchant_id = :merchant_id AND run_id = :run_id AND number <= :done"
            " AND outcome IN ('new', 'known')"
        ),
        {
            "email": email if email >= 0 else 10_000,
            "phone": phone if phone >= 0 else 10_000,
            "merchant_id": run.merchant_id,
            "run_id": run.id,
            "done": run.rows_done,
        },
    )
    digits = (
        "".join(s for s in row.phone or "" if s.isdigit()) if not row.email else row.email for row in found
    )
    return {key for key in digits if key}


async def _write(  # noqa: PLR0913 - the parts of a batch
    session: AsyncSession,
    run: ImportRun,
    rows: Sequence[ImportRow],
    parsed: Mapping[int, ParsedRow],
    *,
    matched: Mapping[int, UUID],
    plan: Plan,
    store: StoreView | None,
    now: datetime,
) -> None:
    merchant_id = run.merchant_id
    consent = StatedConsent(plan.statement, run.locale) if plan.statement else None
    fresh = [row for row in rows if row.outcome == "new"]
    people = [parsed[row.number].person for row in fresh]
    made = await add_customers(session, merchant_id, people, consent=consent, now=now)
    for row, customer_id in zip(fresh, made, strict=True):
        row.customer_id = customer_id
    filled = await fill_customers(
        session,
        merchant_id,
        {customer_id: parsed[number].person for number, customer_id in matched.items()},
        consent=consent,
        now=now,
    )
    for row in rows:
        if row.number in matched:
            row.customer_id = matched[row.number]
            row.outcome = "updated" if row.customer_id in filled else "known"
        row.cells = None
    if store is not None:
        cards = await import_cards(session, store, made, source="import", now=now)
        starts = {customer_id: parsed[row.number] for row, customer_id in zip(fresh, made, strict=True)}
        await _begin(session, store, cards, starts, now=now)
    await _tag(session, run, [*made, *matched.values()], now=now)


async def _begin(
    session: AsyncSession,
    store: StoreView,
    cards: Sequence[PassObject],
    starts: Mapping[UUID, ParsedRow],
    *,
    now: datetime,
) -> None:
    """Give cards what their holders bring along, as ledger entries of kind "adjust" with the reason import."""
    rewards = await list_rewards(session, store.merchant_id, store.program.id)
    cause = Cause("adjust", store.id, rule={"reason": "import"})
    kind = store.program.loyalty_type
    for card in cards:
        start = starts[card.customer_id]
        stamps = start.stamps if kind != "points" else 0
        points = start.points if kind != "stamps" else 0
        if stamps or points:
            await move_balance(
                session, card, store.program, stamps=stamps, points=points, cause=cause, now=now
            )
            await settle_card(session, card, rewards, now=now)


async def _tag(session: AsyncSession, run: ImportRun, ids: Sequence[UUID], *, now: datetime) -> None:
    if run.tag_id is None:
        with use_language(run.locale):
            name = _("Import %(day)s", day=run.created_at.date().isoformat())
        tag = await ensure_tag(session, run.merchant_id, name, now=now)
        if isinstance(tag, Refusal):  # all tags are taken: the import itself is what counts
            return
        run.tag_id = tag.id
    if ids:
        await tag_customers(session, run.merchant_id, run.tag_id, customer_ids=list(set(ids)), now=now)


async def _undo(session: AsyncSession, run: ImportRun, rows: Sequence[ImportRow], *, now: datetime) -> None:
    merchant_id = run.merchant_id
    ids = sorted(row.customer_id for row in rows if row.customer_id is not None)
    cards = await _lock_people(session, merchant_id, ids)
    stays = set((await session.execute(_STAYS, {"merchant_id": merchant_id, "ids": ids})).scalars())
    removed = 0
    for row in rows:
        if row.customer_id is None or row.customer_id in stays:
            continue
        for card in cards.get(row.customer_id, ()):
            await _take_back(session, card, now=now)
        await erase_person(session, merchant_id, row.customer_id)
        removed += 1
    await session.flush()
    run.counts = {
        **run.counts,
        "removed": run.counts.get("removed", 0) + removed,
        "kept": run.counts.get("kept", 0) + len(rows) - removed,
    }


async def _lock_people(
    session: AsyncSession, merchant_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, list[PassObject]]:
    """Lock customers and their cards, and return the cards.

    Before it is asked who came: a stamp that is being given is waited for and seen, a later one finds no card.
    """
    found = await session.scalars(
        select(PassObject.id).where(PassObject.merchant_id == merchant_id, PassObject.customer_id.in_(ids))
    )
    cards: dict[UUID, list[PassObject]] = {}
    for card in await lock_cards(session, merchant_id, found.all()):
        cards.setdefault(card.customer_id, []).append(card)
    await session.execute(_LOCK_PEOPLE, {"merchant_id": merchant_id, "ids": ids})
    return cards


async def _take_back(session: AsyncSession, card: PassObject, *, now: datetime) -> None:
    """Balance a card's ledgers: what the import gave is taken by entries of its own."""
    program = await get_program(session, card.merchant_id, card.program_id)
    cause = Cause("adjust", card.store_id, rule={"reason": "import_undone"})
    await move_balance(
        session,
        card,
        program,
        stamps=-max(0, card.stamp_count),
        points=-max(0, card.points_balance),
        cause=cause,
        now=now,
    )
