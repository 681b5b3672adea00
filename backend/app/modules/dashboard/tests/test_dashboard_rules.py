"""Spans and differences of the home page, and the API's description."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from app.modules.dashboard.api_docs import build_docs, error_table, example_of, kind_of
from app.modules.dashboard.rules import change_of, day_part, day_span, home_spans

LUXEMBOURG = "Europe/Luxembourg"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_spans_compare_like_with_like() -> None:
    """A Friday at ten: today since midnight, the week since Monday, and both a week earlier up to ten."""
    spans = home_spans(utc(2026, 11, 20, 9, 0), LUXEMBOURG)

    assert (spans.today.start, spans.today.end) == (utc(2026, 11, 19, 23), utc(2026, 11, 20, 9))
    assert (spans.today_before.start, spans.today_before.end) == (
        utc(2026, 11, 12, 23),
        utc(2026, 11, 13, 9),
    )
    assert spans.week.start == utc(2026, 11, 15, 23)
    assert (spans.week_before.start, spans.week_before.end) == (utc(2026, 11, 8, 23), utc(2026, 11, 13, 9))


def test_a_change_of_the_clocks_keeps_the_wall_clock() -> None:
    """The Monday after the clocks went back is compared with ten o'clock of summer time."""
    spans = home_spans(utc(2026, 10, 26, 9, 0), LUXEMBOURG)

    assert spans.today_before.end == utc(2026, 10, 19, 8, 0)
    assert spans.today_before.start == utc(2026, 10, 18, 22)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 20), 24)],
)
def test_a_local_day_has_its_own_length(day: date, hours: int) -> None:
    """23, 25 or 24 hours."""
    span = day_span(day, ZoneInfo(LUXEMBOURG))

    assert (span.end - span.start).total_seconds() == hours * 3600


@pytest.mark.parametrize(
    ("figure", "before", "ratio", "direction"),
    [(112, 100, 0.12, "up"), (88, 100, -0.12, "down"), (5, 5, 0.0, ""), (3, 0, None, "up"), (0, 0, None, "")],
)
def test_a_difference_is_a_share_of_before(
    figure: int, before: int, ratio: float | None, direction: str
) -> None:
    """Where there was nothing before there is no share."""
    change = change_of(figure, before)

    assert change.ratio == (pytest.approx(ratio) if ratio is not None else None)
    assert change.direction == direction


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
