"""A scripted phone over the real web service, and the pushes that reach it."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from app.db.session import tenant_scope
from app.kernel.jobs import TryAgain
from app.modules.cards.factories import make_card
from app.modules.cards.models import PassObject
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store
from app.modules.wallets.apple_wallet.credentials import AppleKeys
from app.modules.wallets.apple_wallet.health import find_fault
from app.modules.wallets.apple_wallet.identity import is_leaf
from app.modules.wallets.apple_wallet.pushing import OUTPUT_APPLE
from app.modules.wallets.apple_wallet.registering import REGISTRATIONS_MAX
from app.modules.wallets.marks import assign_update_tag, mark_changed
from tests.fixtures import START


class Phone:
    """What a phone does with passes."""

    def __init__(self, client, device: str, push_token: str) -> None:
        self.client, self.device, self.push_token = client, device, push_token
        self.passes: dict[str, dict] = {}
        self.modified: dict[str, str] = {}
        self.signers: list[bytes] = []

    async def add(self, card) -> dict:
        """Download a pass as its holder."""
        answer = await self.client.get(f"/passes/apple/{card.id}?t={card.token}")
        assert answer.status_code == 200, answer.text
        return self._keep(answer)

    def _keep(self, answer) -> dict:
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            content = json.loads(archive.read("pass.json"))
            both = pkcs7.load_der_pkcs7_certificates(archive.read("signature"))
        self.signers += [one.public_bytes(Encoding.DER) for one in both if is_leaf(one)]
        self.passes[content["serialNumber"]] = content
        self.modified[content["serialNumber"]] = answer.headers["last-modified"]
        return content

    def path(self, serial: str, *, device: str = "") -> str:
        """Return the address of a registration."""
        kind = self.passes[serial]["passTypeIdentifier"]
        return f"/apple/updates/v1/devices/{device or self.device}/registrations/{kind}/{serial}"

    def headers(self, serial: str) -> dict[str, str]:
        """Return what opens a pass."""
        return {"Authorization": f"ApplePass {self.passes[serial]['authenticationToken']}"}

    async def register(self, serial: str, **over) -> int:
        """Register for a pass."""
        headers = over.pop("headers", None) or self.headers(serial)
        body = {"pushToken": self.push_token}
        return (await self.client.post(self.path(serial, **over), json=body, headers=headers)).status_code

    async def unregister(self, serial: str) -> int:
        """Unregister from a pass."""
        return (await self.client.delete(self.path(serial), headers=self.headers(serial))).status_code

    async def changed(self, since: str = ""):
        """Ask what changed."""
        kind = next(iter(self.passes.values()))["passTypeIdentifier"]
        query = f"?passesUpdatedSince={since}" if since else ""
        return await self.client.get(f"/apple/updates/v1/devices/{self.device}/registrations/{kind}{query}")

    async def latest(self, serial: str, *, since: str = "", form: str = "v1/passes/"):
        """Fetch the latest pass."""
        kind = self.passes[serial]["passTypeIdentifier"]
        headers = self.headers(serial) | ({"If-Modified-Since": since} if since else {})
        answer = await self.client.get(f"/apple/updates/{form}{kind}/{serial}", headers=headers)
        if answer.status_code == 200:
            self._keep(answer)
        return answer


async def change(database, card, **columns) -> None:
    """Change a card as a visit does: totals, revision, Last-Modified, mark."""
    async with tenant_scope(database, card.merchant_id) as session:
        row = await session.get(PassObject, (card.merchant_id, card.id))
        for name, value in columns.items():
            setattr(row, name, value)
        row.revision += 1
        row.changed_at = row.changed_at.replace(microsecond=0) + timedelta(seconds=1)
        await mark_changed(session, card.merchant_id, card.id)


async def refresh(worker, card, attempt: int = 1) -> None:
    """Do what the refresh job does for Apple."""
    context = worker.context(card.merchant_id, attempt)
    async with context.session() as session:
        await assign_update_tag(session, card.merchant_id, card.id)
    await OUTPUT_APPLE.update(context, merchant_id=card.merchant_id, pass_id=card.id)


@pytest.fixture
def phone(client) -> Phone:
    """Return a phone."""
    import secrets

    return Phone(client, f"device-{secrets.token_hex(8)}", secrets.token_hex(32))


async def test_the_life_of_two_passes_on_a_phone(client, database, phone, worker, apns):
    """Add, register, stamp, push, list, fetch, 304, unregister, no more pushes; two passes of unequal age."""
    store = await make_store(database, await make_merchant(database))
    old, young = await make_card(database, store, stamps=2), await make_card(database, store)
    await phone.add(old)
    assert await phone.register(str(old.id)) == 201
    assert await phone.register(str(old.id)) == 200
    await change(database, old, stamp_count=3)
    await refresh(worker, old)
    assert apns.pushes == [(phone.push_token, phone.passes[str(old.id)]["passTypeIdentifier"], b"{}")]
    first = (await phone.changed()).json()
    assert first["serialNumbers"] == [str(old.id)]
    assert isinstance(first["lastUpdated"], str)
    assert (await phone.changed(first["lastUpdated"])).status_code == 204

    await phone.add(young)
    assert await phone.register(str(young.id)) == 201
    await change(database, young, stamp_count=1)
    await refresh(worker, young)
    second = (await phone.changed(first["lastUpdated"])).json()
    assert second["serialNumbers"] == [str(young.id)]
    assert int(second["lastUpdated"]) > int(first["lastUpdated"])
    assert set((await phone.changed()).json()["serialNumbers"]) == {str(old.id), str(young.id)}

    before = phone.modified[str(old.id)]
    answer = await phone.latest(str(old.id), since=before)
    assert answer.status_code == 200
    assert phone.passes[str(old.id)]["storeCard"]["headerFields"][0]["value"] == "3 / 10"
    modified = answer.headers["last-modified"]
    assert (await phone.latest(str(old.id), since=modified)).status_code == 304
    # Two changes within one second of the clock: the second one is still seen.
    await change(database, old, stamp_count=4)
    assert (await phone.latest(str(old.id), since=modified, form="")).status_code == 200
    assert phone.passes[str(old.id)]["storeCard"]["headerFields"][0]["value"] == "4 / 10"

    assert await phone.unregister(str(old.id)) == 200
    apns.pushes.clear()
    await change(database, old, stamp_count=5)
    await refresh(worker, old)
    assert apns.pushes == []


async def test_only_the_passs_own_token_opens_it(client, database, phone):
    """No token, a wrong one, another pass's: 401; an unknown serial: 404; the log takes what is sent."""
    store = await make_store(database, await make_merchant(database))
    card, other = await make_card(database, store), await make_card(database, store)
    content = await phone.add(card)
    await phone.add(other)
    mine, theirs = str(card.id), str(other.id)
    kind = content["passTypeIdentifier"]

    for headers in (
        {"Authorization": "ApplePass wrong"},
        {"Authorization": "Bearer x"},
        phone.headers(theirs),
    ):
        assert await phone.register(mine, headers=headers) == 401
        answer = await client.get(f"/apple/updates/v1/passes/{kind}/{mine}", headers=headers)
        assert answer.status_code == 401
        assert (await client.delete(phone.path(mine), headers=headers)).status_code == 401
    assert (await client.get(f"/apple/updates/v1/passes/{kind}/{mine}")).status_code == 401
    assert (await phone.changed()).status_code == 204
    unknown = await client.get(f"/apple/updates/v1/passes/{kind}/nobody", headers=phone.headers(mine))
    assert unknown.status_code == 404
    foreign = await client.get(f"/apple/updates/v1/passes/pass.other/{mine}", headers=phone.headers(mine))
    assert foreign.status_code == 404
    head = await client.head(f"/apple/updates/v1/passes/{kind}/{mine}", headers=phone.headers(mine))
    assert (head.status_code, head.content) == (200, b"")
    assert (await client.post("/apple/updates/v1/log", json={"logs": ["x\x00\n" * 9_000]})).status_code == 200


async def test_registrations_of_a_pass_are_capped(client, database, phone):
    """A thousand devices, eight at a time: the newest stay."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    await phone.add(card)
    limit = asyncio.Semaphore(8)

    async def one(number: int) -> int:
        async with limit:
            return await phone.register(str(card.id), device=f"{phone.device}-{number}")

    assert {await task for task in [asyncio.ensure_future(one(n)) for n in range(1_000)]} == {201}
    async with tenant_scope(database, card.merchant_id) as session:
        from sqlalchemy import func, select

        from app.modules.wallets.models import AppleDeviceRegistration as Row

        found = await session.scalar(select(func.count()).where(Row.merchant_id == card.merchant_id))
    assert found == REGISTRATIONS_MAX


@pytest.mark.parametrize(
    "trouble",
    [(429, {"reason": "TooManyRequests"}), (500, {}), (503, {"reason": "Shutdown"}), "goaway", "hang"],
)
async def test_an_hour_of_trouble_ends_well(database, phone, worker, apns, clock, trouble):
    """One probe a minute while Apple is away, however many cards wait; the first answer opens the way."""
    store = await make_store(database, await make_merchant(database))
    cards = [await make_card(database, store) for _ in range(3)]
    for card in cards:
        await phone.add(card)
        await phone.register(str(card.id))
        await change(database, card, stamp_count=1)
    apns.always = trouble

    for minute in range(60):
        for card in cards:
            if minute and trouble in ("hang",) and minute > 4:
                break  # each probe takes its time limit; four show it
            with pytest.raises(TryAgain) as caught:
                await refresh(worker, card, attempt=minute + 1)
            assert timedelta(0) < caught.value.after <= timedelta(minutes=4)
        clock.advance(seconds=61)
    # libcurl itself repeats a request that a closing connection never looked at.
    assert len(apns.pushes) <= (61 if trouble != "goaway" else 61 * 6)

    apns.always = None
    apns.pushes.clear()
    for _round in range(2):
        for card in cards:
            await refresh(worker, card)
    assert {token for token, _topic, _body in apns.pushes} == {phone.push_token}
    assert len(apns.pushes) == 3


async def test_a_device_that_is_gone_is_forgotten(database, phone, worker, apns, clock):
    """410 drops the registration once; one made after Apple's timestamp stays."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    await phone.add(card)
    await phone.register(str(card.id))
    early = int((clock.now() - timedelta(hours=1)).timestamp() * 1_000)
    late = int((clock.now() + timedelta(hours=1)).timestamp() * 1_000)
    for number, stamp, status in ((1, early, 200), (2, late, 204)):
        apns.plan.append((410, {"reason": "Unregistered", "timestamp": stamp}))
        await change(database, card, stamp_count=number)
        await refresh(worker, card)
        assert (await phone.changed()).status_code == status
    apns.pushes.clear()
    await change(database, card, stamp_count=3)
    await refresh(worker, card)
    assert apns.pushes == []


async def test_a_refused_certificate_does_not_storm(database, phone, worker, apns, clock):
    """BadCertificate for an hour: a probe every quarter of an hour, over all workers; gone when it works."""
    store = await make_store(database, await make_merchant(database))
    card = await make_card(database, store)
    content = await phone.add(card)
    await phone.register(str(card.id))
    await change(database, card, stamp_count=1)
    apns.always = (403, {"reason": "BadCertificate"})
    for _minute in range(60):
        with pytest.raises(TryAgain):
            await refresh(worker, card)
        clock.advance(minutes=1)
    assert len(apns.pushes) <= 5
    mark = worker.resources.get(AppleKeys).installation(clock.now()).fingerprint
    async with tenant_scope(database, card.merchant_id) as session:
        fault = await find_fault(session, mark)
    assert (fault.reason, fault.since) == ("BadCertificate", START)

    apns.always = None
    clock.advance(minutes=16)
    await refresh(worker, card)
    async with tenant_scope(database, card.merchant_id) as session:
        assert await find_fault(session, mark) is None
    assert apns.pushes[-1][1] == content["passTypeIdentifier"]


async def test_one_connection_carries_many_pushes(database, worker, apns, process):
    """Two hundred pushes, one connection."""
    identity = process.resources.get(AppleKeys).installation(process.clock.now())
    service = worker.pusher._service
    answers = await service.push_all(identity, [f"{n:064x}" for n in range(200)])

    assert {answer.status for answer in answers} == {200}
    assert len({token for token, _topic, _body in apns.pushes}) == 200
    assert apns.connections == 1
