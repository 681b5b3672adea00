"""What is said about the processing: every column in words, and a notice with all that Art. 13 GDPR asks for."""

from __future__ import annotations

import pytest

from app.db.base import Base
from app.kernel.points import PERSONAL_DATA
from app.modules.merchants.factories import make_merchant
from app.modules.privacy.processing.record import PURPOSES, make_record, purpose_of
from app.modules.privacy.processing.words import find_words
from app.modules.stores.factories import make_store


def test_every_module_says_what_for(process):
    """Whoever keeps something of a customer has a purpose, a ground and a time of its own in the record."""
    assert [name for name, handler in PERSONAL_DATA.items() if purpose_of(name, handler) is None] == []
    # A purpose of its own, not one that the record keeps for another.
    assert [name for name, handler in PERSONAL_DATA.items() if handler.purpose and name in PURPOSES] == []


def test_every_marked_column_has_words(process):
    """No column that holds something of a person, or points at one, stands in the record as a bare name."""
    marked = [
        (table, column.name)
        for _name, handler in PERSONAL_DATA.items()
        for table in handler.tables
        for column in Base.metadata.tables[table].columns
        if column.info.get("privacy") in {"personal", "sealed", "pseudonym", "secret"}
    ]
    assert len(marked) > 60
    assert [column for column in marked if find_words(*column) is None] == []


def test_the_record_is_read_without_a_dictionary(process):
    """The customers' part says what it holds in words, each once, and names the columns beside them."""
    customers = next(item for item in make_record() if item.module == "customers")

    assert customers.holds[:2] == ("Name", "Email address")
    assert len(set(customers.holds)) == len(customers.holds)
    assert "customer.email" in customers.personal
    assert not [words for item in make_record() for words in (*item.holds, *item.points) if "_" in words]


NOTICE = {
    "en": ("Art. 6(1)(a) GDPR", "Apple Wallet", "restriction", "within a month", "Art. 28 GDPR"),
    "fr": ("art. 6.1.a du RGPD", "Apple", "limitation", "d’un mois", "art. 28 du RGPD"),
    "de": ("Art. 6 Abs. 1 lit. a DSGVO", "Apple Wallet", "Einschränkung", "eines Monats", "Art. 28 DSGVO"),
    "lb": ("Art. 6(1)(a) RGPD", "Apple Wallet", "Aschränkung", "engem Mount", "Art. 28 RGPD"),
}


@pytest.mark.parametrize("language", sorted(NOTICE))
async def test_the_notice_says_what_the_law_asks_for(client, database, language):
    """Controller, grounds, recipients, rights and time to answer stand there in each language."""
    store = await make_store(database, await make_merchant(database, name="Café Louvigny"))

    page = await client.get(
        f"/privacy/{store.id}", headers={"Accept-Language": language, "Accept": "text/html"}
    )

    assert page.status_code == 200
    assert [words for words in ("Café Louvigny", *NOTICE[language]) if words not in page.text] == []


@pytest.mark.parametrize(
    ("zone", "authority"),
    [
        ("Europe/Luxembourg", "cnpd.public.lu"),
        ("Europe/Paris", "www.cnil.fr"),
        ("Europe/Berlin", "www.bfdi.bund.de"),
        ("Europe/Lisbon", "edpb.europa.eu"),
    ],
)
async def test_complaints_go_to_the_authority_of_the_country(client, database, zone, authority):
    """The one of the merchant's country, or the list of all of them."""
    store = await make_store(database, await make_merchant(database, time_zone=zone))

    page = await client.get(f"/privacy/{store.id}", headers={"Accept": "text/html"})

    assert authority in page.text
