"""Pairing a device: a link for the camera, a short code for fingers, both once and for ten minutes."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, text

from app.db.lookup import Lookup
from app.db.session import tenant_scope
from app.kernel.web.limits import LIMITS, Limit
from app.modules.accounts.factories import make_member
from app.modules.merchants.factories import make_merchant
from app.modules.staff.models import StaffDevice
from app.modules.staff.pairing import PAIRING_LOOKUP, read_typed_code
from app.modules.stores.factories import make_store
from app.utils.security import unb64


@pytest.fixture(autouse=True)
async def _fresh_limits(app):
    await app.state.limiter.reset()


async def add_device(client, database, name: str = "Tablet"):
    """Add a device over HTTP; return (store, merchant, answer)."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    made = await client.post(f"/stores/{store.id}/devices", json={"name": name}, headers=merchant.headers)
    assert made.status_code == 201
    return store, merchant, made.json()


async def pair(client, code: str) -> tuple[int, str | None]:
    """Use a code; return the status and the refusal's code."""
    answer = await client.post("/device/pair", json={"pairing_code": code})
    return answer.status_code, answer.json().get("code")


def test_typed_codes_forgive_what_eyes_and_fingers_do():
    """Lower case, spaces and the letters that look like digits are read as meant; anything else is no code."""
    assert read_typed_code("k7qm-3xrd") == read_typed_code(" K7QM 3XRD ") == "K7QM3XRD"
    assert read_typed_code("OIL0-1234") == "01101234"
    assert [read_typed_code(typed) for typed in ("K7QM-3XR", "K7QM-3XRDD", "K7QM-3XU!", "", "K" * 200)] == [
        None
    ] * 5


async def test_short_code_pairs_once_and_ends_the_link_with_it(client, database):
    """The code shown is eight symbols in two groups; typed in any dress it pairs, then it and the link are used up."""
    store, _merchant, made = await add_device(client, database)
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", made["pairing_code"])
    token = made["pairing_url"].partition("/staff/pair?code=")[2]
    assert len(unb64(token[22:])) == 16

    paired = await client.post("/device/pair", json={"pairing_code": made["pairing_code"].lower()})

    assert paired.status_code == 201
    assert "HttpOnly" in paired.headers["set-cookie"]
    assert (await client.get("/device")).json()["store_id"] == str(store.id)
    assert await pair(client, made["pairing_code"]) == (422, "link_unusable")
    assert await pair(client, token) == (422, "link_unusable")


async def test_link_pairs_once_and_ends_the_short_code_with_it(client, database):
    """The QR code's way uses up the typed one."""
    _store, _merchant, made = await add_device(client, database)
    assert await pair(client, made["pairing_url"].partition("code=")[2]) == (201, None)
    assert await pair(client, made["pairing_code"]) == (422, "link_unusable")


async def test_codes_end_after_ten_minutes_and_with_a_new_one(client, database, clock):
    """A second before the end a code works; at the end, after a new one, and after a revocation it does not."""
    _store, merchant, made = await add_device(client, database)
    again = await client.post(f"/devices/{made['id']}/pairing", headers=merchant.headers)
    assert await pair(client, made["pairing_code"]) == (422, "link_unusable")
    clock.advance(minutes=9, seconds=59)
    assert await pair(client, again.json()["pairing_code"]) == (201, None)
    late = (await client.post(f"/devices/{made['id']}/pairing", headers=merchant.headers)).json()
    clock.advance(minutes=10)
    assert await pair(client, late["pairing_code"]) == (422, "link_unusable")
    gone = (await client.post(f"/devices/{made['id']}/pairing", headers=merchant.headers)).json()
    await client.delete(f"/devices/{made['id']}", headers=merchant.headers)
    assert await pair(client, gone["pairing_code"]) == (422, "link_unusable")


async def test_dump_holds_no_usable_code(client, database):
    """Neither code stands anywhere in the database; what leads to the device is an HMAC, gone once it was used."""
    _store, merchant, made = await add_device(client, database)
    typed = made["pairing_code"].replace("-", "")
    async with tenant_scope(database, merchant.id) as session:
        device = await session.scalar(select(StaffDevice))
        keys = (await session.scalars(select(Lookup.key).where(Lookup.target_id == device.id))).all()
        whole = str((await session.execute(text("SELECT d::text FROM staff_device d"))).scalars().all())
    assert len(keys) == 1
    assert typed not in keys[0].upper()
    assert typed not in whole.upper()
    assert made["pairing_url"].partition("code=")[2] not in whole
    await pair(client, typed)
    async with database.sessions() as session:
        left = await session.scalars(
            select(Lookup.key).where(Lookup.kind == PAIRING_LOOKUP, Lookup.key == keys[0])
        )
        assert left.all() == []


async def test_guesses_of_typed_codes_are_counted_over_all_addresses(client, app, database, monkeypatch):
    """From the limit on even the right typed code must wait, wherever it is typed; the link still pairs."""
    monkeypatch.setitem(LIMITS, "pair_code", Limit(5, LIMITS["pair_code"].per))
    _store, _merchant, made = await add_device(client, database)
    assert [await pair(client, f"0000-000{n}") for n in range(3)] == [(422, "link_unusable")] * 3
    for typed in ("0000-0004", "0000-0005"):
        looked = await client.get("/staff/pair", params={"code": typed})
        assert "has expired or was used already" in looked.text
    assert await pair(client, made["pairing_code"]) == (429, "rate_limited")
    assert (await client.get("/staff/pair", params={"code": made["pairing_code"]})).status_code == 429
    form = await client.post("/staff/pair", data={"code": made["pairing_code"]})
    assert form.status_code in {403, 429}
    assert await pair(client, made["pairing_url"].partition("code=")[2]) == (201, None)


async def test_control_below_the_limit_the_same_code_pairs(client, database, monkeypatch):
    """The control: with room left, the code that waited above pairs after the same guesses."""
    monkeypatch.setitem(LIMITS, "pair_code", Limit(6, LIMITS["pair_code"].per))
    _store, _merchant, made = await add_device(client, database)
    for n in range(5):
        await pair(client, f"0000-000{n}")
    assert await pair(client, made["pairing_code"]) == (201, None)


async def test_tries_are_counted_per_address(client, database, monkeypatch):
    """One address has its own, smaller share."""
    monkeypatch.setitem(LIMITS, "pair_device", Limit(3, LIMITS["pair_device"].per))
    _store, _merchant, made = await add_device(client, database)
    for n in range(3):
        await pair(client, f"0000-000{n}")
    assert await pair(client, made["pairing_code"]) == (429, "rate_limited")


async def test_member_of_another_store_neither_pairs_nor_revokes(client, database):
    """A manager limited to another store gets no code of this device and cannot shut it out."""
    _store, merchant, made = await add_device(client, database)
    elsewhere = await make_store(database, merchant)
    far = await make_member(database, merchant.id, "manager", store_ids=(elsewhere.id,))
    renewed = await client.post(f"/devices/{made['id']}/pairing", headers=far.headers)
    revoked = await client.delete(f"/devices/{made['id']}", headers=far.headers)
    assert (renewed.status_code, revoked.status_code) == (404, 404)
    assert await pair(client, made["pairing_code"]) == (201, None)
