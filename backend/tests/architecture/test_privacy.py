"""Every column says what it holds about people, and what is personal can be shown and erased."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, MetaData, Table, Text

from app.db.base import NONE, PERSONAL, Base
from app.kernel.points import PERSONAL_DATA
from app.process import Process

MARKS = {"none", "personal", "pseudonym", "secret", "sealed"}

# Tables about people who work for the shop, or about no person at all: a customer's export does not read them.
NOT_ABOUT_CUSTOMERS = {
    "merchant": "the business and its owner's sign-in",
    "sign_up": "the owner before the mail link was followed; swept away",
    "api_key": "no person: the id of a key",
    "audit_entry": "who changed what in the dashboard; names of fields, never a customer's values",
    "merchant_session": "a member's dashboard session",
    "half_sign_in": "a member who still owes the second factor; swept within the hour",
    "member": "people who sign in to the dashboard",
    "member_invitation": "people asked to join the team; swept a month after it ran out",
    "member_link": "links to a member's mailbox",
    "sign_in_limit": "HMACs of the e-mails and addresses that tried to sign in; swept after a day",
    "staff_member": "people at the till",
    "staff_device": "devices at the till",
    "staff_pin": "verifiers of PINs",
    "member_totp": "a member's authenticator app, its secret sealed",
    "recovery_code": "HMACs of a member's recovery codes",
    "passkey": "a member's passkeys, under the member's own names for them",
    "program": "no person: the id of a programme",
    "reward": "no person: the id of a reward",
    "store": "no person: the id of a store",
    "design_picture": "no person: the id of a logo or a stamp picture",
    "tag": "no person: the id of a word the shop sorts by; who carries it is customer_tag, which has a handler",
    "tier_level": "no person: the id of a level",
    "webhook_endpoint": "no person: the id of an address of another program",
    "sign_up_invitation": "an operator's note for whom an invitation is; swept a month after it ran out",
    "operator": "people who run the installation, under the names they sign in with",
    "operator_session": "an operator's session",
    "operator_entry": "which operator did what to the installation; kinds, numbers and ids",
    "lookup": "leads to stores and members by id",
    "rollup_day": "sums by store and by who gave at the till",
}
# Tables that point at a customer's card by id and hold nothing that says who it is.
IDS_ONLY = {
    "rollup_state": "how far a counting has come: the id of the last customer",
    "pass_object": "the card: counters and random numbers; the customer's row is blanked in place and keeps its id",
    "visit": "ids, an amount and a time; the ledger keeps its sums after an erasure",
    "stamp_event": "ledger entries by card id",
    "points_event": "ledger entries by card id",
    "points_lot": "what is left of a points entry",
    "redemption": "which reward, by card id",
    "gift": "what a card got without a visit: the card's id, and a key made of ids and a year",
    "card_refresh": "a mark that lives for seconds",
    "card_link": "hashes of links, by card id",
    "pin_attempt": "attempts by card id and HMAC of the address; swept",
    "google_object": "hashes of what Google was sent, by card id",
    "apple_device_registration": "device ids of wallets, by card",
}


def own_tables() -> list[Table]:
    """Return the tables of the product; tests may have added others."""
    mappers = Base.registry.mappers
    names = {mapper.local_table.name for mapper in mappers if mapper.class_.__module__.startswith("app.")}
    return [table for table in Base.metadata.sorted_tables if table.name in names]


def unmarked_columns(tables: list[Table]) -> list[str]:
    """Return every column without one of the marks."""
    return [f"{t.name}.{c.name}" for t in tables for c in t.columns if c.info.get("privacy") not in MARKS]


def uncovered_tables(tables: list[Table], handlers: dict[str, Any]) -> list[str]:
    """Return every table about people that no handler covers and no list explains."""
    covered = {name for handler in handlers.values() for name in handler.tables}
    known = covered | set(NOT_ABOUT_CUSTOMERS) | set(IDS_ONLY)
    about_people = [
        t for t in tables if any(c.info.get("privacy") in {"personal", "pseudonym"} for c in t.columns)
    ]
    return [table.name for table in about_people if table.name not in known]


def test_every_column_says_what_it_holds(process: Process) -> None:
    """An unmarked column fails the build; the control is one."""
    planted = Table("planted", MetaData(), Column("note", Text))

    assert len(own_tables()) >= 28
    assert unmarked_columns(own_tables()) == []
    assert unmarked_columns([planted]) == ["planted.note"]


def test_every_table_about_people_is_covered(process: Process) -> None:
    """Exported and erased by a handler, or listed above with its reason."""
    planted = Table(
        "planted", MetaData(), Column("note", Text, info=PERSONAL), Column("size", Text, info=NONE)
    )

    assert uncovered_tables(own_tables(), dict(PERSONAL_DATA.items())) == []
    assert uncovered_tables([planted], dict(PERSONAL_DATA.items())) == ["planted"]


def test_tables_of_ids_hold_no_personal_column(process: Process) -> None:
    """What is explained as ids only has no column marked personal."""
    tables = {table.name: table for table in own_tables()}
    for name in IDS_ONLY:
        assert [c.name for c in tables[name].columns if c.info.get("privacy") == "personal"] == [], name


def test_handlers_and_lists_name_real_tables(process: Process) -> None:
    """Nothing is covered twice, and nothing that is gone is still listed."""
    names = {table.name for table in own_tables()}
    handled = [name for _, handler in PERSONAL_DATA.items() for name in handler.tables]

    assert len(handled) == len(set(handled))
    assert set(handled) <= names
    assert set(NOT_ABOUT_CUSTOMERS) | set(IDS_ONLY) <= names
    assert not set(NOT_ABOUT_CUSTOMERS) & set(handled)
