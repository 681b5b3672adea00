"""The team and device endpoints."""

from __future__ import annotations

from datetime import timedelta

from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_device, make_staff
from app.modules.stores.factories import make_store

WRONG = "000000"


async def test_a_new_member_gets_a_pin_once(client, database, counter):
    """POST /stores/{id}/staff answers id and PIN; the list and a repeat never show the PIN again."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    headers = merchant.headers | {"Idempotency-Key": "one"}
    body = {"name": "Marie", "role": "cashier"}

    response = await client.post(f"/stores/{store.id}/staff", json=body, headers=headers)
    again = await client.post(f"/stores/{store.id}/staff", json=body, headers=headers)

    assert response.status_code == 201
    made = response.json()
    assert set(made) == {"id", "pin"}
    assert len(made["pin"]) == 6
    assert again.json() == {"id": made["id"], "pin": None}
    team = (await client.get(f"/stores/{store.id}/staff", headers=merchant.headers)).json()
    assert [(row["name"], row["role"], row["has_pin"]) for row in team["staff"]] == [
        ("Marie", "cashier", True)
    ]
    assert "pin" not in team["staff"][0]


async def test_foreign_store_is_unknown(client, database, counter):
    """Another merchant's store and an unknown one are the same to the caller, and nothing is added."""
    merchant, other = await make_merchant(database), await make_merchant(database)
    store = await make_store(database, other)
    url = f"/stores/{store.id}/staff"
    response = await client.post(url, json={"name": "X", "role": "cashier"}, headers=merchant.headers)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert (await client.get(url, headers=other.headers)).json()["staff"] == []


async def test_team_needs_a_sign_in(client, database):
    """Without a session the team is closed."""
    store = await make_store(database, await make_merchant(database))
    response = await client.post(f"/stores/{store.id}/staff", json={"name": "X", "role": "cashier"})
    assert response.status_code == 401


async def test_analysts_have_no_pin(client, database, counter):
    """An analyst gets no PIN, none can be drawn, and who becomes one loses it."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    staff_id, _pin = await make_staff(database, store)
    url = f"/stores/{store.id}/staff"
    made = await client.post(url, json={"name": "Ann", "role": "analyst"}, headers=merchant.headers)
    assert made.json()["pin"] is None
    refused = await client.post(f"{url}/{made.json()['id']}/pin", headers=merchant.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    await client.patch(f"{url}/{staff_id}", json={"role": "analyst"}, headers=merchant.headers)
    team = (await client.get(url, headers=merchant.headers)).json()["staff"]
    assert [row["has_pin"] for row in team] == [False, False]


async def test_revoked_device_is_shut_out_with_its_next_request(client, database, counter):
    """A lost tablet is revoked in the dashboard and can do nothing more."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    _staff_id, pin = await make_staff(database, store)
    device = await make_device(database, store, pin=pin)
    assert (await client.get("/device", headers=device.headers)).json()["staff_name"] == "Marie"
    assert (await client.delete(f"/devices/{device.id}", headers=merchant.headers)).status_code == 204
    response = await client.get("/device", headers=device.headers)
    assert (response.status_code, response.json()["code"]) == (403, "device_revoked")


async def test_shift_opens_by_pin_and_locks_when_idle(client, database, clock, counter):
    """A PIN opens the shift, half an hour without a tap closes it, ending it closes it at once."""
    store = await make_store(database, await make_merchant(database))
    staff_id, pin = await make_staff(database, store)
    device = await make_device(database, store)

    async def who() -> str | None:
        return (await client.get("/device", headers=device.headers)).json()["staff_name"]

    assert await who() is None
    opened = await client.post("/device/shift", json={"pin": pin}, headers=device.headers)
    assert (opened.status_code, opened.json()["staff_id"]) == (201, str(staff_id))
    clock.advance(minutes=29)
    assert await who() == "Marie"
    clock.advance(minutes=29)
    assert await who() == "Marie"
    clock.advance(minutes=30)
    assert await who() is None
    await client.post("/device/shift", json={"pin": pin}, headers=device.headers)
    assert (await client.delete("/device/shift", headers=device.headers)).status_code == 204
    assert await who() is None


async def test_device_counts_only_its_own_wrong_pins(client, database, clock, counter):
    """Five wrong PINs lock a device for 15 minutes, ten in a row unpair it; other devices go on."""
    store = await make_store(database, await make_merchant(database))
    _staff_id, pin = await make_staff(database, store)
    device, other = await make_device(database, store), await make_device(database, store)
    start = clock.now()

    async def try_pin(typed: str, on=device) -> tuple[int, str | None]:
        answer = await client.post("/device/shift", json={"pin": typed}, headers=on.headers)
        return answer.status_code, answer.json().get("code")

    assert [await try_pin(WRONG) for _try in range(5)] == [(403, "pin_wrong")] * 5
    blocked = await client.post("/device/shift", json={"pin": pin}, headers=device.headers)
    assert blocked.json()["code"] == "pin_blocked"
    until = (start + timedelta(minutes=15)).isoformat().replace("+00:00", "Z")
    assert blocked.json()["retry_at"] == until
    assert blocked.headers["retry-after"] == "900"
    assert await try_pin(pin, on=other) == (201, None)
    clock.advance(minutes=15)
    assert [await try_pin(WRONG) for _try in range(5)] == [(403, "pin_wrong")] * 4 + [(403, "device_revoked")]
    assert (await client.get("/device", headers=device.headers)).json()["code"] == "device_revoked"
    assert await try_pin(pin, on=other) == (201, None)


async def test_rotating_a_pin_ends_the_shift_opened_with_it(client, database, counter):
    """A PIN that was seen opens nothing any more, and the shift it had opened is closed."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    staff_id, pin = await make_staff(database, store)
    device = await make_device(database, store, pin=pin)
    fresh = await client.post(f"/stores/{store.id}/staff/{staff_id}/pin", headers=merchant.headers)
    assert (await client.get("/device", headers=device.headers)).json()["staff_name"] is None
    old = await client.post("/device/shift", json={"pin": pin}, headers=device.headers)
    assert old.json()["code"] == "pin_wrong"
    new = await client.post("/device/shift", json={"pin": fresh.json()["pin"]}, headers=device.headers)
    assert new.status_code == 201


async def test_all_pins_of_a_store_differ(client, database, counter):
    """Rotating all PINs draws new ones that differ, the shared one among them."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    old = [(await make_staff(database, store, name=f"Staff {n}"))[1] for n in range(5)]
    shared = await client.post(f"/stores/{store.id}/shared-pin", headers=merchant.headers)
    pins = [
        row["pin"]
        for row in (await client.post(f"/stores/{store.id}/pins", headers=merchant.headers)).json()["pins"]
    ]
    assert len(set(pins)) == 6
    assert set(pins) & {*old, shared.json()["pin"]} == set()
