"""The demo's mailbox: there in demo mode, not there otherwise."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.modules.messaging.public import queue_mail
from app.utils.id_generator import new_id

# The page shows the newest mails of everybody, and other tests leave theirs in years to come.
AFTER_ALL_OTHERS = timedelta(days=40 * 365)


async def test_the_mailbox_shows_the_mail_with_its_link(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """A queued mail is listed, opens, and its link can be followed."""
    merchant_id = new_id()
    async with tenant_scope(database, merchant_id) as session:
        message_id = await queue_mail(
            session,
            merchant_id=merchant_id,
            recipient="bob@example.com",
            kind="sign_up",
            locale="en",
            subject="Confirm <your> shop",
            text="Hello\n\nhttp://testserver/sign-up/confirm?t=1",
            action_label="Confirm",
            now=clock.now() + AFTER_ALL_OTHERS,
        )

    listed = await client.get("/demo/mailbox")
    shown = await client.get(f"/demo/mailbox/{message_id}")

    assert listed.status_code == 200
    assert f"/demo/mailbox/{message_id}" in listed.text
    assert "Confirm &lt;your&gt; shop" in listed.text
    assert shown.status_code == 200
    assert 'href="http://testserver/sign-up/confirm?t=1"' in shown.text
    assert "bob@example.com" in shown.text


async def test_an_unknown_mail_is_not_found(client: httpx2.AsyncClient) -> None:
    """A made-up id answers 404."""
    assert (await client.get(f"/demo/mailbox/{new_id()}")).status_code == 404


@pytest.mark.parametrize("path", ["/demo/mailbox", "/demo/mailbox/01890000-0000-7000-8000-000000000000"])
async def test_outside_demo_mode_there_is_no_mailbox(
    client: httpx2.AsyncClient, app: FastAPI, path: str
) -> None:
    """A real installation answers 404, whatever was queued."""
    demo = app.state.settings
    app.state.settings = demo.model_copy(update={"demo": False})
    try:
        response = await client.get(path)
    finally:
        app.state.settings = demo

    assert response.status_code == 404
