"""The team over HTTP: invitations, roles, closing, removing, handing over."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.db.session import Database, tenant_scope
from app.kernel.audit import AuditEntry
from app.kernel.clock import FixedClock
from app.modules.accounts.factories import PASSWORD, make_member, sign_in_as
from app.modules.accounts.models import Member, MemberInvitation
from app.modules.accounts.tests.helpers import NEW_PASSWORD, mails_to, sign_in, token_to
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.merchants.models import Merchant
from app.modules.stores.factories import make_store
from app.process import Process
from app.utils.id_generator import new_id


@pytest.fixture
def email() -> str:
    """Return an address no other test uses."""
    return f"anna-{new_id().hex[-12:]}@example.com"


async def invite(
    client: httpx2.AsyncClient, merchant: MadeMerchant, email: str, **over: Any
) -> httpx2.Response:
    """Invite somebody as the owner."""
    body = {"email": email, "role": "cashier", **over}
    return await client.post("/team/invitations", json=body, headers=merchant.headers)


async def accept(client: httpx2.AsyncClient, token: str, **over: Any) -> httpx2.Response:
    """Accept an invitation as a browser without cookies."""
    client.cookies.clear()
    return await client.post(
        "/team/invitations/accept", json={"token": token, "password": NEW_PASSWORD, **over}
    )


async def audited(database: Database, merchant: MadeMerchant) -> list[str]:
    """Return the actions of the business's audit trail, oldest first."""
    async with tenant_scope(database, merchant.id) as session:
        rows = await session.execute(select(AuditEntry.action).order_by(AuditEntry.id))
        return list(rows.scalars())


async def test_an_invitation_becomes_a_member(
    client: httpx2.AsyncClient, process: Process, database: Database, merchant: MadeMerchant, email: str
) -> None:
    """The link of the mail makes a signed-in member with the role and stores of the invitation."""
    store = await make_store(database, merchant, "stamps")
    made = await invite(client, merchant, email, role="analyst", store_ids=[str(store.id)], name="Anna")
    assert made.status_code == 201
    assert email not in made.text

    joined = await accept(client, await token_to(process, email, "invitation"))

    assert joined.status_code == 201
    own = (await client.get("/account")).json()
    assert (own["email"], own["name"], own["role"]) == (email, "Anna", "analyst")
    assert own["store_ids"] == [str(store.id)]
    assert (await sign_in(client, email, NEW_PASSWORD)).status_code == 201
    assert (await audited(database, merchant))[-2:] == ["member.invited", "member.joined"]


async def test_an_invitation_works_once_and_not_forever(
    client: httpx2.AsyncClient,
    process: Process,
    database: Database,
    merchant: MadeMerchant,
    clock: FixedClock,
) -> None:
    """A used, a replaced and a seven days old link open nothing; a GET uses nothing up."""
    emails = [f"{name}-{new_id().hex[-12:]}@example.com" for name in ("used", "replaced", "old")]
    ids = [(await invite(client, merchant, email)).json()["id"] for email in emails]
    used, replaced, old = [await token_to(process, email, "invitation") for email in emails]
    again = await client.post(f"/team/invitations/{ids[1]}/resend", headers=merchant.headers)
    assert again.status_code == 200
    assert (await client.get(f"/invitation/link/{used}")).status_code == 303
    assert "CoffeeLux" in (await client.get("/invitation")).text

    assert (await accept(client, used)).status_code == 201
    assert (await accept(client, used)).json()["code"] == "link_unusable"
    assert (await accept(client, replaced)).json()["code"] == "link_unusable"
    clock.advance(days=7)
    assert (await accept(client, old)).json()["code"] == "link_unusable"
    async with tenant_scope(database, merchant.id) as session:
        assert await session.scalar(select(func.count()).select_from(Member)) == 1


async def test_two_clicks_at_once_make_one_member(
    client: httpx2.AsyncClient, process: Process, database: Database, merchant: MadeMerchant, email: str
) -> None:
    """Of eight simultaneous acceptances one is granted."""
    await invite(client, merchant, email)
    token = await token_to(process, email, "invitation")

    answers = await asyncio.gather(*(accept(client, token) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [201, *[422] * 7]


async def test_inviting_tells_nothing_about_other_businesses(
    client: httpx2.AsyncClient, process: Process, database: Database, merchant: MadeMerchant, email: str
) -> None:
    """An address that signs in elsewhere gets the same answer and mail; only its mailbox learns why it cannot join."""
    other = await make_merchant(database)
    known, unknown = await invite(client, merchant, other.email), await invite(client, merchant, email)

    assert known.status_code == unknown.status_code == 201
    assert known.json().keys() == unknown.json().keys()
    texts = [(await mails_to(process, address))[-1][:2] for address in (other.email, email)]
    assert texts[0] == texts[1]
    refused = await accept(client, await token_to(process, other.email, "invitation"))
    assert (refused.status_code, refused.json()["code"]) == (409, "address_taken")
    async with tenant_scope(database, merchant.id) as session:
        assert await session.scalar(select(func.count()).select_from(Member)) == 0


async def test_inviting_twice_with_one_key_sends_one_mail(
    client: httpx2.AsyncClient, process: Process, merchant: MadeMerchant, email: str
) -> None:
    """A repeated request gets the first answer again; another body under the key is refused."""
    headers = {**merchant.headers, "Idempotency-Key": "k1"}
    body = {"email": email, "role": "manager"}
    first = await client.post("/team/invitations", json=body, headers=headers)
    second = await client.post("/team/invitations", json=body, headers=headers)
    third = await client.post("/team/invitations", json={**body, "role": "analyst"}, headers=headers)

    assert first.json() == second.json()
    assert third.json()["code"] == "key_reused"
    assert len(await mails_to(process, email)) == 1


async def test_one_address_gets_few_invitations(
    client: httpx2.AsyncClient, process: Process, merchant: MadeMerchant, email: str
) -> None:
    """After three mails in a quarter of an hour the fourth is refused and none goes out."""
    made = (await invite(client, merchant, email)).json()["id"]
    answers = [
        await client.post(f"/team/invitations/{made}/resend", headers=merchant.headers) for _ in range(3)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert len(await mails_to(process, email)) == 3


@pytest.mark.parametrize(
    ("over", "field"), [({"role": "owner"}, "role"), ({"store_ids": [str(new_id())]}, "store_ids")]
)
async def test_an_invitation_gives_only_what_there_is(
    client: httpx2.AsyncClient, merchant: MadeMerchant, database: Database, email: str, over: Any, field: str
) -> None:
    """Nobody is invited as an owner, or to a store that is not the business's own."""
    answer = await invite(client, merchant, email, **over)

    assert answer.status_code == 422
    assert field in answer.text
    async with tenant_scope(database, merchant.id) as session:
        assert await session.scalar(select(func.count()).select_from(MemberInvitation)) == 0


async def test_another_role_counts_from_the_next_request(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """A manager made an analyst loses the team's page with the very next request, and the session stays."""
    member = await make_member(database, merchant.id, "manager")
    assert (await client.get("/team", headers=member.headers)).status_code == 200

    changed = await client.put(
        f"/team/members/{member.id}", json={"role": "analyst"}, headers=merchant.headers
    )

    assert changed.json()["role"] == "analyst"
    assert (await client.get("/team", headers=member.headers)).json()["code"] == "forbidden"
    assert (await client.get("/account", headers=member.headers)).json()["role"] == "analyst"


@pytest.mark.parametrize("how", ["disable", "remove"])
async def test_whoever_is_closed_out_is_out_at_once(
    how: str, client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """The next request of an open session is refused, and the password opens nothing."""
    member = await make_member(database, merchant.id, "manager")
    url = f"/team/members/{member.id}"
    if how == "disable":
        answer = await client.post(f"{url}/disable", headers=merchant.headers)
    else:
        answer = await client.request("DELETE", url, headers=merchant.headers)
    assert answer.status_code in {200, 204}

    assert (await client.get("/account", headers=member.headers)).status_code == 401
    assert (await sign_in(client, member.email)).json()["code"] == "sign_in_failed"


async def test_an_opened_member_signs_in_anew(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Opening a sign-in again brings back the password, not the ended sessions."""
    member = await make_member(database, merchant.id, "cashier")
    for step in ("disable", "enable"):
        await client.post(f"/team/members/{member.id}/{step}", headers=merchant.headers)

    assert (await client.get("/account", headers=member.headers)).status_code == 401
    assert (await sign_in(client, member.email)).status_code == 201


async def test_a_removed_address_can_be_invited_again(
    client: httpx2.AsyncClient, database: Database, process: Process, merchant: MadeMerchant
) -> None:
    """Removing frees the address, for this business or another."""
    member = await make_member(database, merchant.id, "cashier")
    other = await make_merchant(database)
    await client.request("DELETE", f"/team/members/{member.id}", headers=merchant.headers)

    await invite(client, other, member.email)
    joined = await accept(client, await token_to(process, member.email, "invitation"))

    assert joined.json()["merchant_id"] == str(other.id)


async def test_the_owner_can_be_neither_changed_nor_removed(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """A business keeps its owner: every way to change them says so, and nothing changes."""
    url = f"/team/members/{merchant.owner_id}"
    answers = [
        await client.put(url, json={"role": "analyst"}, headers=merchant.headers),
        await client.post(f"{url}/disable", headers=merchant.headers),
        await client.request("DELETE", url, headers=merchant.headers),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "last_owner")] * 3
    assert (await client.get("/account", headers=merchant.headers)).json()["role"] == "owner"


async def hand_over(
    client: httpx2.AsyncClient, merchant: MadeMerchant, member_id: Any, password: str
) -> httpx2.Response:
    """Hand the business over as the owner."""
    body = {"member_id": str(member_id), "password": password}
    return await client.put("/team/owner", json=body, headers=merchant.headers)


async def test_handing_over_swaps_the_owner(
    client: httpx2.AsyncClient, database: Database, process: Process, merchant: MadeMerchant
) -> None:
    """The member is the owner with their next request, the owner a manager; both keep their passwords and are told."""
    member = await make_member(database, merchant.id, "cashier")

    assert (await hand_over(client, merchant, member.id, PASSWORD)).status_code == 204

    roles = [
        (await client.get("/account", headers=headers)).json()["role"]
        for headers in (member.headers, merchant.headers)
    ]
    assert roles == ["owner", "manager"]
    assert (await sign_in(client, merchant.email)).status_code == 201
    assert (await sign_in(client, member.email)).status_code == 201
    for address in (merchant.email, member.email):
        assert "owner_changed" in [kind for kind, _subject, _text in await mails_to(process, address)]
    async with tenant_scope(database, merchant.id) as session:
        assert await session.scalar(select(Merchant.email)) == member.email
    assert (await audited(database, merchant))[-1] == "owner.changed"


async def test_handing_over_asks_for_the_password(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """A wrong password changes nothing."""
    member = await make_member(database, merchant.id, "manager")

    refused = await hand_over(client, merchant, member.id, "not-the-password")

    assert (refused.status_code, refused.json()["code"]) == (403, "password_wrong")
    assert (await client.get("/account", headers=merchant.headers)).json()["role"] == "owner"


async def test_handing_over_twice_at_once_leaves_one_owner(
    client: httpx2.AsyncClient, database: Database, merchant: MadeMerchant
) -> None:
    """Of two heirs at the same moment one becomes the owner."""
    heirs = [await make_member(database, merchant.id, "manager") for _ in range(2)]

    answers = await asyncio.gather(*(hand_over(client, merchant, heir.id, PASSWORD) for heir in heirs))

    assert sorted(answer.status_code for answer in answers)[0] == 204
    team = (await client.get("/team", headers=merchant.headers)).json()["members"]
    assert [row["role"] for row in team].count("owner") == 1
    assert len(team) == 3


async def test_a_member_limited_to_a_store_sees_that_one_only(
    client: httpx2.AsyncClient, app: FastAPI, database: Database, merchant: MadeMerchant
) -> None:
    """Lists show the store of the limit, another one's page is not found."""
    mine, other = [await make_store(database, merchant, "stamps") for _ in range(2)]
    member = await make_member(database, merchant.id, "manager", store_ids=(mine.id,))

    listed = (await client.get("/stores", headers=member.headers)).json()["stores"]

    assert [row["id"] for row in listed] == [str(mine.id)]
    assert (await client.get(f"/stores/{other.id}", headers=member.headers)).status_code == 404
    assert (await client.get(f"/stores/{mine.id}", headers=member.headers)).status_code == 200
    made = await client.post(
        "/stores", json={"name": "Mine alone", "loyalty_type": "stamps"}, headers=member.headers
    )
    assert made.json()["code"] == "forbidden"
    owner = await sign_in_as(database, merchant.id, merchant.owner_id)
    assert len((await client.get("/stores", headers=owner)).json()["stores"]) == 2
