"""The demo's mailbox: every mail of the installation, for whoever opens it. Not there outside demo mode."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.db.session import Database, system_scope
from app.kernel.errors import NotFound
from app.kernel.permissions import public
from app.kernel.web.cookies import settings_of
from app.kernel.web.templates import render
from app.modules.messaging.framing import mail_frame
from app.modules.messaging.mailbox import find_html, find_message, list_messages

router = APIRouter(include_in_schema=False)

MAILBOX_NOTE = "Demo mode only: the mails that would have been sent."


@router.get("/demo/mailbox", response_class=HTMLResponse, dependencies=[public(MAILBOX_NOTE)])
async def get_mailbox(request: Request) -> HTMLResponse:
    """Show the newest mails."""
    async with system_scope(_demo_database(request)) as session:
        messages = await list_messages(session)
    return render(request, "messaging/mailbox.html", {"messages": messages, "zone": _zone(request)})


@router.get("/demo/mailbox/{message_id}", response_class=HTMLResponse, dependencies=[public(MAILBOX_NOTE)])
async def get_mailbox_message(message_id: UUID, request: Request) -> HTMLResponse:
    """Show one mail with its links."""
    async with system_scope(_demo_database(request)) as session:
        message = await find_message(session, message_id)
    if message is None:
        raise NotFound("message")
    request.state.csp_extra = {"frame-src": "'self'"}
    return render(request, "messaging/mailbox_message.html", {"message": message, "zone": _zone(request)})


@router.get(
    "/demo/mailbox/{message_id}/mail", response_class=HTMLResponse, dependencies=[public(MAILBOX_NOTE)]
)
async def get_mailbox_html(message_id: UUID, request: Request) -> HTMLResponse:
    """Show one mail as its reader sees it, for the frame of the page above."""
    async with system_scope(_demo_database(request)) as session:
        html = await find_html(session, message_id)
    if html is None:
        raise NotFound("message")
    return mail_frame(html, follows_links=True)


def _zone(request: Request) -> str:
    return settings_of(request).default_time_zone


def _demo_database(request: Request) -> Database:
    if not settings_of(request).demo:
        raise NotFound("page")
    database: Database = request.app.state.database
    return database
