"""Spans and differences of the home page, and the API's description."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from app.modules.dashboard.api_docs import build_docs, error_table, example_of, kind_of
from app.modules.dashboard.rules import day_part, day_span, today_span

LUXEMBOURG = "Europe/Luxembourg"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_today_began_at_the_local_midnight() -> None:
    """A Friday at ten in Luxembourg began at eleven in the evening of Thursday, in UTC."""
    span = today_span(utc(2026, 11, 20, 9, 0), LUXEMBOURG)

    assert (span.start, span.end) == (utc(2026, 11, 19, 23), utc(2026, 11, 20, 9))


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 20), 24)],
)
def test_a_local_day_has_its_own_length(day: date, hours: int) -> None:
    """23, 25 or 24 hours."""
    span = day_span(day, ZoneInfo(LUXEMBOURG))

    assert (span.end - span.start).total_seconds() == hours * 3600


@pytest.mark.parametrize(
    ("hour", "part"), [(4, "morning"), (11, "afternoon"), (17, "evening"), (23, "evening")]
)
def test_the_greeting_follows_the_shops_clock(hour: int, part: str) -> None:
    """Four in UTC is five in Luxembourg's winter: the morning has begun."""
    assert day_part(utc(2026, 11, 20, hour), LUXEMBOURG) == part


SPEC = {
    "paths": {
        "/stamp/{store_id}": {
            "post": {
                "tags": ["Stamps"],
                "summary": "Give a stamp",
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Stamp"}}}
                },
                "responses": {
                    "409": {
                        "description": "x",
                        "content": {
                            "application/problem+json": {"examples": {"too_soon": {}, "card_full": {}}}
                        },
                    },
                    "201": {"description": "Given"},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Stamp": {
                "type": "object",
                "required": ["pass_id"],
                "properties": {
                    "pass_id": {"type": "string", "examples": ["7K3QF0M2XW9P"]},
                    "quantity": {"type": "integer", "default": 1},
                    "kind": {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]},
                    "self": {"$ref": "#/components/schemas/Stamp"},
                },
            }
        }
    },
}


def test_a_call_is_described_with_fields_example_and_codes() -> None:
    """References are followed, also one that leads back to itself; problems show their codes."""
    (group,) = build_docs(SPEC, {("POST", "/stamp/{store_id}"): "A staff PIN."})
    (call,) = group.operations

    assert (group.name, call.method, call.path, call.title) == (
        "Stamps",
        "POST",
        "/stamp/{store_id}",
        "Give a stamp",
    )
    assert call.access == "A staff PIN."
    fields = {field.name: (field.kind, field.required) for field in call.body}
    assert fields["pass_id"] == ("string", True)
    assert fields["kind"] == ("a | b or null", False)
    assert '"pass_id": "7K3QF0M2XW9P"' in call.example
    assert [(answer.status, answer.codes) for answer in call.answers] == [
        ("201", ()),
        ("409", ("too_soon", "card_full")),
    ]


def test_examples_come_from_the_schema() -> None:
    """An example beats a default, a default beats a guess."""
    assert example_of(SPEC, {"type": "string", "examples": ["x"], "default": "y"}) == "x"
    assert example_of(SPEC, {"type": "integer", "default": 7}) == 7
    assert example_of(SPEC, {"type": "array", "items": {"type": "boolean"}}) == [True]
    assert (
        kind_of(SPEC, {"type": "array", "items": {"type": "string", "format": "uuid"}})
        == "list of string (uuid)"
    )


def test_every_code_is_listed() -> None:
    """The table of codes is sorted by status."""
    table = error_table()

    assert (403, "pin_wrong") in {(status, code) for status, code, _words in table}
    assert [row[0] for row in table] == sorted(row[0] for row in table)
