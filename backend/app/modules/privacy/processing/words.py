"""What the columns hold about people, in words that a shop and an authority understand."""

from __future__ import annotations

from collections.abc import Mapping

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.points import PERSONAL_DATA

NAME = msg("Name")
EMAIL = msg("Email address")
PHONE = msg("Phone number")
BIRTHDAY = msg("Birthday")
LANGUAGE = msg("Language")
SEARCH = msg("Search words made from name, email and phone")
CONSENT = msg("What was agreed to or refused, when and where")
HASHED_EMAIL = msg("Email address as a code that cannot be read back")
TEXTS = msg("Texts of messages and notes")
IMPORTED = msg("Rows of an imported file")
EXPORTED = msg("Files that the shop made to download")
CARD = msg("Numbers of the card and of its copies in wallets")
NUMBERS = msg("Internal numbers that link a card, a visit and a person")
TEAM = msg("Which member of the team did it")
CODES = msg("Codes of links, and codes that keep a thing from happening twice")
SUMS = msg("Days and sums of visits, purchases, stamps, points and rewards")
DEVICE = msg("Network address, browser and device as codes that cannot be read back")
UNUSUAL = msg("Visits that looked unusual")
ANSWERS = msg("How other programs' answers about them began")


def _all(words: str, columns: str) -> dict[str, str]:
    return dict.fromkeys(columns.split(), words)


# By column, or by table.column where a name means several things. A marked column without words fails the build.
WORDS: Mapping[str, str] = {
    **_all(NAME, "name sort_name"),
    **_all(EMAIL, "email recipient new_email"),
    "phone": PHONE,
    **_all(BIRTHDAY, "birthday_day birthday_month birthday_year"),
    "locale": LANGUAGE,
    "term": SEARCH,
    **_all(CONSENT, "email_consent email_consent_at email_consent_source consent_confirmed_at"),
    **_all(CONSENT, "email_verified_at unsubscribed_at purpose channel"),
    **_all(HASHED_EMAIL, "address_mac email_key"),
    **_all(TEXTS, "content header body text"),
    "cells": IMPORTED,
    "export_chunk.content": EXPORTED,
    **_all(CARD, "card_number google_pass_id apple_serial apple_auth_token"),
    **_all(
        NUMBERS, "id customer_id pass_id visit_id merge_from merged_into after seen_visit seen_redemption"
    ),
    **_all(TEAM, "author_id member_id created_by staff_id decided_by"),
    **_all(CODES, "token_hash digest once_key key"),
    **_all(SUMS, "first_at last_at first_day last_day visits visit_days purchases amount_minor"),
    **_all(SUMS, "later_paid_days later_amount_minor stamps points redemptions"),
    **_all(SUMS, "voided_visits voided_redemptions"),
    **_all(DEVICE, "address_hash agent_hash device_hash"),
    "events": UNUSUAL,
    **_all(NUMBERS, "voids"),
    "traits": SUMS,
}
# What a feature's handler may name for its own columns (PersonalData.holds).
KINDS: Mapping[str, str] = {
    "birthday": BIRTHDAY,
    "numbers": NUMBERS,
    "unusual": UNUSUAL,
    "answers": ANSWERS,
    "codes": CODES,
    "sums": SUMS,
    "team": TEAM,
}


def find_words(table: str, column: str) -> str | None:
    """Return what a column holds, in English; None where nobody has said it."""
    for _name, handler in PERSONAL_DATA.items():
        if kind := handler.holds.get(f"{table}.{column}"):
            return KINDS[kind]
    return WORDS.get(f"{table}.{column}") or WORDS.get(column)


def describe(columns: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return what columns hold in the reader's language, each once, in the order of the columns."""
    return tuple(dict.fromkeys(_(words) for one in columns if (words := find_words(*one))))
