"""From a report to what its template draws: formatted values, and the geometry of its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, log10
from typing import Any

from babel import numbers

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.money import Money, currency_exponent
from app.kernel.reports import Block, Chart, Column, Figure, Report, Series, Table, Value
from app.kernel.spreadsheets import Cell
from app.modules.analytics.rules import change_of
from app.modules.analytics.views.common import month_label, thinned

PLOT_HEIGHT = 200
HEAT_STEPS = 7
# A change beyond this ratio is not said in percent.
LEAP = 10.0
# And one below this is said with a decimal.
TINY = 0.01
NONE = "–"  # noqa: RUF001
XLSX_FORMATS = {"percent": "0.0%", "decimal": "0.00", "exact": "0.00", "money": "0.00", "count": "#,##0"}


def format_value(value: Value, kind: str, currency: str) -> str:
    """Write a value for people."""
    speak = current()
    if value is None:
        return NONE
    if isinstance(value, date):
        return month_label(value) if kind == "month" else speak.format_date(value)
    if isinstance(value, str):
        return value
    if kind == "money":
        return speak.format_money(Money(round(value), currency))
    if kind == "percent":
        return speak.format_percent(value, decimals=1 if 0 < abs(value) < 0.1 else 0)
    if kind == "decimal":
        return speak.format_number(value, decimals=1)
    if kind == "exact":
        return speak.format_number(value, decimals=2)
    return speak.format_number(value)


def plain_value(value: Value, kind: str, currency: str) -> Cell:
    """Return a value for a file: money in major units, everything else as it is."""
    if kind == "money" and isinstance(value, int | float):
        exponent = currency_exponent(currency)
        return float(round(round(value) / 10**exponent, exponent))
    if isinstance(value, float):
        return round(value, 4)
    return value


def table_rows(table: Table, currency: str) -> list[list[Cell]]:
    """Return a table for a file, the header first."""
    rows: list[list[Cell]] = [[column.title for column in table.columns]]
    for row in table.rows:
        rows.append(
            [
                plain_value(value, column.kind, currency)
                for value, column in zip(row, table.columns, strict=True)
            ]
        )
    return rows


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure as the tile component takes it."""

    label: str
    value: str
    change: str | None
    direction: str
    compared: str | None
    help: str | None
    neutral: bool


def shown_figure(figure: Figure, currency: str) -> ShownFigure:
    """Return a figure with its change since the period before."""
    now, before = _number(figure.value), _number(figure.before)
    ratio = change_of(now, before)
    compared = figure.note or None
    if before is not None:
        compared = _("before: %(number)s", number=format_value(figure.before, figure.kind, currency))
    speak = current()
    # From almost nothing everything is a leap: thousands of percent say less than the two numbers.
    # A small change is a change: never "+0 %" beside an arrow.
    decimals = 1 if ratio is not None and abs(ratio) < TINY else 0
    shown = (
        speak.format_percent(ratio, decimals=decimals) if ratio is not None and abs(ratio) < LEAP else None
    )
    value = short_money(now, currency) if figure.kind == "money" and now is not None else None
    return ShownFigure(
        label=figure.label,
        value=value or format_value(figure.value, figure.kind, currency),
        change=("+" if ratio and ratio > 0 else "") + shown if shown else None,
        direction="up" if ratio and ratio > 0 else "down" if ratio and ratio < 0 else "",
        compared=compared,
        help=figure.about or None,
        neutral=not figure.better,
    )


def short_money(minor: float, currency: str) -> str:
    """Write an amount for a tile: a thousand and more without cents."""
    amount = Money(round(minor), currency).amount
    if abs(amount) < 1000:
        return current().format_money(Money(round(minor), currency))
    locale = current().locale
    pattern = locale.currency_formats["standard"].pattern.replace(".00", "")
    whole = numbers.format_currency(amount, currency, format=pattern, locale=locale, currency_digits=False)
    return str(whole)


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def nice_top(highest: float) -> float:
    """Return the smallest round number above: 1, 2, 2.5, 4, 5, 6 or 8 times a power of ten, at least 4."""
    if highest <= 4:
        return 4
    power: float = 10 ** int(log10(highest))
    return next(step * power for step in (1, 2, 2.5, 4, 5, 6, 8, 10) if step * power >= highest)


def draw_bars(chart: Chart, currency: str) -> dict[str, Any]:
    """Return stacked bars in percent of the width and pixels of the height, with the line of the period before."""
    count = max(1, len(chart.labels))
    stacks = [
        [_number(series.values[place]) or 0 for series in chart.series] for place in range(len(chart.labels))
    ]
    earlier = [_number(value) or 0 for value in chart.before.values] if chart.before else []
    top = nice_top(max([sum(stack) for stack in stacks] + earlier + [0]))
    kind = chart.series[0].kind
    slot = 100 / count
    gap = 0.14 if count > 20 else 0.2
    bars = []
    for place, stack in enumerate(stacks):
        parts, below = [], 0.0
        for series, value in zip(chart.series, stack, strict=True):
            height = value / top * PLOT_HEIGHT
            if value > 0:
                y = PLOT_HEIGHT - below - height
                parts.append({"tone": series.tone, "y": f"{y:.2f}", "height": f"{max(height, 1):.2f}"})
            below += height
        bars.append(
            {
                "slot_x": f"{place * slot:.3f}%",
                "slot_width": f"{slot:.3f}%",
                "x": f"{(place + gap / 2) * slot:.3f}%",
                "width": f"{slot * (1 - gap):.3f}%",
                "middle": f"{(place + 0.5) * slot:.3f}%",
                "parts": parts,
                "tick": _tick(chart, place),
                "tip": _tip(chart, place, currency),
            }
        )
    line = " ".join(
        f"{(place + 0.5) * slot:.3f},{100 - value / top * 100:.2f}" for place, value in enumerate(earlier)
    )
    scale = [
        {"y": f"{PLOT_HEIGHT - share * PLOT_HEIGHT:.1f}", "text": _scale_text(top * share, kind, currency)}
        for share in (0, 0.25, 0.5, 0.75, 1)
        if kind == "money" or float(top * share).is_integer() or share in {0, 0.5, 1}
    ]
    return {"bars": bars, "line": line, "scale": scale, "height": PLOT_HEIGHT}


def _tick(chart: Chart, place: int) -> str:
    if not chart.ticks:
        return ""
    ticks = chart.ticks if "" in chart.ticks or len(chart.ticks) <= 8 else thinned(list(chart.ticks))
    return ticks[place]


def _scale_text(value: float, kind: str, currency: str) -> str:
    if kind == "money":
        value /= 10 ** currency_exponent(currency)
    if kind == "percent":
        return current().format_percent(value)
    if value >= 10_000:
        return current().format_number(round(value / 1000, 1)) + " k"
    return current().format_number(round(value, 1))


def _tip(chart: Chart, place: int, currency: str) -> str:
    lines = [chart.labels[place]]
    series: Sequence[Series] = [*reversed(chart.series), *([chart.before] if chart.before else [])]
    lines += [f"{one.title}: {format_value(one.values[place], one.kind, currency)}" for one in series]
    return "\n".join(lines)


def draw_grid(chart: Chart, currency: str) -> dict[str, Any]:
    """Return a grid whose fields are the darker the higher; a missing value is no field at all."""
    numbers = [_number(value) for series in chart.series for value in series.values]
    # In a triangle the first column is always everybody: it would make all others look pale.
    rest = [
        number for place, number in enumerate(numbers) if number is not None and not _is_first(chart, place)
    ]
    highest = max(rest, default=0) or 1
    rows = []
    for series in chart.series:
        cells = []
        for place, value in enumerate(series.values):
            number = _number(value)
            shade = None if number is None else min(HEAT_STEPS, ceil(max(0.0, number) / highest * HEAT_STEPS))
            text = "" if number is None else format_value(value, series.kind, currency)
            tip = "" if number is None else f"{series.title}, {chart.labels[place]}: {text}"
            cells.append({"shade": shade, "text": text, "tip": tip})
        rows.append({"title": series.title, "cells": cells})
    return {"rows": rows, "ticks": list(chart.ticks or chart.labels)}


def _is_first(chart: Chart, place: int) -> bool:
    return chart.form == "triangle" and place % len(chart.labels) == 0


def draw_parts(chart: Chart, currency: str) -> dict[str, Any]:
    """Return one bar for each label, as wide as its part of the largest."""
    series = chart.series[0]
    numbers = [_number(value) or 0 for value in series.values]
    highest, total = max(numbers, default=0) or 1, sum(numbers) or 1
    return {
        "parts": [
            {
                "label": label,
                "about": chart.ticks[place] if chart.ticks else "",
                "value": format_value(series.values[place], series.kind, currency),
                "share": current().format_percent(numbers[place] / total),
                "width": f"{numbers[place] / highest * 100:.2f}%",
                "tone": place % 8 + 1 if series.tone == "each" else 1,
            }
            for place, label in enumerate(chart.labels)
        ]
    }


DRAWN = {"bars": draw_bars, "heat": draw_grid, "triangle": draw_grid, "parts": draw_parts}


def shown_table(table: Table, currency: str) -> dict[str, Any]:
    """Return a table as its template shows it."""
    return {
        "key": table.key,
        "is_words": all(column.kind == "text" for column in table.columns),
        "columns": [
            {"title": column.title, "about": column.about, "is_text": column.kind == "text"}
            for column in table.columns
        ],
        "rows": [
            [
                format_value(value, column.kind, currency)
                for value, column in zip(row, table.columns, strict=True)
            ]
            for row in table.rows
        ],
    }


def shown_block(block: Block, currency: str) -> dict[str, Any]:
    """Return a block as its template shows it."""
    chart = None
    if block.chart is not None:
        legend = [{"title": one.title, "tone": one.tone} for one in block.chart.series]
        if block.chart.before is not None:
            legend.append({"title": block.chart.before.title, "tone": "before"})
        chart = {
            "form": block.chart.form,
            "about": block.chart.about or block.title,
            "legend": legend if len(legend) > 1 else [],
            **DRAWN[block.chart.form](block.chart, currency),
        }
    return {
        "title": block.title,
        "text": block.text,
        "notice": block.notice,
        "chart": chart,
        "table": shown_table(block.table, currency) if block.table else None,
    }


def _is_narrow(block: Block) -> bool:
    """Tell whether two of its kind stand side by side on a wide screen."""
    return block.chart is not None and block.chart.form == "bars"


def shown_report(report: Report, currency: str) -> dict[str, Any]:
    """Return a report as its template shows it."""
    return {
        "figures": [shown_figure(figure, currency) for figure in report.figures],
        "blocks": [
            shown_block(block, currency) | {"is_narrow": _is_narrow(block) and place > 0}
            for place, block in enumerate(report.blocks)
        ],
        "said": report.notice,
        "extra": report.extra,
    }


def xlsx_formats(columns: Sequence[Column]) -> list[str]:
    """Return the number formats of a sheet's columns."""
    return [XLSX_FORMATS.get(column.kind, "") for column in columns]
