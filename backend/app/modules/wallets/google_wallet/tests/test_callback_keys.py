"""Google's root keys: kept as long as they say, asked for anew when they do not fit, and never trusted for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.google_wallet.accounts import STAND_IN_ISSUER
from app.modules.wallets.google_wallet.adapters import Answer, Fault
from app.modules.wallets.google_wallet.callbacks import PROTOCOL, CallbackMessage, Forged, RootKeys, verify
from app.modules.wallets.google_wallet.stand_in_keys import MESSAGE_AGE, StandInKeys, StandInRoots
from app.modules.wallets.google_wallet.tests.builders import NOW
from app.modules.wallets.google_wallet.tests.conftest import Shop
from app.modules.wallets.google_wallet.tests.test_callbacks import URL, Signer, counts, new_key, public_text

KEYS = "https://keys.example"


class Published:
    """The address of the keys: what it answers, and how often it was asked."""

    def __init__(self, *, cache: str = "", ends: datetime = NOW + timedelta(days=90)) -> None:
        self.cache = cache
        self.ends = ends
        self.key = new_key()
        self.status: int | None = 200
        self.fetches = 0

    async def fetch(self, url: str) -> Answer:
        """Answer, or fail as a dead socket does."""
        self.fetches += 1
        if self.status is None:
            raise Fault("unreachable", is_temporary=True)
        row = {
            "keyValue": public_text(self.key),
            "protocolVersion": PROTOCOL,
            "keyExpiration": str(int(self.ends.timestamp() * 1000)),
        }
        headers = httpx2.Headers({"cache-control": self.cache} if self.cache else {})
        return Answer(self.status, {"keys": [row]} if self.status == 200 else {}, headers)


@pytest.mark.parametrize(
    ("cache", "kept"),
    [
        ("max-age=600", timedelta(minutes=10)),
        ("private, max-age=86400, must-revalidate", timedelta(days=1)),
        ("max-age=0", timedelta(minutes=1)),
        ("max-age=99999999", timedelta(days=7)),
        ("", timedelta(hours=1)),
        ("no-cache", timedelta(hours=1)),
    ],
)
async def test_keys_are_kept_as_long_as_the_answer_says(cache: str, kept: timedelta) -> None:
    """Within a minute and a week; the moment after, they are asked for anew."""
    published = Published(cache=cache)
    roots = RootKeys(published, KEYS)

    await roots.current(now=NOW)
    await roots.current(now=NOW + kept - timedelta(seconds=1))
    assert published.fetches == 1
    await roots.current(now=NOW + kept)
    assert published.fetches == 2


async def test_an_expired_root_key_is_worth_nothing() -> None:
    """On its last second it counts, then no more, although the list is still fresh."""
    published = Published(cache="max-age=604800", ends=NOW + timedelta(hours=2))
    roots = RootKeys(published, KEYS)

    assert await roots.current(now=NOW + timedelta(minutes=119)) == [public_text(published.key)]
    assert await roots.current(now=NOW + timedelta(hours=2)) == []


@pytest.mark.parametrize("status", [None, 500, 404])
async def test_an_unreachable_list_is_not_asked_for_with_every_message(status: int | None) -> None:
    """Without keys each message may come again later; the list is asked for once a minute at most."""
    published = Published()
    published.status = status
    roots = RootKeys(published, KEYS)

    for second in range(60):
        with pytest.raises(Fault):
            await roots.current(now=NOW + timedelta(seconds=second))
    assert published.fetches == 1
    published.status = 200
    assert await roots.current(now=NOW + timedelta(seconds=60)) == [public_text(published.key)]


async def test_known_keys_outlive_an_outage_of_their_address() -> None:
    """The list cannot be had when it should be renewed: the known keys go on until they expire."""
    published = Published(cache="max-age=600", ends=NOW + timedelta(days=1))
    roots = RootKeys(published, KEYS)
    await roots.current(now=NOW)
    published.status = None

    assert await roots.current(now=NOW + timedelta(hours=5)) == [public_text(published.key)]
    assert await roots.current(now=NOW + timedelta(days=2)) == []


async def test_a_callback_without_keys_at_hand_is_to_come_again(
    shop: Shop, client: httpx2.AsyncClient
) -> None:
    """503, nothing counted; when the keys are back, the same message is taken."""
    signer = Signer(shop.clock.now())
    card = await shop.card()
    message = signer.message(shop, card)
    resources = shop.process.resources
    old, published = resources.get(RootKeys), Published()
    published.key, published.status = signer.root, 500
    resources.put(RootKeys, RootKeys(published, KEYS))
    try:
        answer = await client.post(URL, json=message)
        assert answer.status_code == 503
        assert await counts(shop, card) == (0, 0)
        published.status = 200
        shop.clock.advance(seconds=61)
        assert (await client.post(URL, json=message)).status_code == 200
        assert await counts(shop, card) == (1, 0)
    finally:
        resources.put(RootKeys, old)


def stand_in_message(keys: StandInKeys, now: datetime, *, issuer: str = STAND_IN_ISSUER) -> CallbackMessage:
    """Return a message of the demo's stand-in."""
    ids = f"{issuer}.c-{'0' * 32}-{'1' * 32}"
    made = keys.message("save", class_id=f"{issuer}.p-x", object_id=ids, now=now)
    return CallbackMessage.model_validate(made)


async def test_the_demos_keys_change_and_old_messages_end(tmp_path: Path) -> None:
    """A message of any moment is taken then; a day later under new keys, and the old one is worth nothing."""
    keys = StandInKeys(tmp_path)
    roots = StandInRoots(keys)
    seen: set[str] = set()
    for hours in (0, 1, 23, 24, 25, 49, 100):
        now = NOW + timedelta(hours=hours)
        message = stand_in_message(keys, now)
        assert (await verify(roots, message, now=now)).event == "save"
        seen |= set(await roots.current(now=now))
        with pytest.raises(Forged):
            await verify(roots, message, now=now + MESSAGE_AGE)
    assert len(seen) >= 5
    assert len(list(tmp_path.glob("*.pem"))) <= 6


async def test_the_demos_keys_vouch_for_the_stand_in_only(tmp_path: Path) -> None:
    """In the demo, too, another issuer's messages are checked against Google's keys alone."""
    keys = StandInKeys(tmp_path)
    google = RootKeys(Published(), KEYS)
    google.stand_in = StandInRoots(keys)

    assert (await verify(google, stand_in_message(keys, NOW), now=NOW)).issuer_id == STAND_IN_ISSUER
    with pytest.raises(Forged, match="root"):
        await verify(google, stand_in_message(keys, NOW, issuer="3388000000012345678"), now=NOW)


async def test_the_demos_button_saves_and_removes_by_a_verified_message(
    client: httpx2.AsyncClient, database: Any
) -> None:
    """From the picture of the pass: saved, shown as saved, removed again; each by a signed callback, once."""
    from sqlalchemy import text

    from app.db.session import tenant_scope

    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    tapped = await client.get(f"/passes/google/{card.id}?t={card.token}")
    url = f"/passes/google/{card.id}/preview"
    states = []
    for _ in range(2):
        page = await client.get(tapped.headers["location"])
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        assert (await client.post(url, data={"csrf": csrf})).status_code == 303
        states.append("The pass is in the wallet" in (await client.get(url)).text)

    assert states == [True, False]
    async with tenant_scope(database, card.merchant_id) as session:
        row = (
            await session.execute(
                text("SELECT saves, deletions FROM google_object WHERE pass_id = :id"), {"id": card.id}
            )
        ).one()
        nonces = await session.scalar(text("SELECT count(*) FROM google_nonce"))
    assert (row.saves, row.deletions, nonces) == (1, 1, 2)
