"""Pure decisions about programmes and opening hours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPANS_PER_DAY_MAX = 3
LOYALTY_TYPES = ("stamps", "points", "hybrid")
DEFAULT_STAMPS_NEEDED = 10

# What a stamp may show; each is a symbol of the icon sprite.
CARD_ICONS = (
    *("coffee", "cup", "glass", "bottle", "beer", "bread", "cookie", "cake", "ice-cream", "pizza", "burger"),
    *(
        "salad",
        "meat",
        "fish",
        "tools-kitchen-2",
        "leaf",
        "flower",
        "paw",
        "scissors",
        "razor",
        "brush",
        "wash",
    ),
    *("shirt", "shopping-bag", "diamond", "book", "music", "camera", "bike", "car", "barbell", "dental"),
    *("heart", "star", "gift", "crown"),
)

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def may_become(old: str, new: str) -> bool:
    """Tell whether a programme may change its loyalty type: only to one that keeps what is on the cards."""
    return new in {old, "hybrid"}


def expiry_since(
    changes: Mapping[str, Any], current: Mapping[str, Any], now: datetime
) -> dict[str, datetime | None]:
    """Return the new *_expiry_since values: the moment an expiry is switched on or made shorter counts from.

    Expiry expires nothing sooner than one period after it was switched on, so a change of its kind or a
    shorter period starts anew; a longer period keeps the old beginning.
    """
    merged = {**current, **changes}
    moved: dict[str, datetime | None] = {}
    if merged["points_expiry"] == "never":
        if current["points_expiry_since"] is not None:
            moved["points_expiry_since"] = None
    elif (
        merged["points_expiry"] != current["points_expiry"]
        or merged["points_expiry_months"] < current["points_expiry_months"]
    ):
        moved["points_expiry_since"] = now
    old, new = current["stamps_expiry_months"], merged["stamps_expiry_months"]
    if new is None:
        if current["stamps_expiry_since"] is not None:
            moved["stamps_expiry_since"] = None
    elif old is None or new < old:
        moved["stamps_expiry_since"] = now
    return moved


def parse_opening_hours(value: object) -> dict[str, list[list[str]]]:
    """Return opening hours as weekday to spans of HH:MM, in order; a day without spans is left out.

    Raises ValueError for anything else, and for spans that end before they begin or overlap.
    """
    if not isinstance(value, Mapping):
        raise ValueError("opening hours are spans by weekday")
    unknown = set(value) - set(WEEKDAYS)
    if unknown:
        raise ValueError("unknown weekday")
    return {day: spans for day in WEEKDAYS if (spans := _parse_day(value.get(day) or ()))}


def _parse_day(spans: object) -> list[list[str]]:
    if not isinstance(spans, Sequence) or isinstance(spans, str) or len(spans) > SPANS_PER_DAY_MAX:
        raise ValueError("a day has at most three spans")
    parsed: list[list[str]] = []
    for span in spans:
        if not isinstance(span, Sequence) or isinstance(span, str) or len(span) != 2:
            raise ValueError("a span has a beginning and an end")
        begin, end = span
        if not (
            isinstance(begin, str)
            and isinstance(end, str)
            and _TIME.fullmatch(begin)
            and _TIME.fullmatch(end)
        ):
            raise ValueError("times look like 09:00")
        if begin >= end:
            raise ValueError("a span ends after it begins")
        parsed.append([begin, end])
    parsed.sort()
    for earlier, later in zip(parsed, parsed[1:], strict=False):
        if earlier[1] > later[0]:
            raise ValueError("spans of a day do not overlap")
    return parsed


def parse_hours_text(text: str) -> list[list[str]]:
    """Return a day's spans from what people type: "8-12, 13:30 - 18:00"; empty means closed.

    Raises ValueError for anything else.
    """
    spans = [part for part in re.split(r"[,;]", text) if part.strip()]
    typed = [[_typed_time(edge) for edge in re.split(r"[-–—]", span)] for span in spans]
    return _parse_day(typed)


def _typed_time(text: str) -> str:
    hours, _colon, minutes = text.strip().replace(".", ":").replace("h", ":").partition(":")
    return f"{hours.strip().zfill(2)}:{(minutes.strip() or '00').zfill(2)}"


def hours_text(spans: Sequence[Sequence[str]]) -> str:
    """Return a day's spans as they are typed."""
    return ", ".join(f"{begin}–{end}" for begin, end in spans)
