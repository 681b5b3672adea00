"""Pages are compressed for those who opened them."""

from __future__ import annotations

import pytest

from app.kernel.tests.small_app import make_app, make_client


@pytest.mark.parametrize(
    ("site", "encoding", "packed"),
    [
        ("none", "gzip, br", "gzip"),
        ("same-origin", "gzip", "gzip"),
        ("cross-site", "gzip", None),
        ("same-site", "gzip", None),
        (None, "gzip", None),
        ("none", "br", None),
    ],
)
async def test_a_page_is_compressed_unless_another_site_asked(site, encoding, packed):
    """Opened by its visitor or from our own page; what another site asks for must not tell secrets by its length."""
    headers = {"accept-encoding": encoding} | ({"sec-fetch-site": site} if site else {})
    async with make_client(make_app()) as client:
        answer = await client.get("/page", params={"value": "words " * 1_000}, headers=headers)
        short = await client.get("/page", headers=headers)

    assert answer.headers.get("content-encoding") == packed
    assert {"accept-encoding", "sec-fetch-site"} <= set(answer.headers["vary"].split(", "))
    assert answer.text.count("words ") == 1_000
    assert (int(answer.headers["content-length"]) < 1_000) is bool(packed)
    assert "content-encoding" not in short.headers
