"""Google's messages about saved and deleted passes: forged, replayed, expired, re-keyed, and real ones."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from app.db.session import tenant_scope
from app.modules.cards.factories import MadeCard
from app.modules.wallets.google_wallet.adapters import Answer
from app.modules.wallets.google_wallet.callbacks import PROTOCOL, SENDER, RootKeys, signed_bytes
from app.modules.wallets.google_wallet.models import GoogleNonce
from app.modules.wallets.google_wallet.tests.conftest import Shop

URL = "/google/callbacks"


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a public key as Google writes it."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(encoding, form)).decode()


def sign(key: ec.EllipticCurvePrivateKey, *parts: str) -> str:
    """Return a signature over the parts."""
    return base64.b64encode(key.sign(signed_bytes(*parts), ec.ECDSA(hashes.SHA256()))).decode()


@dataclass
class Signer:
    """Google's side: root keys as published, and messages."""

    now: datetime
    root: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    middle: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    published: list[ec.EllipticCurvePrivateKey] = field(default_factory=list)
    fetches: int = 0
    numbers: Any = field(default_factory=itertools.count)

    async def fetch(self, url: str) -> Answer:
        """Answer for the address of the keys."""
        self.fetches += 1
        ends = str(int((self.now + timedelta(days=90)).timestamp() * 1000))
        keys = [
            {"keyValue": public_text(key), "protocolVersion": PROTOCOL, "keyExpiration": ends}
            for key in self.published or [self.root]
        ]
        other = {"keyValue": public_text(new_key()), "protocolVersion": "ECv1"}
        return Answer(200, {"keys": [other, *keys]}, httpx2.Headers({"cache-control": "max-age=3600"}))

    def message(self, shop: Shop, card: MadeCard, event: str = "save", **over: Any) -> dict[str, Any]:
        """Return a message as Google posts it. over: parts that a forger changes."""
        issuer = over.get("issuer", shop.issuer_id)
        expires = over.get("expires", self.now + timedelta(days=1))
        content = {
            "classId": f"{issuer}.p-x",
            "objectId": f"{issuer}.c-{card.merchant_id.hex}-{card.id.hex}",
            "eventType": event,
            "expTimeMillis": int(expires.timestamp() * 1000),
            "count": 1,
            "nonce": over.get("nonce", f"n{next(self.numbers)}"),
        }
        text = json.dumps(content)
        ends = over.get("key_ends", self.now + timedelta(days=7))
        described = {"keyValue": public_text(self.middle), "keyExpiration": str(int(ends.timestamp() * 1000))}
        signed_key = json.dumps(described)
        return {
            "signature": sign(self.middle, SENDER, over.get("recipient", issuer), PROTOCOL, text),
            "intermediateSigningKey": {
                "signedKey": signed_key,
                "signatures": [sign(over.get("root", self.root), SENDER, PROTOCOL, signed_key)],
            },
            "protocolVersion": over.get("protocol", PROTOCOL),
            "signedMessage": text,
        }


@pytest_asyncio.fixture(loop_scope="session")
async def signer(shop: Shop) -> AsyncIterator[Signer]:
    """Return Google's signing side, and let the process ask it for the keys."""
    signer = Signer(shop.clock.now())
    resources = shop.process.resources
    old = resources.get(RootKeys)
    resources.put(RootKeys, RootKeys(signer, "https://keys.example"))  # type: ignore[arg-type]
    yield signer
    resources.put(RootKeys, old)


async def counts(shop: Shop, card: MadeCard) -> tuple[int, int]:
    """Return saves and deletions of a card."""
    row = await shop.row(card)
    return row.saves, row.deletions


async def test_a_save_is_counted_once(shop: Shop, signer: Signer, client: httpx2.AsyncClient) -> None:
    """The message and its repeats: 200 each time, counted once; the name follows by the job."""
    card = await shop.card(name="Anna Müller")
    message = signer.message(shop, card)

    answers = [(await client.post(URL, json=message)).status_code for _ in range(3)]

    assert answers == [200, 200, 200]
    assert await counts(shop, card) == (1, 0)
    await shop.converge()
    assert shop.google(card)["accountName"] == "Anna Müller"
    assert signer.fetches == 1


async def test_events_count_in_any_order(shop: Shop, signer: Signer, client: httpx2.AsyncClient) -> None:
    """Two saves and a deletion are the same in every order: the pass lives in one account."""
    for order in set(itertools.permutations(("save", "save", "del"))):
        card = await shop.card()
        for event in order:
            assert (await client.post(URL, json=signer.message(shop, card, event))).status_code == 200
        assert await counts(shop, card) == (2, 1)


FORGERIES: dict[str, dict[str, Any]] = {
    "another root": {"root": new_key()},
    "another recipient": {"recipient": "3388000000099999999"},
    "expired": {"expires": datetime.fromisoformat("2026-11-20T08:59:59+00:00")},
    "old intermediate key": {"key_ends": datetime.fromisoformat("2026-11-20T08:59:59+00:00")},
    "another protocol": {"protocol": "ECv2"},
    "another issuer, signed by Google": {"issuer": "3388000000012345678"},
    "no nonce": {"nonce": ""},
}


@pytest.mark.parametrize("name", sorted(FORGERIES))
async def test_a_forged_message_changes_nothing(
    shop: Shop, signer: Signer, client: httpx2.AsyncClient, name: str
) -> None:
    """403, nothing counted, and no nonce kept."""
    card = await shop.card()

    answer = await client.post(URL, json=signer.message(shop, card, **FORGERIES[name]))

    assert answer.status_code == 403
    assert await counts(shop, card) == (0, 0)
    async with tenant_scope(shop.database, card.merchant_id) as session:
        assert (await session.execute(select(GoogleNonce))).all() == []


async def test_a_changed_message_is_refused(shop: Shop, signer: Signer, client: httpx2.AsyncClient) -> None:
    """A byte of the signed text, an unknown event, another card: the signature does not fit."""
    card, other = await shop.card(), await shop.card()
    message = signer.message(shop, card)
    for old, new in (("save", "del "), (card.id.hex, other.id.hex), ('"count"', '"cnt"')):
        forged = message | {"signedMessage": message["signedMessage"].replace(old, new)}
        assert (await client.post(URL, json=forged)).status_code == 403
    assert (await client.post(URL, json=signer.message(shop, card, "delete"))).status_code == 403
    assert await counts(shop, card) == (0, 0)
    assert await counts(shop, other) == (0, 0)


async def test_google_may_change_its_keys(shop: Shop, signer: Signer, client: httpx2.AsyncClient) -> None:
    """An unknown root makes us ask again, once a minute at most; a withdrawn one is worth nothing then."""
    card = await shop.card()
    assert (await client.post(URL, json=signer.message(shop, card))).status_code == 200
    old_root, signer.root = signer.root, new_key()
    signer.published = [signer.root]
    for _ in range(20):
        await client.post(URL, json=signer.message(shop, card))
    assert signer.fetches == 1

    shop.clock.advance(seconds=61)
    assert (await client.post(URL, json=signer.message(shop, card))).status_code == 200
    assert signer.fetches == 2
    shop.clock.advance(seconds=61)
    assert (await client.post(URL, json=signer.message(shop, card, root=old_root))).status_code == 403
    assert await counts(shop, card) == (2, 0)


@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"signature": 5}'])
async def test_nonsense_is_refused(client: httpx2.AsyncClient, body: str) -> None:
    """What is no message at all is 422."""
    answer = await client.post(URL, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
