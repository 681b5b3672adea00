"""Sign-up, sign-in, sessions and reset, over HTTP."""

from __future__ import annotations

import httpx2

from app.db.session import Database
from app.modules.merchants.factories import make_merchant


async def test_right_password_opens_a_session(client: httpx2.AsyncClient, database: Database) -> None:
    """The right password answers 201 with a cookie that opens the dashboard's endpoints."""
    merchant = await make_merchant(database)

    response = await client.post(
        "/sessions", json={"email": merchant.email.upper(), "password": merchant.password}
    )

    assert response.status_code == 201
    assert response.json()["merchant_id"] == str(merchant.id)
    listed = await client.get("/sessions")
    assert listed.status_code == 200
    assert [row["current"] for row in listed.json()["sessions"]].count(True) == 1
