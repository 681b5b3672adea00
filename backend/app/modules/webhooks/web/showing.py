"""What the pages of webhooks show."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput
from app.modules.merchants.public import get_merchant
from app.modules.webhooks import deliveries
from app.modules.webhooks.endpoints import get_endpoint, list_endpoints
from app.modules.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from app.modules.webhooks.rules import ENDPOINTS_MAX, EVENTS, PROBE_AFTER, write_body
from app.modules.webhooks.words import ERROR_WORDS, EVENT_WORDS, GROUPS, OFF_WORDS, STATE_WORDS, example_of
from app.utils.id_generator import new_id

STATES = tuple(STATE_WORDS)


def form_values(form: FormInput[Any] | None) -> dict[str, Any]:
    """Return what the form of an address is filled with."""
    if form is None:
        return {"values": {}, "errors": {}}
    return {"values": form.values, "errors": form.errors}


def plain_errors(form: FormInput[Any]) -> None:
    """Say of the boxes what is wrong with them."""
    if "events" in form.errors:
        form.errors["events"] = _("Choose at least one.")


def _groups() -> list[dict[str, Any]]:
    """Return what can be told, by what it is about, each with an example."""
    return [
        {"title": _(title), "events": [_shown_event(name) for name in EVENTS if name.split(".")[0] in about]}
        for title, about in GROUPS
    ]


def _shown_event(name: str) -> dict[str, str]:
    example = json.dumps(example_of(name), indent=2)
    return {"name": name, "title": _(EVENT_WORDS[name]), "example": example}


async def list_values(session: AsyncSession, principal: Principal) -> dict[str, Any]:
    """Return the addresses, and whether there may be another."""
    merchant = await get_merchant(session, principal.merchant_id)
    counts = await deliveries.count_open(session, principal.merchant_id)
    rows = await list_endpoints(session, principal.merchant_id)
    return {
        "page_title": _("Webhooks"),
        "page_text": _(
            "Your own programs are told what happens, signed and at once. Only ids and figures leave the house."
        ),
        "rows": [_short(row, counts.get(row.id, {}), zone=merchant.time_zone) for row in rows],
        "groups": _groups(),
        "may_edit": principal.may("webhooks.edit"),
        "is_full": len(rows) >= ENDPOINTS_MAX,
        "idempotency_key": new_id(),
    }


def _short(row: WebhookEndpoint, counts: dict[str, int], *, zone: str) -> dict[str, Any]:
    speak = current()
    return {
        "url": row.url,
        "link": f"/dashboard/webhooks/{row.id}",
        "about": row.about,
        "state": _state(row),
        "kinds": len(row.events),
        "waiting": speak.format_number(counts.get("waiting", 0)),
        "failed": counts.get("failed", 0),
        "failed_text": speak.format_number(counts.get("failed", 0)),
        "reached": _reached(row, zone=zone),
    }


def _reached(row: WebhookEndpoint, *, zone: str) -> str:
    return (
        current().format_datetime(row.reached_at, zone=zone, style="short") if row.reached_at else _("Never")
    )


def _state(row: WebhookEndpoint) -> dict[str, str]:
    if not row.is_on:
        return {"text": _("Off"), "look": "" if row.off_reason == "member" else "chip-danger"}
    if row.failures >= PROBE_AFTER:
        return {"text": _("Does not answer"), "look": "chip-danger"}
    if row.failures:
        return {"text": _("Failing"), "look": "chip-warn"}
    return {"text": _("On"), "look": "chip-brand"}


async def endpoint_values(
    session: AsyncSession, principal: Principal, row: WebhookEndpoint, *, look: deliveries.Look
) -> dict[str, Any]:
    """Return an address with a page of its log."""
    zone = (await get_merchant(session, principal.merchant_id)).time_zone
    counts = (await deliveries.count_open(session, row.merchant_id)).get(row.id, {})
    lines, after = await deliveries.list_deliveries(session, row.merchant_id, row.id, look=look)
    url, speak = f"/dashboard/webhooks/{row.id}", current()
    chosen = f"&state={look.status}" if look.status else ""
    return {
        "page_title": row.about or _("Webhook"),
        "page_text": row.url,
        "url": url,
        "row": row,
        "state": _state(row),
        "reached": _reached(row, zone=zone),
        "off_text": _(OFF_WORDS[row.off_reason]) if row.off_reason else "",
        "since": speak.format_datetime(row.failing_since, zone=zone, style="short")
        if row.failing_since
        else "",
        "retry": speak.format_datetime(row.retry_at, zone=zone, style="short") if row.retry_at else "",
        "rotation": speak.format_datetime(row.before_until, zone=zone, style="short")
        if row.before_until
        else "",
        "lines": [_line(line, url=url, zone=zone) for line in lines],
        "next_url": f"{url}?before={after}{chosen}" if after else None,
        "filters": _filters(url, counts, chosen=look.status),
        "failed": counts.get("failed", 0),
        "groups": _groups(),
        "may_edit": principal.may("webhooks.edit"),
        "idempotency_key": new_id(),
        "shown_secret": "",
        "values": {},
        "errors": {},
    }


def _filters(url: str, counts: dict[str, int], *, chosen: str | None) -> list[dict[str, Any]]:
    number = current().format_number
    everything: dict[str, Any] = {"text": _("All"), "count": "", "url": url, "is_on": chosen is None}
    return [everything] + [
        {
            "text": _(words),
            "count": number(counts[name]) if counts.get(name) else "",
            "url": f"{url}?state={name}",
            "is_on": chosen == name,
        }
        for name, words in STATE_WORDS.items()
    ]


def _line(line: deliveries.Line, *, url: str, zone: str) -> dict[str, Any]:
    one, speak = line.delivery, current()
    looks = {"waiting": "chip-warn", "delivered": "chip-brand", "failed": "chip-danger"}
    return {
        "url": f"{url}/{one.id}",
        "type": line.event.type,
        "title": _(EVENT_WORDS.get(line.event.type, line.event.type)),
        "at": speak.format_datetime(line.event.at, zone=zone, style="short"),
        "state": _(STATE_WORDS[one.status]),
        "look": looks[one.status],
        "note": _note(one),
        "error": _(ERROR_WORDS[one.error]) if one.error else "",
        "next": speak.format_datetime(one.next_at, zone=zone, style="short")
        if one.status == "waiting"
        else "",
    }


def _note(one: WebhookDelivery) -> str:
    """Return the last answer, what was wrong with it, and how many tries it took."""
    parts = [str(one.last_status or ""), _(ERROR_WORDS[one.error]) if one.error else ""]
    if one.attempts > 1:
        parts.append(ngettext("%(num)s try", "%(num)s tries", one.attempts, num=one.attempts))
    return " · ".join(part for part in parts if part)


async def delivery_values(
    session: AsyncSession, principal: Principal, endpoint_id: UUID, delivery_id: UUID
) -> dict[str, Any]:
    """Return a delivery: its body, and every try; raises NotFound."""
    zone = (await get_merchant(session, principal.merchant_id)).time_zone
    row = await get_endpoint(session, principal.merchant_id, endpoint_id)
    line, tries = await deliveries.get_delivery(
        session, principal.merchant_id, delivery_id, endpoint_id=endpoint_id
    )
    event = line.event
    body = json.loads(write_body(event.id, event.type, at=event.at, data=event.data))
    url = f"/dashboard/webhooks/{endpoint_id}"
    return {
        "page_title": event.type,
        "back": url,
        "address": row.url,
        "line": _line(line, url=url, zone=zone),
        "event_id": event.id,
        "body": json.dumps(body, indent=2, ensure_ascii=False),
        "tries": [_shown_try(one, zone=zone) for one in tries],
        "is_waiting": line.delivery.status == "waiting",
        # What was never tried is on its way.
        "may_send": principal.may("webhooks.edit")
        and row.is_on
        and bool(tries or line.delivery.status != "waiting"),
    }


def _shown_try(one: WebhookAttempt, *, zone: str) -> dict[str, Any]:
    speak = current()
    return {
        "at": speak.format_datetime(one.at, zone=zone, style="medium"),
        "status": str(one.status or "–"),
        "error": _(ERROR_WORDS[one.error]) if one.error else "",
        "milliseconds": speak.format_number(one.milliseconds),
        "answer": one.answer,
    }
