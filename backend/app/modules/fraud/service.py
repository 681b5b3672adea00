"""Looking at a merchant's newest visits, keeping what was found, and deciding on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.dependencies import StoreRef
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import Forbidden, Invalid, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.i18n import ngettext, use_language
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.points import FRAUD_RULE, Suspicion, VisitScan
from app.kernel.settings import get_settings, save_settings
from app.modules.cards.public import find_card
from app.modules.fraud import queries
from app.modules.fraud.models import FraudFinding, FraudOwnCard, FraudScan
from app.modules.fraud.rules import Event, Standing, Status, may_alert, merge
from app.modules.fraud.settings import FraudSettings
from app.modules.merchants.public import get_merchant, members_mail
from app.modules.messaging.public import queue_mail
from app.modules.rewards.public import giver_of
from app.modules.visits.public import VoidCommand, void_visit
from app.utils.id_generator import new_id

# A visit is dated when its request begins and seen when it is committed; none takes so long.
OVERLAP = timedelta(minutes=2)
FIRST_LOOK = timedelta(days=1)
# After an outage of the worker no more than this is looked at again.
LOOK_BACK_MAX = timedelta(days=7)
ALERT_EVERY = timedelta(hours=1)
OWN_CARDS_MAX = 200
# Stands before the finding's own id where its key was forgotten.
FORGOTTEN = "forgotten:"


async def scan_visits(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> int:
    """Look at what is new since the last time, keep what is odd, and return how many findings are news."""
    state = await _lock_state(session, merchant_id)
    since = max((state.scanned_at or now - FIRST_LOOK) - OVERLAP, now - LOOK_BACK_MAX)
    visits = await queries.list_recent(session, merchant_id, since=since)
    scan, news = VisitScan(session, merchant_id, visits, now), list[FraudFinding]()
    for name, rule in FRAUD_RULE.items():
        for suspicion in await rule.find(scan) if visits else ():
            finding = await _keep(session, merchant_id, name, suspicion, now=now)
            if finding is not None and rule.urgent:
                news.append(finding)
    state.scanned_at = now
    if news and may_alert(state.alerted_at, every=ALERT_EVERY, now=now):
        settings = await get_settings(session, FraudSettings, merchant_id=merchant_id)
        if settings.alert_mails:
            await _tell_merchant(session, merchant_id, news, now=now)
            state.alerted_at = now
    return len(news)


async def _lock_state(session: AsyncSession, merchant_id: UUID) -> FraudScan:
    """Let one look at a merchant's visits at a time."""
    statement = insert(FraudScan).values(merchant_id=merchant_id)
    await session.execute(statement.on_conflict_do_nothing(index_elements=["merchant_id"]))
    state = await session.scalar(
        select(FraudScan).where(FraudScan.merchant_id == merchant_id).with_for_update()
    )
    assert state is not None
    return state


async def _keep(
    session: AsyncSession, merchant_id: UUID, rule: str, seen: Suspicion, *, now: datetime
) -> FraudFinding | None:
    """Write or extend a finding; return it where somebody should look at it now."""
    row = await session.scalar(
        select(FraudFinding).where(
            FraudFinding.merchant_id == merchant_id, FraudFinding.rule == rule, FraudFinding.key == seen.key
        )
    )
    merged = merge(
        standing_of(row) if row else None,
        [Event(visit.id, visit.at) for visit in seen.visits],
        least=seen.least,
    )
    if row is None:
        row = FraudFinding(merchant_id=merchant_id, id=new_id(), rule=rule, key=seen.key, found_at=now)
        session.add(row)
    row.store_id, row.staff_id, row.pass_id = seen.store_id, seen.staff_id, seen.pass_id
    row.events = [[str(event.id), event.at.isoformat()] for event in merged.events]
    row.first_at, row.last_at, row.status = merged.events[0].at, merged.events[-1].at, merged.status
    if merged.is_news:
        row.found_at, row.decided_at, row.decided_by = now, None, None
    return row if merged.is_news else None


def standing_of(row: FraudFinding) -> Standing:
    """Return a finding's row as the rules take it."""
    status: Status = (
        "open" if row.status == "open" else "confirmed" if row.status == "confirmed" else "dismissed"
    )
    return Standing(status, row.decided_at, events_of(row))


def events_of(row: FraudFinding) -> tuple[Event, ...]:
    """Return the events a finding keeps, oldest first."""
    return tuple(Event(UUID(visit_id), datetime.fromisoformat(at)) for visit_id, at in row.events)


async def _tell_merchant(
    session: AsyncSession, merchant_id: UUID, news: list[FraudFinding], *, now: datetime
) -> None:
    merchant = await get_merchant(session, merchant_id)
    base = resources_of(session).get(Settings).public_url.rstrip("/")
    with use_language(merchant.locale):
        lines = [
            ngettext("%(title)s: %(num)s visit", "%(title)s: %(num)s visits", len(row.events),
                     title=_(FRAUD_RULE.get(row.rule).title), num=len(row.events))
            for row in news
        ]  # fmt: skip
        subject = _("Unusual speed at %(merchant)s", merchant=merchant.name)
        text = "\n\n".join(
            [
                _("The newest visits look unusual. It may be a busy hour; it may be misuse."),
                "\n".join(lines),
                _("Look at the visits, and undo what was not earned with one tap:"),
                f"{base}/dashboard/fraud",
            ]
        )
        label = _("Look at the findings")
    for place, recipient in enumerate(await members_mail(session, merchant_id)):
        await queue_mail(
            session, merchant_id=merchant_id, recipient=recipient, kind="fraud_alert", locale=merchant.locale,
            subject=subject, text=text, action_label=label, now=now,
            once_key=f"fraud_alert:{now:%Y%m%d%H%M}:{place}",
        )  # fmt: skip


async def get_finding(session: AsyncSession, merchant_id: UUID, finding_id: UUID) -> FraudFinding:
    """Return a finding within the member's reach, locked; raises NotFound."""
    row = await session.scalar(
        select(FraudFinding)
        .where(
            FraudFinding.merchant_id == merchant_id, FraudFinding.id == finding_id, *queries.in_reach(session)
        )
        .with_for_update()
    )
    if row is None:
        raise NotFound("finding")
    return row


async def decide_finding(
    session: AsyncSession, principal: Principal, finding_id: UUID, *, status: Status, now: datetime
) -> None:
    """Dismiss a finding, confirm it, or open it again; raises NotFound."""
    row = await get_finding(session, principal.merchant_id, finding_id)
    if row.status == status:
        return
    row.status = status
    row.decided_at, row.decided_by = (None, None) if status == "open" else (now, principal.id)
    await _note(session, principal, f"fraud.{status}", finding_id, now=now, facts={"rule": row.rule})


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of undoing a finding's visits. refusal: the last reason why one could not be."""

    undone: int = 0
    refused: int = 0
    refusal: Refusal | None = None


async def undo_visits(
    session: AsyncSession, principal: Principal, finding_id: UUID, *, visit_id: UUID | None, now: datetime
) -> Undone:
    """Take back one visit behind a finding, or all of them, and confirm it; raises NotFound for any other visit."""
    row = await get_finding(session, principal.merchant_id, finding_id)
    ids = [event.id for event in events_of(row)]
    if visit_id is not None and visit_id not in ids:
        raise NotFound("visit")
    found = await queries.list_events(session, principal.merchant_id, [visit_id] if visit_id else ids)
    outcome = Undone()
    # Cards are locked in id order, as wherever several are.
    for event in sorted(found.values(), key=lambda event: (event.pass_id, event.at), reverse=False):
        if event.voided_at is not None:
            continue
        command = VoidCommand(event.id, _("Unusual visit"), staff=giver_of(principal))
        result = await void_visit(session, StoreRef(principal.merchant_id, event.store_id), command, now=now)
        if isinstance(result, Refusal):
            outcome = Undone(outcome.undone, outcome.refused + 1, result)
        else:
            outcome = Undone(outcome.undone + 1, outcome.refused, outcome.refusal)
    if outcome.undone and row.status == "open" and visit_id is None:
        row.status, row.decided_at, row.decided_by = "confirmed", now, principal.id
    facts = {"undone": outcome.undone, "refused": outcome.refused}
    await _note(session, principal, "fraud.undone", finding_id, now=now, facts=facts)
    return outcome


def check_whole(principal: Principal) -> None:
    """Rules hold for every store: who is limited to some may not set them. Raises Forbidden."""
    if principal.store_ids:
        raise Forbidden


async def link_own_card(
    session: AsyncSession, principal: Principal, *, staff_id: UUID, card: str, now: datetime
) -> None:
    """Note that a card is a staff member's own; raises Invalid for a number that no card has."""
    check_whole(principal)
    found = await find_card(session, principal.merchant_id, card)
    if found is None:
        raise Invalid(extra={"fields": {"card": _("No card has this number.")}})
    if len(await queries.list_own_cards(session, principal.merchant_id)) >= OWN_CARDS_MAX:
        raise Invalid(extra={"fields": {"card": _("So many cards cannot be linked.")}})
    statement = insert(FraudOwnCard).values(
        merchant_id=principal.merchant_id, staff_id=staff_id, pass_id=found.id, created_at=now
    )
    await session.execute(statement.on_conflict_do_nothing())
    await _note(session, principal, "fraud.card_linked", staff_id, now=now, facts={"pass_id": str(found.id)})


async def unlink_own_card(
    session: AsyncSession, principal: Principal, *, staff_id: UUID, pass_id: UUID, now: datetime
) -> None:
    """Forget that a card is a staff member's own."""
    check_whole(principal)
    await session.execute(
        delete(FraudOwnCard).where(
            FraudOwnCard.merchant_id == principal.merchant_id,
            FraudOwnCard.staff_id == staff_id,
            FraudOwnCard.pass_id == pass_id,
        )
    )
    await _note(session, principal, "fraud.card_unlinked", staff_id, now=now, facts={"pass_id": str(pass_id)})


async def change_settings(
    session: AsyncSession, principal: Principal, settings: FraudSettings, *, now: datetime
) -> None:
    """Keep the merchant's thresholds."""
    check_whole(principal)
    await save_settings(session, settings, merchant_id=principal.merchant_id)
    facts = {"fields": sorted(settings.model_fields_set)}
    await _note(session, principal, "fraud.settings_changed", None, now=now, facts=facts)


async def _note(  # noqa: PLR0913 - the parts of one audit line
    session: AsyncSession,
    by: Principal,
    action: str,
    target_id: UUID | None,
    *,
    now: datetime,
    facts: Mapping[str, object],
) -> None:
    await record_audit(
        session, by, action=action, target_kind="fraud", target_id=target_id, now=now, facts=facts
    )


async def forget_old(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> None:
    """Delete the findings that were kept long enough, and forget keys that say something about a person before."""
    settings = await get_settings(session, FraudSettings, merchant_id=merchant_id)
    own = FraudFinding.merchant_id == merchant_id
    await session.execute(
        delete(FraudFinding)
        .where(own, FraudFinding.last_at <= now - timedelta(days=settings.days_kept))
        .execution_options(synchronize_session=False)
    )
    for name, rule in FRAUD_RULE.items():
        if rule.key_days is None:
            continue
        days = await rule.key_days(session, merchant_id)
        await session.execute(
            update(FraudFinding)
            .where(
                own,
                FraudFinding.rule == name,
                FraudFinding.last_at <= now - timedelta(days=days),
                FraudFinding.key.not_like(f"{FORGOTTEN}%"),
            )
            .values(key=func.concat(FORGOTTEN, FraudFinding.id))
            .execution_options(synchronize_session=False)
        )


async def forget_cards(session: AsyncSession, merchant_id: UUID, cards: Iterable[UUID]) -> None:
    """Drop the links and findings about these cards: the people behind them are erased.

    Findings whose key was made from a person's device go where one of the cards is among theirs.
    """
    ids, rules = list(cards), [name for name, rule in FRAUD_RULE.items() if rule.key_days is not None]
    await session.execute(_FORGET_SHARED, {"merchant_id": merchant_id, "cards": ids, "rules": rules})
    for table in (FraudOwnCard, FraudFinding):
        await session.execute(
            delete(table)
            .where(table.merchant_id == merchant_id, table.pass_id.in_(ids))
            .execution_options(synchronize_session=False)
        )


# A finding about several cards names none of them in its row, only their visits.
_FORGET_SHARED = text(
    """DELETE FROM fraud_finding f WHERE f.merchant_id = :merchant_id AND f.pass_id IS NULL AND EXISTS (
        SELECT 1 FROM jsonb_array_elements(f.events) AS e JOIN visit v
            ON v.merchant_id = f.merchant_id AND v.id = (e->>0)::uuid
        WHERE v.pass_id = ANY(:cards)) AND f.rule = ANY(:rules)"""
)
