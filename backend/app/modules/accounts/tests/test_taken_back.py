"""'That was not me': what a stranger made with the account meanwhile is gone, named, and on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.kernel.audit import AuditEntry
from app.kernel.clock import FixedClock
from app.modules.accounts.factories import PASSWORD, MadeMember, make_member
from app.modules.accounts.own import alarm as alarm_module
from app.modules.accounts.tests.helpers import NEW_PASSWORD, mails_to, send, sign_in, token_to
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.stores.factories import make_store
from app.process import Process
from app.utils.id_generator import new_id


@dataclass
class Story:
    """An owner whose password a stranger knows. since the stranger's sign-in, all is the stranger's doing."""

    client: httpx2.AsyncClient
    process: Process
    database: Database
    clock: FixedClock
    merchant: MadeMerchant

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Do something with the account, whoever holds it at the moment."""
        answer = await self.client.request(method, path, json=body, headers=self.merchant.headers)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def stranger_signs_in(self) -> None:
        """Sign in from a browser never seen before, an hour after whatever the owner did."""
        self.clock.advance(hours=1)
        assert (await sign_in(self.client, self.merchant.email)).status_code == 201
        self.client.cookies.clear()
        self.clock.advance(minutes=5)

    async def alarm(self, kind: str = "new_device") -> str:
        """Click the link of the owner's mail and choose a new password; returns the page after it."""
        self.client.cookies.clear()
        token = await token_to(self.process, self.merchant.email, kind)
        await self.client.get(f"/not-me/link/{token}")
        assert (await send(self.client, "/not-me")).headers["location"] == "/password-reset/new"
        done = await send(self.client, "/password-reset/new", {"password": NEW_PASSWORD})
        assert done.headers["location"] == "/dashboard"
        return (await self.client.get("/dashboard/account")).text

    async def make_key(self) -> dict[str, Any]:
        """Make an API key."""
        made: dict[str, Any] = await self.call(
            "POST", "/api-keys", {"name": "Till", "scopes": ["stores.view"]}
        )
        return made

    async def works(self, key: dict[str, Any]) -> bool:
        """Tell whether an API key opens anything."""
        headers = {"Authorization": f"Bearer {key['key']}"}
        cookies, self.client.cookies = self.client.cookies, httpx2.Cookies()
        status = (await self.client.get("/stores", headers=headers)).status_code
        self.client.cookies = cookies
        return bool(status == 200)

    async def accepted(self, email: str) -> MadeMember:
        """Invite somebody as the owner's account does, and accept it; they are signed in."""
        await self.call("POST", "/team/invitations", {"email": email, "role": "manager"})
        token = await token_to(self.process, email, "invitation")
        self.client.cookies.clear()
        body = {"token": token, "password": PASSWORD, "name": "Mallory"}
        answer = await self.client.post("/team/invitations/accept", json=body)
        assert answer.status_code == 201, answer.text
        ((name, value),) = [
            (name, value) for name, value in self.client.cookies.items() if name.endswith("session")
        ]
        self.client.cookies.clear()
        headers = {"Cookie": f"{name}={value}", "Origin": "http://testserver"}
        own = (await self.client.get("/account", headers=headers)).json()
        return MadeMember(UUID(own["id"]), self.merchant.id, "manager", email, {}, headers)

    async def hand_over(self, heir: MadeMember) -> None:
        """Make a member the owner."""
        await self.call("PUT", "/team/owner", {"member_id": str(heir.id), "password": PASSWORD})

    async def audited(self) -> list[str]:
        """Return what the trail says was taken back, oldest first."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.execute(select(AuditEntry.action).order_by(AuditEntry.id))
            return [action for action in rows.scalars() if action.endswith(("taken_back", "given_back"))]

    async def role_of(self, headers: dict[str, str]) -> str | None:
        """Return the role of whoever holds these headers; None: signed out."""
        answer = await self.client.get("/account", headers=headers)
        return str(answer.json()["role"]) if answer.status_code == 200 else None


@pytest.fixture
async def story(client: httpx2.AsyncClient, process: Process, database: Database, clock: FixedClock) -> Story:
    """Return a business."""
    return Story(client, process, database, clock, await make_merchant(database))


def address() -> str:
    """Return an address no other test uses."""
    return f"mallory-{new_id().hex[-12:]}@example.com"


async def test_a_strangers_key_ends_and_the_owners_stays(story: Story) -> None:
    """Of two keys the one made after the foreign sign-in is over; the page and a mail name it."""
    own = await story.make_key()
    await story.stranger_signs_in()
    foreign = await story.make_key()

    page = await story.alarm()

    assert (await story.works(own), await story.works(foreign)) == (True, False)
    assert await story.audited() == ["api_key.taken_back"]
    assert "API key ended" in page
    told = [
        text for kind, _, text in await mails_to(story.process, story.merchant.email) if kind == "taken_back"
    ]
    assert len(told) == 1
    assert "API key ended: Till" in told[0]


async def test_control_without_taking_back_the_key_goes_on(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is taken back, the stranger's key opens the business after the alarm."""

    async def nothing(*_values: Any, **_named: Any) -> list[Any]:
        return []

    monkeypatch.setattr(alarm_module, "take_back", nothing)
    await story.stranger_signs_in()
    foreign = await story.make_key()

    await story.alarm()

    assert await story.works(foreign)


async def test_a_strangers_invitation_is_withdrawn(story: Story) -> None:
    """The link in the accomplice's mailbox opens nothing after the alarm."""
    await story.stranger_signs_in()
    email = address()
    await story.call("POST", "/team/invitations", {"email": email, "role": "manager"})
    token = await token_to(story.process, email, "invitation")

    await story.alarm()

    body = {"token": token, "password": PASSWORD, "name": "Mallory"}
    story.client.cookies.clear()
    refused = await story.client.post("/team/invitations/accept", json=body)
    assert refused.json()["code"] == "link_unusable"
    assert await story.audited() == ["member.invitation_taken_back"]


async def test_who_came_by_a_strangers_invitation_is_closed_out_and_named(story: Story) -> None:
    """An accepted invitation: that member's session and password end, and the owner reads the name."""
    colleague = await make_member(story.database, story.merchant.id, "manager")
    await story.stranger_signs_in()
    accomplice = await story.accepted(address())
    assert await story.role_of(accomplice.headers) == "manager"

    page = await story.alarm()

    assert "Mallory" in page
    assert await story.role_of(accomplice.headers) is None
    assert await story.role_of(colleague.headers) == "manager"
    story.client.cookies.clear()
    assert (await sign_in(story.client, accomplice.email)).status_code == 401
    assert await story.audited() == ["member.taken_back"]


async def test_what_the_accomplice_made_goes_too(story: Story) -> None:
    """A device that the invited member added is shut out with the member."""
    store = await make_store(story.database, story.merchant, "stamps")
    await story.stranger_signs_in()
    accomplice = await story.accepted(address())
    made = await story.client.post(
        f"/stores/{store.id}/devices", json={"name": "Mallory's tablet"}, headers=accomplice.headers
    )
    paired = await story.client.post("/device/pair", json={"pairing_code": made.json()["pairing_code"]})
    assert paired.status_code < 300, paired.text

    cookies = dict(story.client.cookies)
    shift = {"pin": "000000"}
    assert (await story.client.post("/device/shift", json=shift)).json()["code"] == "pin_wrong"

    await story.alarm()

    assert await story.audited() == ["member.taken_back", "device.taken_back"]
    story.client.cookies.clear()
    story.client.cookies.update(cookies)
    assert (await story.client.post("/device/shift", json=shift)).json()["code"] == "device_revoked"


async def test_members_a_stranger_let_in_or_raised_are_closed_out(story: Story) -> None:
    """Who was opened again, and who was given other rights, waits until the owner has looked."""
    closed, raised = [await make_member(story.database, story.merchant.id, "cashier") for _ in range(2)]
    await story.call("POST", f"/team/members/{closed.id}/disable")
    await story.stranger_signs_in()
    await story.call("POST", f"/team/members/{closed.id}/enable")
    await story.call("PUT", f"/team/members/{raised.id}", {"role": "manager"})

    await story.alarm()

    story.client.cookies.clear()
    for member in (closed, raised):
        assert (await sign_in(story.client, member.email)).status_code == 401
    assert await story.audited() == ["member.taken_back"] * 2


async def test_a_business_handed_over_by_a_stranger_comes_back(story: Story) -> None:
    """The owner is the owner again, whoever was given the business is closed out, and both are named."""
    await story.stranger_signs_in()
    accomplice = await story.accepted(address())
    await story.hand_over(accomplice)
    assert await story.role_of(accomplice.headers) == "owner"

    page = await story.alarm()

    assert "Business given back" in page
    assert (await story.client.get("/account")).json()["role"] == "owner"
    assert await story.role_of(accomplice.headers) is None
    assert await story.audited() == ["owner.given_back", "member.taken_back"]


async def test_the_heir_cannot_close_the_way_back(story: Story) -> None:
    """The former owner may be closed out, not removed, and the alarm brings the business back all the same."""
    await story.stranger_signs_in()
    accomplice = await story.accepted(address())
    await story.hand_over(accomplice)
    victim = f"/team/members/{story.merchant.owner_id}"
    removed = await story.client.delete(victim, headers=accomplice.headers)
    assert (removed.status_code, removed.json()["code"]) == (409, "former_owner")
    closed = await story.client.post(f"{victim}/disable", headers=accomplice.headers)
    assert closed.status_code == 200

    await story.alarm("owner_changed")

    assert (await story.client.get("/account")).json()["role"] == "owner"
    assert await story.role_of(accomplice.headers) is None


async def test_a_former_owner_can_be_removed_after_a_week(story: Story) -> None:
    """Once no alarm can bring the business back, the new owner rules alone."""
    heir = await make_member(story.database, story.merchant.id, "manager")
    await story.hand_over(heir)
    story.clock.advance(days=7)
    await sign_in(story.client, heir.email)

    gone = await story.client.delete(
        f"/team/members/{story.merchant.owner_id}", headers={"Origin": "http://testserver"}
    )

    assert gone.status_code == 204


async def test_pins_only_the_stranger_saw_are_ended(story: Story) -> None:
    """PINs drawn after the foreign sign-in give no stamp any more; those from before do."""
    store = await make_store(story.database, story.merchant, "stamps")
    await story.call("POST", f"/stores/{store.id}/staff", {"name": "Anna", "role": "cashier"})
    await story.stranger_signs_in()
    await story.call("POST", f"/stores/{store.id}/staff", {"name": "Mallory", "role": "cashier"})

    await story.alarm()

    async with tenant_scope(story.database, story.merchant.id) as session:
        from app.modules.staff.models import StaffMember, StaffPin

        held = select(StaffMember.name).join(
            StaffPin,
            (StaffPin.merchant_id == StaffMember.merchant_id) & (StaffPin.staff_id == StaffMember.id),
        )
        assert list((await session.execute(held)).scalars()) == ["Anna"]
    assert await story.audited() == ["staff.pins_taken_back"]
