"""Cards over HTTP: making one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep, bind_store
from app.kernel.idempotency import KEY_LENGTH_MAX
from app.kernel.permissions import public
from app.kernel.web.cookies import settings_of
from app.kernel.web.limits import rate_limit
from app.kernel.web.present import present_json
from app.kernel.web.problems import error_responses
from app.kernel.web.proxies import address_key, client_address
from app.modules.cards.hooks import SAVE_LINK, SaveLinkContext
from app.modules.cards.joining import create_card_once
from app.modules.cards.schemas import PassCreated, PassCreateRequest
from app.modules.cards.service import CreatedCard
from app.modules.stores.public import get_store

router = APIRouter(tags=["Cards"])

RepeatHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=KEY_LENGTH_MAX,
        description=(
            "A repeat with the same key and body from the same address gives the same card. Draw the key at "
            "random (a UUID): for one that others could guess, a repeat's addresses carry no token."
        ),
    ),
]


@router.post(
    "/passes/create",
    status_code=201,
    response_model=PassCreated,
    responses=error_responses("not_found", "key_reused", "no_new_cards", "shop_closed"),
    dependencies=[public("Anybody may take a card."), rate_limit("join")],
)
async def post_create_pass(
    request: Request, body: PassCreateRequest, session: SessionDep, clock: ClockDep, key: RepeatHeader = None
) -> Response:
    """Make a card of the store's programme.

    A known e-mail gets the same answer with a fresh card; the link to the card it already has goes to the
    mailbox, and the two are joined once the mailbox confirms it.
    """
    details = body.to_details(today=clock.now().date())
    store = await get_store(session, await bind_store(request, session, body.store_id))
    repeat = (address_key(client_address(request)), key) if key else None
    outcome = await create_card_once(session, store, details, source="api", repeat=repeat, now=clock.now())
    links: list[str] = []
    if isinstance(outcome, CreatedCard) and outcome.token:
        links = await SAVE_LINK.gather(_asked(session, outcome, now=clock.now()))
    return present_json(outcome, lambda made: present_created(request, made, save_links=links))


def _asked(session: AsyncSession, made: CreatedCard, *, now: datetime) -> SaveLinkContext:
    card = made.card
    return SaveLinkContext(session, card.merchant_id, card.id, card.program_id, made.token, now)


def present_created(request: Request, made: CreatedCard, *, save_links: list[str]) -> PassCreated:
    """Return the answer for a fresh card; its own addresses are built from the one configured address.

    save_links: what wallets offer; the card in the browser stands in for them.
    """
    base = settings_of(request).public_url.rstrip("/")
    proof = f"?t={made.token}" if made.token else ""
    card_url = f"{base}/card/{made.card.id}{proof}"
    return PassCreated(
        pass_id=made.card.id,
        card_number=made.card.card_number,
        card_url=card_url,
        add_to_wallet_url=next(iter(save_links), card_url),
        apple_wallet_url=f"{base}/passes/apple/{made.card.id}{proof}",
    )
