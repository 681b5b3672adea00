"""The dashboard's page: upload, seal, test; and the faults by their names."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from markupsafe import escape
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.settings import get_settings
from app.modules.merchants.factories import make_merchant
from app.modules.wallets.google_wallet.accounts import find_account, make_key_file
from app.modules.wallets.google_wallet.adapters import Answer, fault_of, token_fault
from app.modules.wallets.google_wallet.checking import FAULTS, GoogleCheck, is_clock_off
from app.modules.wallets.google_wallet.tests.builders import ISSUER, NOW
from app.modules.wallets.google_wallet.tests.conftest import Shop

URL = "/dashboard/wallets/google"


async def upload(client: httpx2.AsyncClient, merchant: Any, content: str, issuer_id: str = ISSUER) -> Any:
    """Send the form as a browser does."""
    page = await client.get(URL, headers=merchant.headers)
    token = page.text.split('name="csrf" value="')[1].split('"')[0]
    cookies = "; ".join(
        f"{name}={value}" for name, value in [*merchant.cookies.items(), *client.cookies.items()]
    )
    return await client.post(
        URL,
        data={"csrf": token, "issuer_id": issuer_id},
        files={"key_file": ("key.json", content, "application/json")},
        headers={**merchant.headers, "Cookie": cookies},
    )


async def test_an_uploaded_key_is_sealed_and_used(shop: Shop, client: httpx2.AsyncClient) -> None:
    """The merchant's own account comes before the operator's; the database holds no readable key."""
    merchant = await make_merchant(shop.database)
    key = make_key_file("own@shop.iam.gserviceaccount.com", token_uri="https://oauth2.googleapis.com/token")

    answer = await upload(client, merchant, json.dumps(key))

    assert answer.status_code == 303
    async with tenant_scope(shop.database, merchant.id) as session:
        account = await find_account(session, merchant.id)
        assert account is not None
        assert (account.source, account.issuer_id, account.client_email) == (
            "merchant",
            ISSUER,
            key["client_email"],
        )
        sealed = await session.scalar(text("SELECT sealed FROM google_account"))
    assert b"PRIVATE KEY" not in sealed
    assert "PRIVATE" not in repr(account)
    page = await client.get(URL, headers=merchant.headers)
    assert key["client_email"] in page.text
    assert "PRIVATE KEY" not in page.text


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no json",
        "[]",
        json.dumps({"type": "authorized_user"}),
        json.dumps({"type": "service_account", "client_email": "a@b", "private_key": "x"}),
        json.dumps(make_key_file("a@b", token_uri="http://169.254.169.254/token")),
        json.dumps(make_key_file("a@b", token_uri="https://evil.example\\@oauth2.googleapis.com/token")),
        json.dumps(make_key_file("a@b", token_uri="https://oauth2.googleapis.com:8443/token")),
    ],
)
async def test_an_unusable_key_is_refused(shop: Shop, client: httpx2.AsyncClient, content: str) -> None:
    """422 and nothing kept; a key cannot make the server call an address of somebody's choice."""
    merchant = await make_merchant(shop.database)

    answer = await upload(client, merchant, content)

    assert answer.status_code == 422
    async with tenant_scope(shop.database, merchant.id) as session:
        assert await session.scalar(text("SELECT count(*) FROM google_account")) == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [(None, "not_found"), (403, "not_a_user"), (500, "unreachable"), ("reset", "unreachable")],
)
async def test_the_test_names_the_fault(
    shop: Shop, client: httpx2.AsyncClient, fault: Any, code: str
) -> None:
    """The job asks once and the page says what is wrong."""
    shop.wire.faults.append(404 if fault is None else fault)
    from app.kernel.jobs import enqueue
    from app.modules.wallets.google_wallet.checking import check_google

    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await enqueue(session, check_google, merchant_id=shop.merchant.id)

    await shop.runner.drain()

    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert (await get_settings(session, GoogleCheck, merchant_id=shop.merchant.id)).code == code
    page = await client.get(URL, headers=shop.merchant.headers)
    assert str(escape(FAULTS[code])) in page.text


def error(status: int, message: str = "", reason: str = "") -> Answer:
    """Return an answer as Google writes errors."""
    return Answer(status, {"error": {"code": status, "message": message, "errors": [{"reason": reason}]}})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (error(403, "Google Wallet API has not been used in project 1 before or it is disabled."), "api_off"),
        (error(403, "", "SERVICE_DISABLED"), "api_off"),
        (error(403, "Permission Denied"), "not_a_user"),
        (error(403, "Request had insufficient authentication scopes."), "wrong_scope"),
        (
            error(403, "Quota exceeded for issuer (1) when adding TEXT_AND_NOTIFY message", "quotaExceeded"),
            "quota",
        ),
        (error(403, "", "rateLimitExceeded"), "too_fast"),
        (error(429), "too_fast"),
        (error(503), "unreachable"),
        (error(401), "key_refused"),
    ],
)
def test_googles_answers_are_told_apart(answer: Answer, code: str) -> None:
    """By reason first, by words where there is no reason."""
    assert fault_of(answer).code == code
    assert code in FAULTS


@pytest.mark.parametrize(
    ("description", "code"),
    [
        (
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            "clock_skew",
        ),
        ("Invalid JWT Signature.", "key_refused"),
        ("Invalid grant: account not found", "unknown_account"),
        ("Invalid OAuth scope or ID token audience provided.", "wrong_scope"),
    ],
)
def test_a_refused_token_is_explained(description: str, code: str) -> None:
    """The sentences that Google's token address gives."""
    answer = Answer(400, {"error": "invalid_grant", "error_description": description})
    assert token_fault(answer).code == code


def test_a_wrong_clock_shows_in_the_date_header() -> None:
    """Five minutes are allowed, ten are not."""
    theirs = httpx2.Headers({"date": "Fri, 20 Nov 2026 09:00:00 GMT"})
    assert not is_clock_off(Answer(401, {}, theirs), now=NOW + timedelta(minutes=4))
    assert is_clock_off(Answer(401, {}, theirs), now=NOW + timedelta(minutes=10))
    assert not is_clock_off(Answer(401, {}), now=NOW)


async def test_another_member_may_not_see_it(client: httpx2.AsyncClient) -> None:
    """Without a session the page leads to signing in."""
    assert (await client.get(URL, headers={"accept": "application/json"})).status_code in {401, 303}
