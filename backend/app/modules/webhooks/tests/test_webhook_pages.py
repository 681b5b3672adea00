"""Webhooks in the dashboard and over HTTP: made, seen once, changed, tested, removed; who may, and what is refused."""

from __future__ import annotations

import re
from base64 import b64decode
from secrets import token_bytes
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.db.session import tenant_scope
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.webhooks.endpoints import SealedSecrets
from app.modules.webhooks.rules import ENDPOINTS_MAX, EVENTS
from app.modules.webhooks.tests.conftest import Shop
from app.utils.security import Keyring
from tests.receiver import HOST

pytestmark = pytest.mark.usefixtures("clock_at_start")
URL = "/dashboard/webhooks"
BODY = {"url": f"https://{HOST}/x", "events": ["visit.given"]}


async def ask(shop: Shop, method: str, path: str, **options: Any) -> httpx2.Response:
    """Ask as the owner."""
    headers = shop.merchant.headers | options.pop("headers", {})
    return await shop.client.request(method, path, headers=headers, **options)


async def send_form(shop: Shop, path: str, form: dict[str, Any]) -> httpx2.Response:
    """Send a form of the page of webhooks as a browser does, with its token."""
    shop.client.cookies.update(shop.merchant.cookies)
    page = await shop.client.get(URL)
    token = re.search(r'name="csrf"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    return await shop.client.post(
        path, data=form | {"csrf": token[1]}, headers={"origin": "http://testserver"}
    )


async def test_a_webhook_is_made_and_its_secret_shown_once(shop: Shop) -> None:
    """By the form, without JavaScript; the page afterwards has it no more."""
    form = {"url": f"https://{HOST}/shop", "about": "Web shop", "events": ["visit.given", "card.joined"]}
    made = await send_form(shop, URL, form)
    assert made.status_code == 200
    assert re.search(r"whsec_[A-Za-z0-9+/]{43}=", made.text.replace("&#43;", "+"))
    listed = await ask(shop, "GET", URL)
    assert "Web shop" in listed.text
    link = re.findall(rf'href="({URL}/[0-9a-f-]{{36}})"', listed.text)[-1]
    assert "whsec_" not in listed.text + (await ask(shop, "GET", link)).text


@pytest.mark.parametrize(
    "url",
    [f"http://{HOST}/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/", "https://localhost/",
     "https://db.internal/", f"https://me:you@{HOST}/", f"https://{HOST}:22/", "nonsense"],
)  # fmt: skip
async def test_an_address_inside_is_refused_when_it_is_typed(shop: Shop, url: str) -> None:
    """In words beside the field, and nothing is kept; over HTTP with 422."""
    page = await send_form(shop, URL, {"url": url, "events": ["visit.given"]})
    assert (page.status_code, 'id="f-url-error"' in page.text) == (422, True)
    answer = await ask(shop, "POST", "/webhooks/endpoints", json=BODY | {"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert len((await ask(shop, "GET", "/webhooks/endpoints")).json()["endpoints"]) == 1


async def test_there_are_at_most_ten(shop: Shop) -> None:
    """The eleventh is refused."""
    codes = [(await ask(shop, "POST", "/webhooks/endpoints", json=BODY)).status_code for _one in range(10)]
    assert codes == [201] * (ENDPOINTS_MAX - 1) + [422]


async def test_making_one_twice_with_a_key_makes_one(shop: Shop) -> None:
    """The repeated request gets the same secret."""
    key = {"Idempotency-Key": "once"}
    first = await ask(shop, "POST", "/webhooks/endpoints", json=BODY, headers=key)
    again = await ask(shop, "POST", "/webhooks/endpoints", json=BODY, headers=key)
    assert first.json()["secret"] == again.json()["secret"]
    assert len((await ask(shop, "GET", "/webhooks/endpoints")).json()["endpoints"]) == 2


async def test_the_way_over_http(shop: Shop) -> None:
    """Change, rotate, test, look, send again, switch, remove; each leaves its line in the audit."""
    path = f"/webhooks/endpoints/{shop.endpoint_id}"
    changed = await ask(shop, "PUT", path, json=BODY | {"events": ["card.joined"]})
    assert changed.json()["events"] == ["card.joined"]
    rotated = await ask(shop, "POST", f"{path}/secret")
    assert rotated.json()["secret"] not in {shop.secret, ""}
    tested = await ask(shop, "POST", f"{path}/test")
    await shop.work()
    seen = (await ask(shop, "GET", f"{path}/deliveries/{tested.json()['delivery_id']}")).json()
    assert (seen["status"], seen["payload"]["type"], seen["tries"][0]["status"]) == (
        "delivered", "webhook.test", 200
    )  # fmt: skip
    again = await ask(shop, "POST", f"{path}/redeliver", json={"delivery_id": seen["id"]})
    assert again.json() == {"count": 1}
    assert (await ask(shop, "POST", f"{path}/switch", json={"is_on": False})).json()["off_reason"] == "member"
    refused = await ask(shop, "POST", f"{path}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_off")
    refused = await ask(shop, "POST", f"{path}/redeliver", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_off")
    assert (await ask(shop, "POST", f"{path}/switch", json={"is_on": True})).json()["is_on"] is True
    assert (await ask(shop, "DELETE", path)).status_code == 204
    assert (await ask(shop, "GET", path)).status_code == 404
    assert (await ask(shop, "GET", "/webhooks/endpoints")).json() == {"endpoints": []}
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        actions = await session.scalars(
            text("SELECT action FROM audit_entry WHERE action LIKE 'webhook.%' ORDER BY id")
        )
        assert list(actions) == [
            "webhook.created", "webhook.changed", "webhook.secret_changed", "webhook.tested",
            "webhook.sent_again", "webhook.switched_off", "webhook.switched_on", "webhook.removed",
        ]  # fmt: skip


async def test_the_pages_of_an_address(shop: Shop) -> None:
    """Log, filter, delivery, and every button as a plain form."""
    shop.receiver.body = b"<b>bold</b>"
    await shop.card()
    await shop.work()
    url = f"{URL}/{shop.endpoint_id}"
    page = await ask(shop, "GET", url)
    assert "card.joined" in page.text
    assert "card.joined</a>" not in (await ask(shop, "GET", f"{url}?state=failed")).text
    (line,) = await shop.deliveries()
    shown = await ask(shop, "GET", f"{url}/{line.id}")
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown.text
    for path in ("test", "redeliver", f"{line.id}/redeliver", "off", "on", "remove"):
        done = await send_form(shop, f"{url}/{path}", {})
        assert done.status_code == 303, path
    assert (await ask(shop, "GET", url)).status_code == 404


async def test_a_secret_is_changed_once_by_a_form_sent_twice(shop: Shop) -> None:
    """Or the one before it would sign no more."""
    form = {"idempotency_key": "once"}
    first = await send_form(shop, f"{URL}/{shop.endpoint_id}/secret", form)
    again = await send_form(shop, f"{URL}/{shop.endpoint_id}/secret", form)
    secrets = [set(re.findall(r"whsec_[^\"<]+", page.text)) for page in (first, again)]
    assert secrets[0] == secrets[1]
    assert len(secrets[0]) == 1


async def test_another_merchants_address_is_not_there(shop: Shop) -> None:
    """Not shown, not changed, not sent."""
    other = await make_merchant(shop.database)
    async with tenant_scope(shop.database, other.id) as session:
        from app.kernel.permissions import Principal

        owner = Principal("member", other.id, other.owner_id, role="owner")
        await switch_feature(session, owner, "webhooks", is_on=True, now=shop.clock.at)
    path = f"/webhooks/endpoints/{shop.endpoint_id}"
    for method, where in (
        ("GET", path),
        ("DELETE", path),
        ("POST", f"{path}/test"),
        ("POST", f"{path}/secret"),
    ):
        answer = await shop.client.request(method, where, headers=other.headers)
        assert answer.status_code == 404, where
    assert (await shop.row()).is_on


async def test_switched_off_its_pages_are_closed(shop: Shop) -> None:
    """A right of a feature that is off is nobody's."""
    await shop.switch(is_on=False)
    assert (await ask(shop, "GET", URL)).status_code == 403
    assert (await ask(shop, "GET", "/webhooks/endpoints")).status_code == 403


async def test_the_kinds_are_documented_with_examples(shop: Shop) -> None:
    """For who writes the other program."""
    kinds = (await ask(shop, "GET", "/webhooks/events")).json()["events"]
    assert [kind["type"] for kind in kinds][0] == "visit.given"
    assert all(set(kind["example"]) == {"id", "type", "timestamp", "version", "data"} for kind in kinds)


async def test_every_event_stands_on_the_page_with_its_example(shop: Shop) -> None:
    """So that a program can be written beside it; the page has no secret in it."""
    page = (await ask(shop, "GET", URL)).text
    assert [name for name in EVENTS if page.count(f"&#34;type&#34;: &#34;{name}&#34;") != 1] == []


async def test_customers_are_told_while_other_programs_are(shop: Shop) -> None:
    """The notice says who else sees it while webhooks are on, and no longer than that; the record says it always."""
    words = "Other programs of the shop"
    anybody = {"Accept": "text/html"}
    assert words in (await shop.client.get(f"/privacy/{shop.store.id}", headers=anybody)).text
    assert words in (await ask(shop, "GET", "/dashboard/privacy")).text
    record = (await ask(shop, "GET", "/dashboard/privacy/record.json")).text
    assert words in record
    await shop.switch(is_on=False)
    assert words not in (await shop.client.get(f"/privacy/{shop.store.id}", headers=anybody)).text


async def test_the_features_lead_to_the_page(shop: Shop) -> None:
    """While it is on; switched off, its pages are closed."""
    link = f'<a href="{URL}">Webhooks</a>'
    assert link in (await ask(shop, "GET", "/dashboard/features")).text
    await shop.switch(is_on=False)
    assert link not in (await ask(shop, "GET", "/dashboard/features")).text


async def test_what_waits_for_its_next_try_can_be_sent_now(shop: Shop) -> None:
    """A button beside what failed once; none beside what is on its way."""
    shop.receiver.status = 500
    await shop.card()
    (line,) = await shop.deliveries()
    url = f"{URL}/{shop.endpoint_id}/{line.id}"
    assert f'action="{url}/redeliver"' not in (await ask(shop, "GET", url)).text
    await shop.work()
    assert f'action="{url}/redeliver"' in (await ask(shop, "GET", url)).text
    shop.receiver.status = 200
    assert (await send_form(shop, f"{url}/redeliver", {})).status_code == 303
    await shop.work()
    assert [one.status for one in await shop.deliveries()] == ["delivered"]


async def test_what_is_sent_stands_in_the_documentation_of_the_api(shop: Shop) -> None:
    """As a callback of the route that makes an address, with an example of each event."""
    documented = (await shop.client.get("/openapi.json")).json()
    made = documented["paths"]["/webhooks/endpoints"]["post"]
    (callback,) = made["callbacks"].values()
    body = callback["{$request.body#/url}"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["examples"]) == set(EVENTS)


async def test_the_database_holds_no_secret(shop: Shop) -> None:
    """A stolen dump signs nothing: sealed with a key that is elsewhere, and bound to its row."""
    secret = b64decode(shop.secret.removeprefix("whsec_"))
    row = await shop.row()
    assert secret not in row.sealed
    keyring = shop.process.resources.get(Keyring)
    assert keyring.unseal(row.sealed, context=f"webhook_endpoint:{shop.merchant.id}:{row.id}") == secret
    with pytest.raises(ValueError, match="cannot be opened"):
        keyring.unseal(row.sealed, context=f"webhook_endpoint:{shop.merchant.id}:{shop.store.id}")


async def test_failed_and_waiting_are_counted(shop: Shop) -> None:
    """On the list, with a way to the failed ones."""
    shop.receiver.status = 410
    await shop.card()
    await shop.work()
    listed = await ask(shop, "GET", URL)
    assert f'{URL}/{shop.endpoint_id}?state=failed">1</a>' in listed.text
    failed = (
        await ask(shop, "GET", f"/webhooks/endpoints/{shop.endpoint_id}/deliveries?status=failed")
    ).json()
    assert [(one["error"], one["last_status"]) for one in failed["deliveries"]] == [("gone", 410)]
    assert failed["before"] is None


async def test_both_secrets_move_to_a_newer_key(shop: Shop) -> None:
    """A rotation of the installation's keys finds the one that signs and the one before."""
    await ask(shop, "POST", f"/webhooks/endpoints/{shop.endpoint_id}/secret")
    old = shop.process.resources.get(Keyring)
    fields = old.keys["field"]
    newer = Keyring(old.keys | {"field": fields | {max(fields) + 1: token_bytes(32)}})
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await SealedSecrets().count_old(session, newer) == 2
        assert await SealedSecrets().reseal(session, newer) == 2
        assert await SealedSecrets().count_old(session, newer) == 0
    row = await shop.row()
    assert row.sealed_before is not None
    before = newer.unseal(row.sealed_before, context=f"webhook_endpoint:{row.merchant_id}:{row.id}")
    assert before == b64decode(shop.secret.removeprefix("whsec_"))
