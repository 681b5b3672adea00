"""The plumbing under the whole application, with its real templates, modules and database."""

from __future__ import annotations

import asyncio

import pytest

from app.kernel.web.draining import Drain
from app.kernel.web.health import judge_schema, schema_revisions
from app.kernel.web.sse import Event, event_stream


async def test_ready_with_the_newest_schema(client):
    """Both probes answer, and the schema is named."""
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ok", "schema": "current"}


def test_a_newer_schema_is_served_and_an_older_one_is_not_ready():
    """Version N runs on schema N+1; a schema we know and have left behind waits for its migration."""
    head, known = schema_revisions()

    assert judge_schema(head) == "current"
    assert judge_schema("from_the_future") == "newer"
    assert judge_schema(None) == "older"
    assert all(judge_schema(revision) == "older" for revision in known - {head})


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("en", "We could not find that."),
        ("fr", "Nous ne l’avons pas trouvé."),
        ("de", "Das konnten wir nicht finden."),
        ("lb", "Dat konnte mir net fannen."),
    ],
)
async def test_the_error_page_speaks_the_visitors_language(client, language, title):
    """A missing page is a whole page of ours, in four languages, without inline script or style."""
    response = await client.get("/nowhere", headers={"accept": "text/html", "accept-language": language})

    assert response.status_code == 404
    assert title in response.text
    assert f'lang="{language}"' in response.text
    assert "<style" not in response.text
    assert " style=" not in response.text


async def test_events_are_framed_so_that_data_cannot_break_out():
    """Line breaks become further data fields; the stream ends when its source does and closes it."""
    closed = asyncio.Event()

    async def source():
        try:
            yield Event("one\nid: 9", name="a\nb", id="1")
        finally:
            closed.set()

    pieces = [piece async for piece in event_stream(source(), drain=Drain()).body_iterator]

    assert b"".join(pieces) == b"retry: 2000\n\nevent: a b\nid: 1\ndata: one\ndata: id: 9\n\n"
    assert closed.is_set()
