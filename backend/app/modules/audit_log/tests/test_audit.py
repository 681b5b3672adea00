"""The audit trail over HTTP: page, JSON and file; filters, pages, and who may look."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.db.session import Database, tenant_scope
from app.kernel.audit import AUDIT_ACTION, record_audit
from app.kernel.permissions import Principal
from app.modules.audit_log import queries
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.utils.id_generator import new_id

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
async def merchant(database: Database) -> MadeMerchant:
    """Return a business with nothing but its own entry."""
    return await make_merchant(database, time_zone="Europe/Luxembourg")


async def record(
    database: Database,
    merchant: MadeMerchant,
    action: str,
    *,
    at: datetime,
    kind: str = "member",
    actor: UUID | None = None,
    facts: dict[str, object] | None = None,
) -> None:
    """Leave an entry."""
    who = Principal(kind, merchant.id, actor or (merchant.owner_id if kind == "member" else new_id()))
    async with tenant_scope(database, merchant.id) as session:
        await record_audit(
            session, who, action=action, target_kind="store", target_id=merchant.id, now=at, facts=facts
        )


async def actions(client: httpx2.AsyncClient, merchant: MadeMerchant, **query: Any) -> list[str]:
    """Return the actions of a JSON page."""
    answer = await client.get("/audit", headers=merchant.headers, params=query)
    assert answer.status_code == 200, answer.text
    return [entry["action"] for entry in answer.json()["entries"]]


async def test_an_entry_says_who_what_and_when(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """A change over HTTP is in the JSON with its member, and on the page in words."""
    changed = await client.patch("/merchants/current", json={"name": "Kaffi"}, headers=merchant.headers)
    assert changed.status_code == 200

    entry = (await client.get("/audit", headers=merchant.headers)).json()["entries"][0]
    page = await client.get("/dashboard/audit", headers=merchant.headers)

    assert entry["action"] == "merchant.changed"
    assert (entry["actor"]["kind"], entry["actor"]["id"]) == ("member", str(merchant.owner_id))
    assert entry["target"] == {"kind": "merchant", "id": str(merchant.id)}
    assert entry["facts"] == {"fields": ["name"]}
    assert entry["at"] == "2026-11-20T09:00:00Z"
    assert "Settings changed" in page.text
    assert "You" in page.text


async def test_filters_leave_the_rest_out(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """By person, by kind, and by a time whose beginning is in and whose end is out."""
    other = new_id()
    await record(database, merchant, "store.created", at=AT + timedelta(hours=1))
    await record(database, merchant, "store.changed", at=AT + timedelta(hours=2), actor=other)
    await record(database, merchant, "store.closed", at=AT + timedelta(hours=3), kind="api_key")

    assert await actions(client, merchant, actor_id=str(other)) == ["store.changed"]
    assert await actions(client, merchant, actor_kind="api_key") == ["store.closed"]
    assert await actions(client, merchant, actor_kind="system") == ["merchant.created"]
    span = {"since": "2026-11-20T10:00:00Z", "until": "2026-11-20T12:00:00Z"}
    assert await actions(client, merchant, **span) == ["store.changed", "store.created"]


async def test_days_are_those_of_the_business(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """A day begins at midnight in Luxembourg, an hour before UTC's, and its last minute is in."""
    for name, at in (
        ("day.before", datetime(2026, 11, 18, 22, 59, tzinfo=UTC)),
        ("day.first", datetime(2026, 11, 18, 23, 0, tzinfo=UTC)),
        ("day.last", datetime(2026, 11, 19, 22, 59, tzinfo=UTC)),
        ("day.after", datetime(2026, 11, 19, 23, 0, tzinfo=UTC)),
    ):
        await record(database, merchant, name, at=at)

    page = await client.get("/dashboard/audit?first=2026-11-19&last=2026-11-19", headers=merchant.headers)

    assert [name for name in ("before", "first", "last", "after") if f"day.{name}" in page.text] == [
        "first",
        "last",
    ]


async def test_pages_follow_without_gap_or_repeat(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Entries of one moment, an entry written meanwhile: every old entry is on exactly one page."""
    for number in range(7):
        await record(database, merchant, f"step.{number}", at=AT + timedelta(minutes=1 + number // 3))
    found, before = [], None
    for _page in range(3):
        query = {"limit": 3, **({"before": before} if before else {})}
        answer = (await client.get("/audit", headers=merchant.headers, params=query)).json()
        found += [entry["action"] for entry in answer["entries"]]
        before = answer["next_before"]
        await record(database, merchant, "meanwhile", at=AT + timedelta(hours=1))

    assert sorted(found) == ["merchant.created", *(f"step.{number}" for number in range(7))]
    assert before is None


@pytest.mark.parametrize("before", ["x", "1", "1.", "999999999999999999.0", "1.zz", "-1.00", "٣.00"])
async def test_a_made_up_cursor_is_refused(
    client: httpx2.AsyncClient, merchant: MadeMerchant, before: str
) -> None:
    """A program is told; the page shows its beginning."""
    answer = await client.get("/audit", headers=merchant.headers, params={"before": before})
    page = await client.get("/dashboard/audit", headers=merchant.headers, params={"before": before})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert page.status_code == 200


async def test_the_file_holds_everything_and_runs_nothing(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More entries than one batch, each once; a text that looks like a formula is shown as a text."""
    monkeypatch.setattr(queries, "BATCH", 2)
    formula = '=HYPERLINK("http://x")'
    for number in range(5):
        await record(database, merchant, f"step.{number}", at=AT + timedelta(minutes=number + 1))
    await record(database, merchant, formula, at=AT + timedelta(hours=1), facts={"fields": ["-2+3"]})

    answer = await client.get("/dashboard/audit.csv", headers=merchant.headers)
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="stempel-changes.csv"'
    assert rows[0][0] == "When"
    assert [row[4] for row in rows[1:]] == [
        f"'{formula}",
        *(f"step.{number}" for number in reversed(range(5))),
        "merchant.created",
    ]
    assert rows[1][7] == "'-2+3"
    assert rows[-1][0] == "2026-11-20T10:00:00+01:00"


async def test_the_file_follows_the_filter(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """What is not on the page is not in the file."""
    await record(database, merchant, "store.created", at=AT)

    answer = await client.get("/dashboard/audit.csv?kind=system", headers=merchant.headers)

    assert "merchant.created" in answer.text
    assert "store.created" not in answer.text


async def test_another_business_sees_nothing(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """The neighbour's entries are in neither page, JSON nor file; without a sign-in there is none of them."""
    await record(database, merchant, "only.here", at=AT)
    other = await make_merchant(database)
    for path in ("/audit", "/dashboard/audit", "/dashboard/audit.csv"):
        assert "only.here" in (await client.get(path, headers=merchant.headers)).text
        assert "only.here" not in (await client.get(path, headers=other.headers)).text
        assert "only.here" not in (await client.get(path)).text


def test_words_are_offered_for_what_this_product_records(app: Any) -> None:
    """The foundation's actions and the second factor's are in the registry, in words."""
    words = dict(AUDIT_ACTION.items())

    assert words["store.created"] == "Store opened"
    assert words["passkey.added"] == "Passkey added"
