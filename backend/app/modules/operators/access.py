"""The access row of the operator's pages, who is signed in, and the frame around each page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request, params
from starlette.responses import HTMLResponse

from app.dependencies import ClockDep, SessionDep
from app.kernel.errors import Unauthenticated
from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.operating import Look
from app.kernel.permissions import Access, AccessRow
from app.kernel.points import NavItem
from app.kernel.web.cookies import read_cookie
from app.kernel.web.shell import nav_rows
from app.kernel.web.templates import render
from app.modules.operators.signing_in.service import OPERATOR_COOKIE, OperatorRef, find_operator

HOME = "/operator"
SIGN_IN = "/operator/sign-in"
SIGN_OUT = "/operator/sign-out"

NAVIGATION = tuple(
    NavItem(label, url, icon, "", section=section)
    for label, url, icon, section in (
        (msg("Overview"), HOME, "home", ""),
        (msg("Queues"), "/operator/queues", "refresh", ""),
        (msg("Given up"), "/operator/given-up", "alert-triangle", ""),
        (msg("Machine"), "/operator/machine", "settings", ""),
        (msg("Wallets"), "/operator/wallets", "wallet", ""),
        (msg("Shops"), "/operator/shops", "building-store", msg("Who uses it")),
        (msg("Plans and usage"), "/operator/usage", "chart-bar", msg("Who uses it")),
        (msg("Invitations"), "/operator/invitations", "mail", msg("Who uses it")),
        (msg("Record"), "/operator/record", "history", msg("Who uses it")),
    )
)


class OperatorRow(AccessRow):
    """The enforced row of a page for a signed-in operator."""

    async def __call__(self, request: Request, session: SessionDep, clock: ClockDep) -> None:
        """Recognise the operator by their cookie; raises Unauthenticated."""
        found = await find_operator(session, read_cookie(request, OPERATOR_COOKIE) or "", now=clock.now())
        if found is None:
            raise Unauthenticated
        request.state.operator = found


def signed_in(note: str = "") -> params.Depends:
    """Return the row of a route for a signed-in operator."""
    row: params.Depends = Depends(OperatorRow(Access("operator", note=note)))
    return row


async def get_operator(request: Request) -> OperatorRef:
    """Return who the row recognised."""
    operator: OperatorRef = request.state.operator
    return operator


OperatorDep = Annotated[OperatorRef, Depends(get_operator)]


def look_of(request: Request) -> Look:
    """Return what signs and figures are read with."""
    state = request.app.state
    return Look(state.database, state.settings, state.resources, state.clock.now())


def operator_page(
    request: Request, template: str, context: Mapping[str, Any], *, status_code: int = 200
) -> HTMLResponse:
    """Answer with a page inside the operator's frame."""
    path = request.url.path
    active = max((item.url for item in NAVIGATION if path == item.url), key=len, default="")
    shell = {
        "nav": nav_rows(list(NAVIGATION), active),
        "user_menu": [],
        "merchant_name": _("Operator"),
        "user_name": request.state.operator.name,
        "sign_out_url": SIGN_OUT,
        "home_url": HOME,
    }
    return render(request, template, {**shell, **context}, status_code=status_code)
