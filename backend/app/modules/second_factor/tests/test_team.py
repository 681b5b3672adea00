"""The owner helps a member who lost the second factor, on the member's page in the team."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest_asyncio
from sqlalchemy import select

from app.db.session import Database, tenant_scope
from app.kernel.audit import AuditEntry
from app.modules.accounts.factories import make_member
from app.modules.accounts.tests.helpers import mails_to
from app.modules.second_factor.tests.conftest import STEP, Person
from app.process import Process

WRONG = "not-the-password-1"


@dataclass
class Pair:
    """The signed-in owner, and a manager who has set up an app and is signed out."""

    owner: Person
    manager: Person
    member_id: UUID

    @property
    def page(self) -> str:
        """Return the member's page in the team."""
        return f"/dashboard/team/{self.member_id}"

    async def reset(self, password: str) -> str:
        """Send the form of the member's page; return what the page says afterwards."""
        answer = await self.owner.post(f"{self.page}/second-factor/reset", page=self.page, password=password)
        assert (answer.status_code, answer.headers["location"]) == (303, self.page)
        return (await self.owner.client.get(self.page)).text

    async def resets(self, database: Database) -> list[AuditEntry]:
        """Return the entries about it."""
        async with tenant_scope(database, self.owner.merchant.id) as session:
            rows = await session.scalars(
                select(AuditEntry).where(AuditEntry.action == "second_factor.reset_by_owner")
            )
            return list(rows)


@pytest_asyncio.fixture(loop_scope="session")
async def pair(person: Person, another: Any, database: Database) -> Pair:
    """Return an owner and a manager with an app."""
    member = await make_member(database, person.merchant.id, "manager")
    manager = Person(another(), replace(person.merchant, email=member.email), person.clock)
    assert (await manager.give_password()).headers["location"] == "/dashboard"
    await manager.set_up_app()
    await manager.sign_out()
    return Pair(person, manager, member.id)


async def test_the_owner_takes_a_lost_factor_away(pair: Pair, process: Process, database: Database) -> None:
    """The password alone signs the member in afterwards; they get a mail, and the entry names the owner."""
    assert "They lost phone and passkeys" in (await pair.owner.client.get(pair.page)).text

    shown = await pair.reset(pair.owner.password)

    assert "They sign in with the password alone now." in shown
    assert "Only their password protects their sign-in." in shown
    assert (await pair.manager.give_password()).headers["location"] == "/dashboard"
    assert await pair.manager.is_signed_in()
    (entry,) = await pair.resets(database)
    assert (entry.actor_id, entry.target_id) == (pair.owner.merchant.owner_id, pair.member_id)
    mails = await mails_to(process, pair.manager.merchant.email)
    (text,) = [text for _kind, subject, text in mails if subject == "Your second factor was taken away"]
    assert "The owner of CoffeeLux" in text


async def test_without_the_owners_password_nothing_goes(pair: Pair, database: Database) -> None:
    """A wrong password is told, and the member is still asked for the code; no entry, no mail."""
    shown = await pair.reset(WRONG)

    assert "They lost phone and passkeys" in shown
    assert "They sign in with the password alone now." not in shown
    assert (await pair.manager.give_password()).headers["location"] == f"{STEP}?next=/dashboard"
    assert await pair.resets(database) == []


async def test_a_manager_takes_nobodys_factor_away(pair: Pair, database: Database) -> None:
    """Neither a colleague's nor the own one that way: the route is the owner's."""
    await pair.manager.give_password()
    await pair.manager.give_code(pair.manager.code())
    assert await pair.manager.is_signed_in()

    for member_id in (pair.member_id, pair.owner.merchant.owner_id):
        answer = await pair.manager.post(
            f"/dashboard/team/{member_id}/second-factor/reset",
            page="/dashboard/account/security",
            password=pair.manager.password,
        )
        assert answer.status_code == 403
    assert await pair.resets(database) == []


async def test_the_owners_own_factor_stays(pair: Pair, database: Database) -> None:
    """The owner's factor is not among the team's: it is turned off with its code, on the own page."""
    await pair.owner.set_up_app()

    answer = await pair.owner.post(
        f"/dashboard/team/{pair.owner.merchant.owner_id}/second-factor/reset",
        page=pair.page,
        password=pair.owner.password,
    )

    assert answer.status_code == 404
    await pair.owner.sign_out()
    assert (await pair.owner.give_password()).headers["location"].startswith(STEP)
    assert await pair.resets(database) == []
