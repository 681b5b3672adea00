"""What the portal's tests share: a browser without JavaScript that fills in forms."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx2

_INPUT = re.compile(r'<input[^>]*type="hidden"[^>]*>')
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


def hidden_fields(html: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form with this action."""
    start = html.index(f'action="{action}"')
    form = html[start : html.index("</form>", start)]
    fields = {}
    for tag in _INPUT.findall(form):
        attributes = dict(_ATTRIBUTE.findall(tag))
        fields[attributes["name"]] = unescape(attributes["value"])
    return fields


async def send_form(
    client: httpx2.AsyncClient,
    page: str,
    action: str,
    *,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> httpx2.Response:
    """Open a page and send its form with these fields filled in."""
    shown = await client.get(page, headers={"Accept": "text/html"})
    assert shown.status_code == 200, shown.text
    data = hidden_fields(shown.text, action) | {name: str(value) for name, value in fields.items()}
    return await client.post(action, data=data, headers={"Accept": "text/html", **(headers or {})})
