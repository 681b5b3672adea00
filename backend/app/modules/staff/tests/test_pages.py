"""The dashboard's pages of the team and the devices, without JavaScript."""

from __future__ import annotations

import re

from sqlalchemy import select

from app.db.session import tenant_scope
from app.kernel.audit import AuditEntry
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_device, make_staff
from app.modules.staff.models import PinAttempt
from app.modules.stores.factories import make_store
from app.modules.stores.public import get_store


def fields(html: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form with this action."""
    form = re.search(rf'<form[^>]*action="{action}".*?</form>', html, re.S)
    assert form is not None, f"no form to {action}"
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.group(0)))


async def test_team_page_adds_and_shows_the_pin_once(client, database, counter):
    """The form adds a person and shows the PIN; sent again it adds nobody and shows nothing."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    client.cookies.update(merchant.cookies)
    url = f"/dashboard/staff/{store.id}"
    assert (await client.get("/dashboard/staff")).headers["location"] == url
    form = fields((await client.get(url)).text, url) | {"name": "Léa", "role": "cashier"}
    shown = await client.post(url, data=form)
    assert shown.status_code == 200
    assert re.search(r"<code>[0-9]{6}</code>", shown.text)
    again = await client.post(url, data=form)
    assert not re.search(r"<code>[0-9]{6}</code>", again.text)
    page = await client.get(url)
    assert page.text.count('class="team-row"') == 1
    empty = await client.post(url, data=form | {"name": " "})
    assert empty.status_code == 422


async def test_member_is_changed_rotated_and_let_go(client, database, counter):
    """Every change is one form and leaves an audit line without the name."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    staff_id, pin = await make_staff(database, store, name="Marie")
    client.cookies.update(merchant.cookies)
    url = f"/dashboard/staff/{store.id}"
    member = f"{url}/members/{staff_id}"
    page = (await client.get(url)).text
    changed = await client.post(member, data=fields(page, member) | {"name": "Maria", "role": "manager"})
    assert changed.headers["location"] == url
    rotated = await client.post(f"{member}/pin", data=fields(page, f"{member}/pin"))
    fresh = re.search(r"<code>([0-9]{6})</code>", rotated.text)
    assert fresh is not None
    assert fresh.group(1) != pin
    await client.post(f"{member}/leave", data=fields(page, f"{member}/leave"))
    assert "Maria" not in (await client.get(url)).text
    async with tenant_scope(database, merchant.id) as session:
        entries = (
            (await session.execute(select(AuditEntry).where(AuditEntry.target_id == staff_id)))
            .scalars()
            .all()
        )
    assert {entry.action for entry in entries} == {
        "staff.added", "staff.changed", "staff.pin_rotated", "staff.left"
    }  # fmt: skip
    assert "Mari" not in str([entry.facts for entry in entries])


async def test_guessing_is_shown_with_two_ways_to_end_it(client, database, clock, counter):
    """At fifteen wrong PINs an hour the home and the team page say so; the team page has both buttons."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    await make_staff(database, store)
    client.cookies.update(merchant.cookies)
    url = f"/dashboard/staff/{store.id}"
    for made, shown in ((14, False), (1, True)):
        async with tenant_scope(database, merchant.id) as session:
            for _attempt in range(made):
                attempt = PinAttempt(
                    merchant_id=merchant.id, store_id=store.id, new_card=True, at=clock.now()
                )
                session.add(attempt)
        assert ("Wrong PINs this hour" in (await client.get("/dashboard")).text) is shown
        page = await client.get(url)
        assert ("Somebody is guessing PINs" in page.text) is shown
    off = f"/dashboard/stores/{store.id}/phone-pins/off"
    await client.post(off, data=fields(page.text, off))
    async with tenant_scope(database, merchant.id) as session:
        assert (await get_store(session, merchant.id, store.id)).phone_pins is False
    renewed = await client.post(f"{url}/pins", data=fields(page.text, f"{url}/pins"))
    assert len(re.findall(r"<code>[0-9]{6}</code>", renewed.text)) == 1


async def test_devices_page_pairs_and_revokes(client, database, counter):
    """A device is added with a code and its QR, gets a new code, and is revoked."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    device = await make_device(database, store, name="Old phone")
    client.cookies.update(merchant.cookies)
    url = f"/dashboard/devices/{store.id}"
    page = (await client.get(url)).text
    added = await client.post(url, data=fields(page, url) | {"name": "Tablet"})
    assert 'class="qr"' in added.text
    assert "/staff/pair?code=" in added.text
    renew, revoke = f"/dashboard/devices/{device.id}/pairing", f"/dashboard/devices/{device.id}/revoke"
    assert 'class="qr"' in (await client.post(renew, data=fields(page, renew))).text
    assert (await client.post(revoke, data=fields(page, revoke))).headers["location"] == url
    assert "Old phone" not in (await client.get(url)).text
    assert (await client.get("/device", headers=device.headers)).status_code == 403
