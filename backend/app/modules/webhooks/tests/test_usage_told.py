"""What a shop uses of its plan is told to other programs: once, signed, and only where somebody wants it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from standardwebhooks import Webhook

from app.modules.billing.jobs import count
from app.modules.billing.public import Plans
from app.modules.webhooks.tests.conftest import Shop

pytestmark = pytest.mark.usefixtures("clock_at_start")
USAGE = ["usage.warned", "usage.reached", "usage.month_closed"]


@pytest.fixture
def five_cards(shop: Shop) -> Iterator[None]:
    """Give every shop a plan with room for five cards."""
    plans = {"default": "small", "plans": {"small": {"title": "Small", "limits": {"cards": 5}}}}
    shop.process.resources.put(Plans, Plans.model_validate(plans))
    yield
    shop.process.resources.put(Plans, Plans())


async def want(shop: Shop, *events: str) -> None:
    """Let the shop's address be told these, by the API."""
    body = {"url": (await shop.row()).url, "events": list(events)}
    path = f"/webhooks/endpoints/{shop.endpoint_id}"
    answer = await shop.client.put(path, json=body, headers=shop.merchant.headers)
    assert (answer.status_code, answer.json()["events"]) == (200, list(events)), answer.text


async def join(shop: Shop, cards: int) -> list[int]:
    """Ask for so many cards as anybody may, and return the answers' status."""
    body = {"store_id": str(shop.store.id)}
    return [(await shop.client.post("/passes/create", json=body)).status_code for _card in range(cards)]


def came(shop: Shop) -> list[tuple[str, Any]]:
    """Return the events that the receiver got, each with a signature that the standard's verifier takes."""
    told = [Webhook(shop.secret).verify(body, headers) for headers, body in shop.receiver.came]
    return [(one["type"], one["data"]) for one in told]


def month(shop: Shop) -> str:
    """Return the month that it is in the shop."""
    return f"{shop.clock.at.astimezone(ZoneInfo('Europe/Luxembourg')):%Y-%m}"


@pytest.mark.usefixtures("five_cards")
async def test_a_limit_that_fills_up_is_told_signed(shop: Shop) -> None:
    """Of five cards the fourth warns and the fifth reaches the limit; the refused sixth tells nothing more."""
    await want(shop, *USAGE)
    assert await join(shop, 6) == [201] * 5 + [409]
    await shop.work()

    of = {"merchant_id": str(shop.merchant.id), "month": month(shop), "meter": "cards", "limit": 5}
    assert sorted(came(shop), key=lambda one: one[1]["used"]) == [
        ("usage.warned", of | {"used": 4}),
        ("usage.reached", of | {"used": 5}),
    ]


async def test_a_month_that_is_over_is_told_once_with_every_meter(shop: Shop) -> None:
    """The worker's next round closes it; the rounds after that tell nothing, and no plan is needed."""
    await want(shop, *USAGE)
    over = month(shop)
    await shop.stamp(await shop.card())
    await count(shop.context())
    await shop.work()
    assert shop.receiver.came == []
    shop.clock.at += timedelta(days=32)
    for _round in range(2):
        await count(shop.context())
    await shop.work()

    ((headers, body),) = shop.receiver.came
    sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert headers["webhook-signature"] == Webhook(shop.secret).sign(
        headers["webhook-id"], sent_at, body.decode()
    )
    told = json.loads(body)
    usage = {
        "cards": 1,
        "stores": 1,
        "members": 1,
        "visits": 1,
        "api_visits": 0,
        "mails": 0,
        "wallet_passes": 0,
    }
    assert (told["type"], told["data"]) == (
        "usage.month_closed",
        {"merchant_id": str(shop.merchant.id), "month": over, "usage": usage},
    )


@pytest.mark.usefixtures("five_cards")
async def test_who_did_not_ask_for_usage_is_not_told(shop: Shop) -> None:
    """An address that wants blocked cards gets nothing when a limit is reached, and nothing waits for it."""
    await want(shop, "card.blocked")
    assert await join(shop, 5) == [201] * 5
    await shop.work()
    assert (came(shop), await shop.deliveries()) == ([], [])


@pytest.mark.usefixtures("five_cards")
async def test_a_shop_without_the_feature_tells_nothing(shop: Shop) -> None:
    """Switched off, a limit that is reached leads to no event."""
    await want(shop, *USAGE)
    await shop.switch(is_on=False)
    assert await join(shop, 5) == [201] * 5
    await shop.work()
    assert (came(shop), await shop.deliveries()) == ([], [])
