"""Takes marks and brings the outputs of changed cards up to date."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from app.db.session import system_scope
from app.kernel.jobs import Backoff, GiveUp, JobContext, TryAgain, Wish, enqueue, enqueue_all, job
from app.modules.merchants.public import list_modules_on
from app.modules.wallets.hooks import CARDS_CHANGED, OUTPUT, CardsChanged
from app.modules.wallets.marks import (
    MARKS_TAKEN,
    assign_update_tag,
    is_crowded,
    mark_program_cards,
    merchants_with_many,
    take_marks,
)

REFRESH_RETRY = Backoff(first=timedelta(seconds=5), cap=timedelta(minutes=2), give_up_after=timedelta(days=7))
MARKS_REST = timedelta(seconds=1)


async def poll_marks(context: JobContext) -> int:
    """Turn a batch of marks into jobs, in one short transaction; returns how many there were."""
    async with system_scope(context.database) as session:
        marks = await take_marks(session, limit=MARKS_TAKEN)
        if marks:
            many = merchants_with_many(marks)
            wishes = [
                Wish(merchant_id, {"pass_id": card}, str(card), behind=int(merchant_id in many))
                for merchant_id, card in marks
            ]
            await enqueue_all(session, refresh_card, wishes)
            by_merchant = await list_modules_on(session, {merchant_id for merchant_id, _card in marks})
            anywhere = frozenset().union(*by_merchant.values())
            await CARDS_CHANGED.tell(CardsChanged(session, marks, anywhere, by_merchant))
    return len(marks)


@job("wallets.refresh_card", retry=REFRESH_RETRY)
async def refresh_card(context: JobContext, *, pass_id: UUID) -> None:
    """Give the card a new update tag and tell every output; one that fails does not hold up the others."""
    assert context.merchant_id is not None
    async with context.session() as session:
        tag = await assign_update_tag(session, context.merchant_id, pass_id)
    if tag is None:  # erased meanwhile: nothing to do, not an error
        return
    failures: list[Exception] = []
    for _name, output in OUTPUT.items():
        try:
            await output.update(context, merchant_id=context.merchant_id, pass_id=pass_id)
        except Exception as error:  # noqa: BLE001 (each output's failure is weighed below)
            failures.append(error)
    if failures:
        raise worst_failure(failures)


def worst_failure(failures: list[Exception]) -> Exception:
    """Return the failure that decides what becomes of the job: trying again helps at least one output."""
    again = [error for error in failures if isinstance(error, TryAgain)]
    unknown = [error for error in failures if not isinstance(error, TryAgain | GiveUp)]
    return (again or unknown or failures)[0]


@job("wallets.mark_program", timeout=timedelta(minutes=5), priority=-5)
async def mark_program(context: JobContext, *, program_id: UUID, after: UUID | None = None) -> None:
    """Mark every card of a programme whose look or rules changed, batch by batch; after: go on behind this card.

    It rests while many of its marks wait: other shops' marks stand behind them.
    """
    assert context.merchant_id is not None
    while True:
        async with context.session() as session:
            if await is_crowded(session, context.merchant_id):
                # A key of its own: a wish for the whole programme must not be taken for its rest.
                await enqueue(
                    session,
                    mark_program,
                    merchant_id=context.merchant_id,
                    key=f"{program_id} {after}",
                    run_at=context.clock.now() + MARKS_REST,
                    program_id=program_id,
                    after=after,
                )
                return
            after = await mark_program_cards(session, context.merchant_id, program_id, after=after)
        if after is None:
            return
