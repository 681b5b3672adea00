"""What a page of figures is made of: tiles, charts and tables. Modules contribute whole reports as values.

A report says what it shows, never how: the page, the CSV and the spreadsheet are made from the same rows, so that
they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

# How a value is written: a count, money in minor units, a ratio, a number with one decimal or two (exact), a day,
# or as it stands.
KINDS = frozenset({"count", "money", "percent", "decimal", "exact", "day", "month", "text"})

Value = int | float | str | date | None


@dataclass(frozen=True, slots=True)
class Period:
    """Days from start to end, both within it, by the calendar of the stores."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """Return how many days it has."""
        return (self.end - self.start).days + 1


@dataclass(frozen=True)
class ReportContext:
    """What a report is asked for. before: the period to compare with, None without a comparison.

    today: by the merchant's calendar. currency: of amounts. store_id: one store only.
    """

    session: AsyncSession
    merchant_id: UUID
    now: datetime
    today: date
    time_zone: str
    currency: str
    period: Period
    before: Period | None = None
    store_id: UUID | None = None
    modules_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its explanation. before: the same in the period compared with. better: up, down or neither."""

    label: str
    value: Value
    kind: str = "count"
    about: str = ""
    before: Value = None
    better: str = "up"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. about: what its figures count."""

    title: str
    kind: str = "count"
    about: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values, as they are exported. key: stable, part of the file's name."""

    key: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    total: Sequence[Value] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """A row of values in a chart, one for each label. tone: 1 to 4, "each" for bars of their own
    colours, or "before" for the period compared with.
    """

    title: str
    values: Sequence[Value]
    tone: str = "1"
    kind: str = "count"


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of numbers. form: bars (stacked), lines, parts (one bar for each row), heat or triangle.

    labels: what each value belongs to, whole words. ticks: short, where there is room for them.
    """

    form: str
    labels: Sequence[str]
    series: Sequence[Series]
    ticks: Sequence[str] = ()
    before: Series | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a report: a heading, plain words, a picture and the numbers under it."""

    title: str
    text: str = ""
    chart: Chart | None = None
    table: Table | None = None
    figures: Sequence[Figure] = ()
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A page of figures."""

    figures: Sequence[Figure] = ()
    blocks: Sequence[Block] = ()
    notice: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportView:
    """A page of figures in the dashboard. title: a msg() text.

    ranged: it depends on the chosen days; compares: also on those before. by_store: its figures are divided by store;
    one that is not is of the whole business, and so for nobody limited to stores.
    """

    title: str
    permission: str
    load: Callable[[ReportContext], Awaitable[Report]]
    icon: str = "chart-bar"
    order: int = 100
    ranged: bool = True
    compares: bool = False
    by_store: bool = True
