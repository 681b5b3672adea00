"""What is written down about a request or an error, and what never is."""

from __future__ import annotations

import json
import logging

import pytest

from app.kernel.observability import (
    configure_logging,
    describe_exception,
    get_logger,
    scrub_text,
    scrub_value,
)

CARD_ID = "0192f0c1-1111-7222-8333-444455556666"


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("mail to Anna.B+x@mail.example.lu failed", "mail to [address] failed"),
        ("anna%40example.com", "[address]"),
        ("staff_pin=123456&x=1", "staff_pin=[removed]&x=1"),
        ('{"pin": "1234", "ok": 1}', '{"pin": [removed], "ok": 1}'),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [removed]"),
        ("call +352 621 123 456 now", "call [number] now"),
        ("postgresql://app:hunter2@db/x", "postgresql://app:[removed]@db/x"),
        ("Key (email)=(anna smith) already exists.", "Key (email)=([removed]) already exists."),
        ("[SQL: SELECT 1]\n[parameters: ('Anna', 1)]\nnext", "[SQL: SELECT 1]\n[parameters removed]\nnext"),
        ("token dGhpc2lzYXRva2VuMTIzNDU2Nzg5MA here", "token [token] here"),
        (f"card {CARD_ID} is full", f"card {CARD_ID} is full"),
        ("test_wrong_pin_gives_no_stamp_but_counts", "test_wrong_pin_gives_no_stamp_but_counts"),
        ("at 2026-01-31T10:00:00+00:00", "at 2026-01-31T10:00:00+00:00"),
    ],
)
def test_texts_lose_people_and_secrets_and_keep_ids(text, scrubbed):
    """Addresses, numbers, PINs, tokens and quoted rows go; ids, moments and names of code stay."""
    assert scrub_text(text) == scrubbed


def test_fields_with_telling_names_are_removed_whole():
    """The name decides, at any depth; a flag about a secret may stay."""
    value = {
        "staff_pin": "1",
        "nested": [{"email": "x", "card_id": CARD_ID}],
        "has_password": True,
        "count": 3,
    }

    assert scrub_value(value) == {
        "staff_pin": "[removed]",
        "nested": [{"email": "[removed]", "card_id": CARD_ID}],
        "has_password": True,
        "count": 3,
    }


def test_an_exception_is_described_without_its_values():
    """Type and scrubbed message."""
    assert describe_exception(ValueError("bad pin=1234")) == "ValueError: bad pin=[removed]"
    assert describe_exception(KeyError()) == "KeyError"


def test_lines_of_libraries_are_scrubbed_too(capsys):
    """Whatever reaches the handler is scrubbed, tracebacks included, and is one JSON object a line."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure_logging("json", "INFO")
        logging.getLogger("somebody.else").warning("sent to %s", "anna@example.com")
        try:
            raise ValueError("anna@example.com")
        except ValueError:
            get_logger("ours").exception("failed", card_id=CARD_ID, email="x")
    finally:
        logging.getLogger().handlers[:], logging.getLogger().level = before
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert lines[0]["event"] == "sent to [address]"
    assert (lines[1]["card_id"], lines[1]["email"]) == (CARD_ID, "[removed]")
    assert "ValueError: [address]" in lines[1]["exception"]
    assert "anna" not in json.dumps(lines)
