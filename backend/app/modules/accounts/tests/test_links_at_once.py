"""Two links of one member, used at the same moment: one counts, the other has ended, and nobody waits in a circle."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from app.modules.accounts.signing_in import links, resets
from app.modules.accounts.tests.helpers import LINK, NEW_PASSWORD, mails_to, sign_in
from app.modules.merchants.factories import make_merchant
from app.process import Process
from tests.waiting import WAIT_SECONDS_MAX, Signal, somebody_waits

OTHER_PASSWORD = "copper-orchard-thimble-52"  # noqa: S105 (a test password)


class Door:
    """Holds each request back once it has its link: until the other has one, too, or waits for a lock."""

    def __init__(self, process: Process, real: Any) -> None:
        """Stand before the hashing of the new password."""
        self.process, self.real, self.arrived, self.both = process, real, 0, Signal()

    async def __call__(self, *given: Any, **named: Any) -> Any:
        """Let the first go on when the second cannot come in any more without it."""
        self.arrived += 1
        if self.arrived == 2:
            self.both.set()
        waits = asyncio.create_task(somebody_waits(self.process.database))
        meets = asyncio.create_task(self.both.wait())
        done, left = await asyncio.wait(
            (waits, meets), return_when="FIRST_COMPLETED", timeout=WAIT_SECONDS_MAX
        )
        for task in left:
            task.cancel()
        assert done, "the other request neither has its link nor waits for it"
        return await self.real(*given, **named)


async def reset_twice_at_once(
    client: httpx2.AsyncClient, process: Process, email: str, monkeypatch: pytest.MonkeyPatch
) -> list[httpx2.Response]:
    """Ask for two resets and confirm both at once."""
    for _ in range(2):
        await client.post("/password-resets", json={"email": email})
    tokens = [
        LINK.findall(text)[0][1]
        for kind, _s, text in await mails_to(process, email)
        if kind == "password_reset"
    ]
    assert len(tokens) == 2
    monkeypatch.setattr(resets, "hash_new_password", Door(process, resets.hash_new_password))
    bodies = zip(tokens, (NEW_PASSWORD, OTHER_PASSWORD), strict=True)
    posts = [client.post("/password-resets/confirm", json={"token": t, "password": p}) for t, p in bodies]
    return await asyncio.gather(*posts)


async def test_two_reset_links_at_once_set_one_password(
    client: httpx2.AsyncClient, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One link sets its password; the other is answered as a used one, and its password signs nobody in."""
    merchant = await make_merchant(process.database)

    answers = await reset_twice_at_once(client, process, merchant.email, monkeypatch)

    assert sorted(answer.status_code for answer in answers) == [201, 422], [a.text for a in answers]
    first_counts = answers[0].status_code == 201
    client.cookies.clear()
    for password, status in (
        (NEW_PASSWORD, 201 if first_counts else 401),
        (OTHER_PASSWORD, 401 if first_counts else 201),
    ):
        assert (await sign_in(client, merchant.email, password)).status_code == status


async def test_control_without_the_order_they_wait_in_a_circle(
    client: httpx2.AsyncClient, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the link itself is locked, each request holds one and wants the other's: one is thrown out."""
    merchant = await make_merchant(process.database)

    async def lock_nothing(*_given: Any) -> None:
        return None

    monkeypatch.setattr(links, "lock_sign_in", lock_nothing)

    answers = await reset_twice_at_once(client, process, merchant.email, monkeypatch)

    assert sorted(answer.status_code for answer in answers) == [201, 503]
