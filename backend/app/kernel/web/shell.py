"""The frame of the dashboard's pages: navigation, who is signed in, the merchant's name.

What stands in the frame is contributed (NAV_ITEM) or was put into the principal by whoever recognised it, so
that the kernel needs to know no module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.points import NAV_ITEM, NavItem, PageContext, Panel
from app.kernel.web.templates import render, render_text

# Items of this section stand in the menu of the signed-in person instead of the navigation.
USER_SECTION = "user"
SIGN_OUT_URL = "/sign-out"
HOME_URL = "/dashboard"


def page_context_of(request: Request, session: AsyncSession) -> PageContext:
    """Return what contributions to the page at hand are given; only for routes with a member row."""
    principal: Principal = request.state.principal
    return PageContext(
        session=session,
        principal=principal,
        now=request.app.state.clock.now(),
        modules_on=frozenset(principal.extra.get("modules_on", ())),
    )


def render_panels(request: Request, panels: Iterable[Panel]) -> list[dict[str, Any]]:
    """Return contributed blocks as a template shows them, in their order; each is drawn by its own template."""
    return [
        {
            "title": panel.title,
            "html": Markup(render_text(request, panel.template, panel.context)),
            "order": panel.order,
        }
        for panel in sorted(panels, key=lambda panel: panel.order)
    ]


def active_url(items: list[NavItem], path: str) -> str:
    """Return the address of the item that the path belongs to: the longest one it lies under."""
    under = [
        item.url
        for item in items
        if path == item.url or (item.url != HOME_URL and path.startswith(item.url.rstrip("/") + "/"))
    ]
    return max(under, key=len, default="")


def shown_items(items: list[NavItem], principal: Principal) -> list[NavItem]:
    """Return the items this principal may open, sections together, in order."""
    allowed = [item for item in items if not item.permission or principal.may(item.permission)]
    first: dict[str, int] = {}
    for item in sorted(allowed, key=lambda item: item.order):
        first.setdefault(item.section, item.order)
    return sorted(allowed, key=lambda item: (first[item.section], item.section, item.order))


def nav_rows(items: list[NavItem], active: str) -> list[dict[str, Any]]:
    """Return the navigation as the template shows it; the first item of a section carries its heading."""
    rows: list[dict[str, Any]] = []
    section = ""
    for item in items:
        heading = _(item.section) if item.section and item.section != section else ""
        section = item.section
        rows.append(
            {
                "label": _(item.label),
                "url": item.url,
                "icon": item.icon,
                "active": item.url == active,
                "group": heading,
            }
        )
    return rows


async def member_shell(request: Request, session: AsyncSession) -> dict[str, Any]:
    """Return the values that base_dashboard.html needs besides the page's own."""
    page = page_context_of(request, session)
    items = shown_items(await NAV_ITEM.gather(page), page.principal)
    active = active_url(items, request.url.path)
    extra = page.principal.extra
    merchant_name = str(extra.get("merchant_name") or extra.get("name") or "")
    return {
        "nav": nav_rows([item for item in items if item.section != USER_SECTION], active),
        "user_menu": [
            {"label": _(item.label), "url": item.url, "icon": item.icon}
            for item in items
            if item.section == USER_SECTION
        ],
        "search": next(({"label": _(item.search), "url": item.url} for item in items if item.search), None),
        "merchant_name": merchant_name,
        "user_name": str(extra.get("user_name") or extra.get("member_name") or merchant_name),
        "sign_out_url": str(extra.get("sign_out_url") or SIGN_OUT_URL),
        "modules_on": page.modules_on,
        "principal": page.principal,
    }


async def render_member_page(
    request: Request,
    session: AsyncSession,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status_code: int = 200,
) -> HTMLResponse:
    """Answer with a page of the dashboard inside its frame; the template extends base_dashboard.html.

    context: the page's own values, such as page_title; they win over the frame's.
    """
    shell = await member_shell(request, session)
    return render(request, template, {**shell, **(context or {})}, status_code=status_code)
