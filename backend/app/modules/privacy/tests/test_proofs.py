"""Consents stay provable after the wording changed, one by one, from what was recorded alone."""

import json

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.db.session import tenant_scope
from app.kernel.i18n import LANGUAGES
from app.modules.cards.factories import make_card
from app.modules.customers import service
from app.modules.customers.models import ConsentRecord
from app.modules.customers.public import CustomerDetails, create_customer
from app.modules.merchants.factories import make_merchant
from app.modules.portal.tests.helpers import send_form
from app.modules.privacy.rules import proof_hash
from app.modules.privacy.settings import PrivacySettings
from app.modules.stores.factories import make_store

CONSENTS = 1_000


@pytest.fixture
async def merchant(database):
    return await make_merchant(database)


async def agree_at_once(session, merchant_id, people, *, now):
    """Record consents as create_customer does, by the same steps, but write all of them in few statements.

    The first four people, one of each language, come in through create_customer itself.
    """
    for details in people[:4]:
        await service.create_customer(session, merchant_id, details, now=now, source="join_page")
    rows = [service.new_customer(merchant_id, details, now=now) for details in people[4:]]
    session.add_all(rows)
    await session.flush()  # the consents point at these rows
    for row in rows:
        await service._write_consent(session, row, given=True, locale=row.locale, source="join_page", now=now)
    await session.flush()


async def test_a_thousand_consents_are_provable_after_the_wording_changed(
    client, clock, database, merchant, monkeypatch
):
    """1,000 of 1,000 carry the words that were shown, in their language, with a checksum that holds."""
    languages = list(LANGUAGES)
    shown = {language: service.consent_text(language) for language in languages}
    assert len(set(shown.values())) == 4
    people = [
        CustomerDetails(email=f"p{number}@example.com", locale=languages[number % 4], email_consent=True)
        for number in range(CONSENTS)
    ]
    async with tenant_scope(database, merchant.id) as session:
        await agree_at_once(session, merchant.id, people, now=clock.now())
    monkeypatch.setattr(service, "CONSENT_TEXT_VERSION", "2027-01")
    monkeypatch.setattr(service, "consent_text", lambda _locale: "Other words.")
    async with tenant_scope(database, merchant.id) as session:
        details = CustomerDetails(email="new@example.com", email_consent=True)
        await create_customer(session, merchant.id, details, now=clock.now(), source="join_page")

    answer = await client.post("/dashboard/privacy/consents.json", headers=merchant.headers, json={})

    assert answer.status_code == 200, answer.text
    proofs = json.loads(answer.text)["consents"]
    old = [proof for proof in proofs if proof["text_version"] == "2026-11"]
    assert (len(old), len(proofs)) == (CONSENTS, CONSENTS + 1)
    assert all(proof["text"] == shown[proof["locale"]] for proof in old)
    assert all(proof["sha256"] == proof_hash(proof) for proof in proofs)
    assert {(proof["purpose"], proof["channel"], proof["given"]) for proof in old} == {
        ("marketing", "email", True)
    }
    assert old[0]["at"] == clock.now().isoformat()
    changed = {**old[0], "text": "Something else."}
    assert changed["sha256"] != proof_hash(changed)


async def test_a_consent_cannot_be_rewritten(database, merchant):
    """The running program has no right to change or remove a record."""
    store = await make_store(database, merchant)
    await make_card(database, store, email="ada@example.com", email_consent=True)

    for statement in ("UPDATE consent_record SET given = false", "DELETE FROM consent_record"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with tenant_scope(database, merchant.id) as session:
                await session.execute(text(statement))
    async with tenant_scope(database, merchant.id) as session:
        assert await session.scalar(select(func.count()).select_from(ConsentRecord)) == 1


async def test_one_customer_is_proved_alone_and_noted(client, database, merchant):
    """The file holds that customer's records only, and the trail says that it was made."""
    store = await make_store(database, merchant)
    card = await make_card(database, store, email="ada@example.com", email_consent=True)
    await make_card(database, store, email="bob@example.com", email_consent=True)

    client.cookies.update(merchant.cookies)
    answer = await send_form(
        client, "/dashboard/privacy", "/dashboard/privacy/consents.csv", customer_id=card.customer_id
    )

    assert answer.status_code == 200, answer.text
    lines = answer.text.strip().splitlines()
    assert len(lines) == 2
    assert str(card.customer_id) in lines[1]
    async with tenant_scope(database, merchant.id) as session:
        entries = await session.execute(
            text("SELECT count(*) FROM audit_entry WHERE action = 'privacy.proved'")
        )
        assert entries.scalar_one() == 1


def test_never_is_the_default():
    """Nobody is erased by time unless the merchant says so."""
    assert PrivacySettings().inactive_months == 0
