"""A merchant's own certificate in use: renewal, another pass type, the test, mails that come once, the home tile."""

from __future__ import annotations

import html
import secrets
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from app.db.session import tenant_scope
from app.kernel.adapters import resources_of
from app.kernel.jobs import JobContext, TryAgain
from app.kernel.settings import get_settings
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.service import unseal_mail
from app.modules.stores.factories import make_store
from app.modules.wallets.apple_wallet.setup.checking import AppleCheck, check_apple
from app.modules.wallets.apple_wallet.telling import threshold_of, warn_expiry
from app.utils.security import Keyring

from .apple import START, TYPE, YEAR, Desk, authority, key_pem
from .test_device import Phone, change, refresh

NEXT_YEAR = (START - timedelta(hours=1), START + timedelta(days=700))


@pytest.fixture
async def desk(client, database) -> Desk:
    """Return a merchant with a certificate of its own."""
    desk = Desk(client, await make_merchant(database, locale="en"))
    desk.leaf = authority().leaf(pass_type=TYPE)
    assert (await desk.upload(desk.leaf, key=key_pem(), wwdr=authority().cer)).status_code == 303
    return desk


@pytest.fixture
async def card(database, desk):
    """Return a card of this merchant."""
    return await make_card(database, await make_store(database, desk.merchant))


@pytest.fixture
def phone(client) -> Phone:
    """Return a phone."""
    return Phone(client, f"device-{secrets.token_hex(8)}", secrets.token_hex(32))


async def mails(database, desk) -> list[tuple[str, str]]:
    """Return subject and text of the merchant's mails about Apple."""
    async with tenant_scope(database, desk.merchant.id) as session:
        keyring = resources_of(session).get(Keyring)
        rows = await session.scalars(
            select(OutboxMessage)
            .where(OutboxMessage.kind == "apple_alert")
            .order_by(OutboxMessage.created_at)
        )
        found = [unseal_mail(keyring, row.id, row.content) for row in rows]
    return [(mail.subject, mail.text) for mail in found]


async def warn(process, at, clock) -> None:
    """Run the daily work at a moment."""
    clock.at = at
    parts = (process.database, process.settings, process.clock, process.registry, process.resources)
    await warn_expiry.run(JobContext(*parts))


async def test_a_renewal_changes_signing_and_pushing_together(database, desk, card, phone, worker, apns):
    """The same pass type, a new leaf: what is on the phone stays valid, signatures and pushes are the new one's."""
    apns.ask_who(authority().certificate)
    first = await phone.add(card)
    assert await phone.register(str(card.id)) == 201
    await change(database, card, stamp_count=1)
    await refresh(worker, card)
    renewed = authority().leaf(1, valid=NEXT_YEAR)

    assert (await desk.upload(renewed, key=key_pem(1), wwdr=authority().cer)).status_code == 303

    await change(database, card, stamp_count=2)
    await refresh(worker, card)
    assert (await phone.latest(str(card.id))).status_code == 200
    latest = phone.passes[str(card.id)]
    for name in ("passTypeIdentifier", "serialNumber", "authenticationToken", "webServiceURL"):
        assert latest[name] == first[name]
    assert [topic for _token, topic, _body in apns.pushes] == [TYPE, TYPE]
    assert apns.clients == [desk.leaf, renewed]
    assert phone.signers == [desk.leaf, renewed]


async def test_another_pass_type_is_asked_back(database, desk, card, phone):
    """Cards on phones would stop changing: refused, with the way to say that it is meant."""
    await phone.add(card)
    await phone.register(str(card.id))
    other = authority().leaf(pass_type="pass.com.example.other")

    answer = await desk.upload(other, key=key_pem(), wwdr=authority().cer)
    assert answer.status_code == 422
    assert "Cards on phones belong to pass.com.example.loyalty" in html.unescape(answer.text)
    assert (await phone.latest(str(card.id))).status_code == 200

    again = await desk.upload(other, key=key_pem(), wwdr=authority().cer, may_replace="true")
    assert again.status_code == 303
    assert (await phone.latest(str(card.id))).status_code == 404


async def test_cards_of_the_operators_certificate_live_on(database, client, phone, worker, apns):
    """A merchant goes from the installation's certificate to its own: old cards are signed and pushed as before."""
    desk = Desk(client, await make_merchant(database))
    card = await make_card(database, await make_store(database, desk.merchant))
    old = (await phone.add(card))["passTypeIdentifier"]
    await phone.register(str(card.id))
    assert (await desk.upload(authority().leaf(), key=key_pem(), wwdr=authority().cer)).status_code == 303

    await change(database, card, stamp_count=1)
    await refresh(worker, card)

    assert [topic for _token, topic, _body in apns.pushes] == [old]
    assert (await phone.changed()).json()["serialNumbers"] == [str(card.id)]
    assert (await phone.latest(str(card.id))).status_code == 200
    assert phone.passes[str(card.id)]["passTypeIdentifier"] == old
    assert (await phone.add(card))["passTypeIdentifier"] == TYPE


async def test_a_refused_certificate_is_mailed_once(database, desk, card, phone, worker, apns, clock):
    """An hour of BadCertificate: one mail, a notice on the page and on the home; both go when it works again."""
    await phone.add(card)
    await phone.register(str(card.id))
    await change(database, card, stamp_count=1)
    apns.always = (403, {"reason": "BadCertificate"})
    for _minute in range(60):
        with pytest.raises(TryAgain):
            await refresh(worker, card)
        clock.advance(minutes=1)

    ((subject, body),) = await mails(database, desk)
    assert subject == "Apple Wallet: your certificate is refused"
    assert "BadCertificate" in body
    assert "/dashboard/wallets/apple" in body
    refused = "Apple's push service refuses the certificate: BadCertificate."
    assert refused in html.unescape(await desk.page())
    home = await desk.client.get("/dashboard", headers=desk.merchant.headers)
    assert refused in html.unescape(home.text)

    apns.always = None
    clock.advance(minutes=16)
    await refresh(worker, card)
    assert refused not in html.unescape(await desk.page())
    assert len(await mails(database, desk)) == 1


async def test_a_refused_certificate_of_the_operators_is_not_the_merchants_to_repair(
    database, client, phone, worker, apns
):
    """No mail; the page shows it all the same."""
    desk = Desk(client, await make_merchant(database))
    card = await make_card(database, await make_store(database, desk.merchant))
    await phone.add(card)
    await phone.register(str(card.id))
    await change(database, card, stamp_count=1)
    apns.always = (403, {"reason": "BadCertificate"})
    with pytest.raises(TryAgain):
        await refresh(worker, card)

    assert await mails(database, desk) == []
    assert "BadCertificate" in await desk.page()


@pytest.mark.parametrize(
    ("days", "limit"), [(91, None), (90, 90), (31, 90), (30, 30), (8, 30), (7, 7), (1, 1), (0, 0)]
)
def test_the_tightest_threshold_counts(days, limit):
    """A certificate that comes with twenty days left is warned about once, and not three times."""
    assert threshold_of(days) == limit


async def test_the_end_is_told_once_a_threshold(database, desk, process, clock):
    """90, 30, 7 and 1 days before, and at the end; twice a day and by two workers it stays one mail."""
    end = YEAR[1]
    assert await mails(database, desk) == []
    for days, count in ((91, 0), (89, 1), (60, 1), (29, 2), (29, 2), (6, 3), (0.5, 4), (-1, 5), (-30, 5)):
        await warn(process, end - timedelta(days=days), clock)
        await warn(process, end - timedelta(days=days), clock)
        assert len(await mails(database, desk)) == count, days
    subjects = [subject for subject, _body in await mails(database, desk)]
    assert subjects[0] == "Apple Wallet: your certificate expires in 89 days"
    assert subjects[-1] == "Apple Wallet: your certificate has expired"


async def test_the_page_and_the_home_warn_before_the_end(desk, card, clock):
    """Ninety days before it stands on the page and on the home; a day earlier it does not; then it has expired."""
    assert (await renew(desk, until=START + timedelta(days=91))).status_code == 303
    assert "The certificate expires in" not in await desk.page()
    clock.advance(hours=25)
    assert "The certificate expires in 90 days." in await desk.page()
    home = await desk.client.get("/dashboard", headers=desk.merchant.headers)
    assert "Until the certificate expires" in home.text

    assert (await renew(desk, until=START + timedelta(days=2))).status_code == 303
    clock.advance(hours=24)
    assert "The pass certificate expired on 2026-11-22." in await desk.page()
    home = await desk.client.get("/dashboard", headers=desk.merchant.headers)
    assert "The pass certificate expired on 2026-11-22." in home.text


async def renew(desk, *, until):
    """Upload a certificate that ends at a moment."""
    leaf = authority().leaf(1, valid=(YEAR[0], until))
    return await desk.upload(leaf, key=key_pem(1), wwdr=authority().cer)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ((400, {"reason": "BadDeviceToken"}), "ok"),
        ((403, {"reason": "BadCertificate"}), "push_refused"),
        ((400, {"reason": "TopicDisallowed"}), "push_refused"),
        ((503, {"reason": "ServiceUnavailable"}), "push_away"),
        ("hang", "push_away"),
    ],
)
async def test_the_test_asks_apple_once(database, desk, worker, apns, clock, reply, code):
    """Signs, pushes to a token that is nobody's, and says what came of it."""
    assert (await desk.post("/test")).status_code == 303
    assert "The test runs" in await desk.page()
    apns.always = reply

    await check_apple(worker.context(desk.merchant.id))

    assert [(token, topic) for token, topic, _body in apns.pushes] == [("0" * 64, TYPE)]
    async with tenant_scope(database, desk.merchant.id) as session:
        check = await get_settings(session, AppleCheck, merchant_id=desk.merchant.id)
        await session.execute(text("DELETE FROM apple_health"))
    assert check.code == code
    page = html.unescape(await desk.page())
    assert check.text() in page
    assert "The test runs" not in page
    part = await desk.client.get("/dashboard/wallets/apple/check", headers=desk.merchant.headers)
    assert check.text() in html.unescape(part.text)
