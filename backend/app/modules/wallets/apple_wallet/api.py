"""The download of a card's Apple pass, for its holder."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep
from app.kernel.permissions import card_holder
from app.kernel.web.limits import rate_limit
from app.kernel.web.problems import error_responses
from app.modules.cards.public import CardHolderDep
from app.modules.wallets.apple_wallet.generator import MIME_TYPE
from app.modules.wallets.apple_wallet.issuing import IssuedPass, http_date, issue_pass

router = APIRouter(tags=["Cards"])


@router.head(
    "/passes/apple/{pass_id}",
    include_in_schema=False,
    dependencies=[card_holder("The signed pass of one's own card."), rate_limit("live")],
)
@router.get(
    "/passes/apple/{pass_id}",
    response_class=Response,
    responses={200: {"content": {MIME_TYPE: {}}}, **error_responses("unauthenticated", "wallet_unavailable")},
    dependencies=[card_holder("The signed pass of one's own card."), rate_limit("live")],
)
async def get_apple_pass(
    request: Request, card: CardHolderDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Return the signed Apple pass of one's own card; 404 wallet_unavailable where Apple Wallet is not set up."""
    return pass_response(await issue_pass(session, card.merchant_id, card.id, now=clock.now()))


def pass_response(issued: IssuedPass) -> Response:
    """Answer with a pass; no cache in between may keep it."""
    headers = {
        "Last-Modified": http_date(issued.changed_at),
        "Cache-Control": "private, no-store",
        "Content-Disposition": 'attachment; filename="card.pkpass"',
    }
    return Response(issued.data, media_type=MIME_TYPE, headers=headers)
