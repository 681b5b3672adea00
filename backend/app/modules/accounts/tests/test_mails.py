"""What a stranger can put into a mail of ours."""

from __future__ import annotations

import re

import httpx2

from app.modules.accounts.tests.helpers import mails_to, sign_up
from app.process import Process
from app.utils.id_generator import new_id


async def test_a_strangers_name_is_no_link_in_the_mail(client: httpx2.AsyncClient, process: Process) -> None:
    """Whoever signs up with somebody else's address cannot send them elsewhere."""
    email = f"new-{new_id().hex[-12:]}@example.com"
    await sign_up(client, email, name="Pay at https://evil.example/now or evil.example")

    [(_kind, _subject, text)] = await mails_to(process, email)

    assert len(re.findall(r"https?://", text)) == 1
    assert "evil.example" not in text
