"""What several pages of the portal need: the card of the visitor, and its page without it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.dependencies import SessionDep, StoreRef
from app.kernel.web.forms import redirect
from app.kernel.web.templates import render
from app.modules.cards.public import (
    CardRef,
    find_held_card,
    held_cards,
    presented_tokens,
    read_token,
    remember_card,
)
from app.modules.stores.public import StoreView


async def find_page_card(pass_id: UUID, request: Request, session: SessionDep) -> CardRef | None:
    """Return the card of the address when the visitor holds it; pages then explain instead of failing."""
    return await find_held_card(session, pass_id, tokens=presented_tokens(request))


PageCardDep = Annotated[CardRef | None, Depends(find_page_card)]


def unknown_card(request: Request) -> Response:
    """Answer a device that does not hold the card, the same whether or not there is one."""
    return render(request, "portal/unknown.html", status_code=401)


def exchange_token(request: Request, card: CardRef) -> Response | None:
    """Move a link's token into the cookie and out of the address; None where the address has none."""
    if "t" not in request.query_params:
        return None
    response = redirect(request, request.url.path)
    remember_card(request, response, card, behind_own=True)
    return response


def card_key(token: str) -> UUID | None:
    """Return the card a token names."""
    parts = read_token(token)
    return parts.pass_id if parts else None


async def find_card_here(
    request: Request, session: AsyncSession, store: StoreRef, view: StoreView
) -> CardRef | None:
    """Return the visitor's card of the store's programme, the last used first."""
    cards = await held_cards(request, session, store.merchant_id)
    return next((card for card in cards if card.program_id == view.program.id), None)
