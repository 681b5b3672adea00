"""Queues, given-up work and failing wallets: shown without anybody's data, queued again, dropped."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from app.db.session import Database, system_scope
from app.kernel.clock import FixedClock
from app.kernel.jobs import enqueue
from app.kernel.upkeep import check_nightly
from app.modules.merchants.factories import make_merchant
from app.modules.operators.models import OperatorEntry
from app.modules.wallets.jobs import refresh_card
from app.utils.id_generator import new_id

from .conftest import Desk, give_up, states_of

BUSY = "TryAgain: Google answered 503"


async def entries_of(database: Database, desk: Desk) -> list[tuple[str, dict[str, object]]]:
    """Return what the record says this operator changed."""
    async with database.sessions() as session:
        statement = select(OperatorEntry).where(
            OperatorEntry.operator_name == desk.operator.name, OperatorEntry.action.like("jobs.%")
        )
        return [(row.action, row.facts) for row in (await session.scalars(statement)).all()]


async def test_given_up_work_is_listed_with_shop_and_reason(desk: Desk, database: Database) -> None:
    """The kind, the shop's name and the reason in our own words stand there."""
    merchant = await make_merchant(database, name="Brotkorb")
    job_id = await give_up(database, "GiveUp: Google does not know this class", merchant_id=merchant.id)
    page = await desk.get("/operator/given-up")

    assert "wallets.refresh_card" in page.text
    assert str(job_id) in page.text
    assert "Brotkorb" in page.text
    assert "Google does not know this class" in page.text
    assert "GiveUp" not in page.text


async def test_an_unexpected_error_shows_its_kind_only(desk: Desk, database: Database) -> None:
    """What somebody typed may stand in the message of an error that nobody foresaw."""
    await give_up(database, "ValueError: no such name: Marie Zq4410")
    page = await desk.get("/operator/given-up")

    assert "An unexpected error (ValueError)" in page.text
    assert "Zq4410" not in page.text


async def test_one_job_is_queued_again(desk: Desk, database: Database) -> None:
    """The button queues this one, leaves the other, and an entry."""
    one, other = await give_up(database, BUSY), await give_up(database, BUSY)
    answer = await desk.post("/operator/given-up", f"/operator/given-up/{one}/retry")

    assert answer.status_code == 303
    assert await states_of(database) == {one: "queued", other: "failed"}
    assert await entries_of(database, desk) == [("jobs.retried", {"job": one, "jobs": 1})]


async def test_one_job_is_dropped(desk: Desk, database: Database) -> None:
    """It is gone for good; the other stays."""
    one, other = await give_up(database, BUSY), await give_up(database, BUSY)
    await desk.post("/operator/given-up", f"/operator/given-up/{one}/drop")

    assert await states_of(database) == {other: "failed"}
    assert await entries_of(database, desk) == [("jobs.dropped", {"job": one, "jobs": 1})]


@pytest.mark.parametrize(("how", "left"), [("retry", "queued"), ("drop", None)])
async def test_all_of_a_kind_and_no_other(how: str, left: str | None, desk: Desk, database: Database) -> None:
    """A kind is queued again or dropped as a whole."""
    mine = [await give_up(database, BUSY) for _number in range(3)]
    other = await give_up(database, BUSY, kind="messaging.send_message")
    await desk.post("/operator/given-up", f"/operator/given-up/{how}", kind="wallets.refresh_card")

    states = await states_of(database)
    assert [states.get(job) for job in mine] == [left] * 3
    assert states[other] == "failed"


@pytest.mark.parametrize("how", ["retry", "drop"])
async def test_all_there_are(how: str, desk: Desk, database: Database) -> None:
    """Without a kind, every given-up job is meant; what waits or runs is none of them."""
    dead = [await give_up(database, BUSY), await give_up(database, BUSY, kind="messaging.send_message")]
    async with system_scope(database) as session:
        waiting = await enqueue(session, refresh_card, merchant_id=new_id(), pass_id=new_id())
    await desk.post("/operator/given-up", f"/operator/given-up/{how}", kind="")

    states = await states_of(database)
    assert states[waiting] == "queued"
    assert [states.get(job) for job in dead] == (["queued"] * 2 if how == "retry" else [None] * 2)


@pytest.mark.parametrize(
    ("action", "form"),
    [
        ("/operator/given-up/0/drop", {}),
        ("/operator/given-up/-3/drop", {}),
        ("/operator/given-up/99999999999999999999/drop", {}),
        ("/operator/given-up/drop", {"kind": "'; DROP"}),
        ("/operator/given-up/drop", {"kind": "wallets.unknown"}),
    ],
)
async def test_what_names_no_job_changes_none(
    action: str, form: dict[str, str], desk: Desk, database: Database
) -> None:
    """Zero, negative and unknown numbers and kinds are not "all"; nothing is dropped and nothing recorded."""
    dead = await give_up(database, BUSY)
    answer = await desk.post("/operator/given-up", action, **form)

    assert answer.status_code == 303
    assert await states_of(database) == {dead: "failed"}
    assert await entries_of(database, desk) == []


async def test_a_repeated_press_does_nothing_twice(desk: Desk, database: Database) -> None:
    """The second press on the same button finds nothing to do, and says so."""
    one = await give_up(database, BUSY)
    for _press in range(2):
        await desk.post("/operator/given-up", f"/operator/given-up/{one}/retry")

    assert await states_of(database) == {one: "queued"}
    assert len(await entries_of(database, desk)) == 1


async def test_a_form_without_its_token_changes_nothing(desk: Desk, database: Database) -> None:
    """Another site cannot press the button."""
    one = await give_up(database, BUSY)
    answer = await desk.client.post(
        f"/operator/given-up/{one}/drop",
        data={"kind": ""},
        headers={**desk.headers, "origin": "https://evil.example"},
    )

    assert answer.status_code == 403
    assert await states_of(database) == {one: "failed"}


async def test_pages_of_given_up_work_go_on(desk: Desk, database: Database) -> None:
    """Fifty a page; the link leads to the rest."""
    jobs = [await give_up(database, BUSY) for _number in range(51)]
    first = await desk.get("/operator/given-up")
    second = await desk.get(f"/operator/given-up?kind=&before={jobs[1]}")

    assert f"before={jobs[1]}" in first.text
    assert f"/operator/given-up/{jobs[50]}/retry" in first.text
    assert f"/operator/given-up/{jobs[0]}/retry" not in first.text
    assert f"/operator/given-up/{jobs[0]}/retry" in second.text


async def test_queues_show_what_waits_and_how_long(desk: Desk, database: Database, clock: FixedClock) -> None:
    """Due work with its age, work for later, given-up work with a way there."""
    async with system_scope(database) as session:
        await enqueue(session, refresh_card, merchant_id=new_id(), pass_id=new_id())
        await session.execute(text("UPDATE pgqueuer SET execute_after = now() - interval '7 minutes'"))
        later = clock.now() + timedelta(days=1)
        await enqueue(session, refresh_card, merchant_id=new_id(), run_at=later, pass_id=new_id())
    await give_up(database, BUSY, kind="messaging.send_message")
    page = await desk.get("/operator/queues")

    assert "7 minutes" in page.text
    assert "/operator/given-up?kind=messaging.send_message" in page.text
    assert page.text.count("<code>wallets.refresh_card</code>") == 1


async def test_the_overview_names_what_is_red(desk: Desk, database: Database) -> None:
    """Old work in the queue makes the light red and says how long it waits."""
    async with system_scope(database) as session:
        await enqueue(session, refresh_card, merchant_id=new_id(), pass_id=new_id())
        await session.execute(text("UPDATE pgqueuer SET execute_after = now() - interval '11 minutes'"))
    await give_up(database, BUSY)
    page = await desk.get("/operator")

    assert "light-act" in page.text
    assert "1 job is due, the oldest for 11 minutes." in page.text
    assert "1 job was given up." in page.text


async def test_failing_wallets_are_one_line_a_shop_and_reason(desk: Desk, database: Database) -> None:
    """Shop, id and reason; cards that fail alike are counted; mails are not wallets."""
    merchant = await make_merchant(database, name="Kaffeeklatsch")
    for _card in range(3):
        await give_up(database, "GiveUp: Google refuses the key", merchant_id=merchant.id)
    await give_up(database, "GiveUp: no such mailbox", kind="messaging.send_message")
    page = await desk.get("/operator/wallets")

    assert page.text.count("Google refuses the key") == 1
    assert "Kaffeeklatsch" in page.text
    assert str(merchant.id) in page.text
    assert ">3</td>" in page.text
    assert "no such mailbox" not in page.text


async def test_broken_ledgers_are_red(desk: Desk, database: Database) -> None:
    """What the nightly check gave up with stands on the overview by its own name."""
    well = await desk.get("/operator")
    async with system_scope(database) as session:
        job_id = await enqueue(session, check_nightly.as_job(), merchant_id=None)
        await session.execute(
            text("UPDATE pgqueuer SET status = 'failed', reason = :reason WHERE id = :id"),
            {"id": job_id, "reason": "GiveUp: totals that do not equal their entries (stamps 2)"},
        )
    red = await desk.get("/operator")

    assert "Every total equalled its entries" in well.text
    assert "Totals do not equal their entries." in red.text
    assert "light-act" in red.text
