"""What the pages of an import show, and what their forms say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.modules.crm.importing.rows import FIELDS, PROBLEMS, ParsedRow, parse_row
from app.modules.crm.importing.service import STATEMENT_MAX, STATEMENT_MIN, Plan, plan_of
from app.modules.crm.models import ImportRow, ImportRun
from app.modules.crm.presenting import URL
from app.modules.stores.public import StoreView
from app.utils.validators import clean_text

IMPORTS = f"{URL}/imports"
STATUS_WORDS = {
    "draft": msg("not started"),
    "checking": msg("being checked"),
    "checked": msg("checked, not started"),
    "running": msg("under way"),
    "done": msg("done"),
    "undoing": msg("being taken back"),
    "undone": msg("taken back"),
    "failed": msg("failed"),
}
COUNT_WORDS = {
    "new": msg("new"),
    "updated": msg("filled in"),
    "known": msg("already customers"),
    "duplicate": msg("twice in the file"),
    "invalid": msg("with a mistake"),
    "no_room": msg("left out: no room in your plan"),
    "removed": msg("removed again"),
    "kept": msg("kept: they came meanwhile"),
}


def import_url(run_id: UUID) -> str:
    """Return the address of an import."""
    return f"{IMPORTS}/{run_id}"


def count_lines(run: ImportRun) -> list[dict[str, str]]:
    """Return how many rows ended how, in words."""
    return [
        {"name": name, "label": _(word), "number": current().format_number(run.counts[name])}
        for name, word in COUNT_WORDS.items()
        if run.counts.get(name)
    ]


def run_line(run: ImportRun) -> dict[str, Any]:
    """Return an import as the list shows it."""
    return {
        "url": import_url(run.id),
        "name": run.file_name,
        "at": run.created_at,
        "rows": current().format_number(run.rows),
        "state": _(STATUS_WORDS[run.status]),
        "counts": count_lines(run),
    }


def run_page(run: ImportRun) -> dict[str, Any]:
    """Return what every page of an import shows of it."""
    return {
        **run_line(run),
        "id": run.id,
        "status": run.status,
        "is_open": run.status in {"draft", "checked"},
        "is_busy": run.status in {"checking", "running", "undoing"},
        "is_cut": bool(run.counts.get("no_room")),
        "percent": 100 * run.rows_done // run.rows if run.rows else 0,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "undone_at": run.undone_at,
        "tag_id": run.tag_id,
    }


def matching(run: ImportRun, values: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """Return for each field which column it is taken from."""
    plan = plan_of(run)
    return [
        {
            "field": field,
            "label": _(word),
            "column": values.get(f"column_{field}", "")
            if values is not None
            else plan.columns.get(field, ""),
        }
        for field, word in FIELDS.items()
    ]


def preview(run: ImportRun, rows: Sequence[ImportRow], *, today: date) -> list[dict[str, Any]]:
    """Return the first rows as they would be understood now."""
    plan = plan_of(run)
    shown = []
    for row in rows:
        said = parse_row(row.cells or [], plan.columns, today=today, locale=run.locale)
        problem = _(PROBLEMS[said]) if isinstance(said, str) else ""
        shown.append({"number": row.number, "cells": row.cells or [], "problem": problem, **_person(said)})
    return shown


def _person(said: ParsedRow | str) -> dict[str, str]:
    if isinstance(said, str):
        return {"name": "", "email": "", "phone": "", "birthday": "", "more": ""}
    person = said.person
    more = [_("agreed") if person.email_consent else ""]
    more += [_("%(num)s stamps", num=said.stamps) if said.stamps else ""]
    more += [_("%(num)s points", num=current().format_number(said.points)) if said.points else ""]
    return {
        "name": person.name or "",
        "email": person.email or "",
        "phone": person.phone or "",
        "birthday": str(person.birthday or ""),
        "more": ", ".join(part for part in more if part),
    }


def problem_lines(rows: Sequence[ImportRow]) -> list[dict[str, Any]]:
    """Return the rows with a mistake, each with its number in the file (the header is row 1)."""
    return [{"number": row.number + 1, "words": _(PROBLEMS[row.problem or "nobody"])} for row in rows]


def read_plan(
    form: Mapping[str, str], run: ImportRun, stores: Sequence[StoreView]
) -> tuple[Plan, dict[str, str]]:
    """Return what the form means, and what is wrong with it, by field."""
    errors: dict[str, str] = {}
    columns: dict[str, int] = {}
    for field in FIELDS:
        text = form.get(f"column_{field}", "")
        if text.isdecimal() and int(text) < len(run.header):
            columns[field] = int(text)
    if len(set(columns.values())) < len(columns):
        errors["columns"] = _("A column can mean one thing only.")
    if not columns.keys() & {"name", "first_name", "last_name", "email", "phone"}:
        errors["columns"] = _("Say at least which column holds the name, the e-mail or the phone.")
    known = {str(store.id): store.id for store in stores}
    store_id = known.get(form.get("store", ""))
    if store_id is None and columns.keys() & {"stamps", "points"}:
        errors["store"] = _("Stamps and points need a card: choose where the cards are made.")
    statement = clean_text(form.get("statement", ""))[:STATEMENT_MAX] if form.get("stated") == "true" else ""
    if form.get("stated") == "true" and len(statement) < STATEMENT_MIN:
        errors["statement"] = _("Say where and when they agreed; it is kept as proof.")
    if statement and "consent" not in columns:
        errors["statement"] = _("Say which column tells who agreed.")
    return Plan(columns, store_id, statement), errors
