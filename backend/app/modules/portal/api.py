"""A card's state over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from app.dependencies import SessionDep
from app.kernel.errors import NotFound, Unauthenticated
from app.kernel.permissions import authenticate, card_holder, require
from app.kernel.web.present import json_response
from app.kernel.web.problems import error_responses
from app.modules.cards.public import CardRef, find_card, find_held_card, presented_tokens
from app.modules.rewards.public import CardStateAnswer, card_state

router = APIRouter(tags=["Cards"])


class PassState(CardStateAnswer):
    """The state of a card; nothing in it is personal."""

    status: str = Field(examples=["active"])
    card_number: str = Field(examples=["7K3QF0M2XW9P"])
    revision: int = Field(description="Rises with every visible change")


async def get_readable_card(pass_id: str, request: Request, session: SessionDep) -> CardRef:
    """Return the card for its holder (cookie or ?t=), or for an API key that may see customers.

    Raises Unauthenticated without a good credential, whether or not there is such a card.
    """
    if "authorization" in request.headers:
        principal = require(await authenticate(request, session, kinds=("api_key",)), "customers.view")
        card = await find_card(session, principal.merchant_id, pass_id)
        if card is None:
            raise NotFound("card")
        return card
    try:
        wanted = UUID(pass_id)
    except ValueError as error:
        raise Unauthenticated from error
    held = await find_held_card(session, wanted, tokens=presented_tokens(request))
    if held is None:
        raise Unauthenticated
    return held


ReadableCardDep = Annotated[CardRef, Depends(get_readable_card)]


@router.get(
    "/passes/{pass_id}",
    response_model=PassState,
    responses=error_responses("unauthenticated", "forbidden", "not_found"),
    dependencies=[card_holder("The holder, or an API key with customers.view.")],
)
async def get_pass(card: ReadableCardDep, session: SessionDep) -> Response:
    """Return what is on the card now: balances, rewards, the next one. An API key may ask by card number."""
    state: dict[str, Any] = await card_state(session, card.merchant_id, card.id)
    return json_response(PassState.model_validate(state))
