"""The demo's picture of a pass as Google Wallet would show it, drawn from what the stand-in was sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from app.config import Settings
from app.db.session import tenant_scope
from app.dependencies import ClockDep
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.permissions import card_holder
from app.kernel.web.forms import redirect
from app.kernel.web.templates import render
from app.modules.cards.public import remember_card
from app.modules.qr.public import qr_svg
from app.modules.wallets.google_wallet.accounts import STAND_IN_ISSUER
from app.modules.wallets.google_wallet.api import held_card, resources_from
from app.modules.wallets.google_wallet.callbacks import CallbackMessage, take_callback
from app.modules.wallets.google_wallet.models import GoogleObjectRow
from app.modules.wallets.google_wallet.rules import class_id, object_id
from app.modules.wallets.google_wallet.stand_in import StandIn
from app.modules.wallets.google_wallet.stand_in_keys import stand_in_keys
from app.modules.wallets.messages.rules import MESSAGES_SHOWN_MAX
from app.modules.wallets.rules import readable_on

router = APIRouter(include_in_schema=False)
TITLE_LENGTH_MAX = 26
LINE_LENGTH_MAX = 44


def stand_in_of(settings: Settings) -> StandIn:
    """Return the demo's stand-in; raises NotFound outside the demo."""
    if not settings.demo:
        raise NotFound("preview")
    return StandIn(settings.data_dir / "google-stand-in")


def describe(stand_in: StandIn, key: str) -> dict[str, Any]:
    """Return what the picture of a pass shows; raises NotFound for a pass that was never sent."""
    pass_object = stand_in.find("loyaltyObject", key)
    program = stand_in.find("loyaltyClass", str(pass_object["classId"])) if pass_object else None
    if pass_object is None or program is None:
        raise NotFound("pass")
    background = str(program["hexBackgroundColor"])
    balances = [
        pass_object[name] for name in ("loyaltyPoints", "secondaryLoyaltyPoints") if name in pass_object
    ]
    hero = pass_object.get("heroImage") or program["heroImage"]
    barcode = pass_object.get("barcode", {})
    return {
        "background": background,
        "foreground": readable_on(background),
        "issuer": _cut(program["issuerName"], TITLE_LENGTH_MAX),
        "program": _cut(program["programName"], TITLE_LENGTH_MAX),
        "logo": _path(program["programLogo"]["sourceUri"]["uri"]),
        "hero": _path(hero["sourceUri"]["uri"]),
        "balances": [(_cut(row["label"], 12), str(next(iter(row["balance"].values())))) for row in balances],
        "holder": _cut(pass_object.get("accountName", ""), TITLE_LENGTH_MAX),
        "number": barcode.get("alternateText", ""),
        "code": Markup(qr_svg(barcode["value"], title=_("Your card’s code"))) if barcode else "",  # noqa: S704
        "lines": [
            (_cut(row["header"], LINE_LENGTH_MAX), _cut(row["body"], LINE_LENGTH_MAX))
            for row in [
                *pass_object.get("messages", [])[: -MESSAGES_SHOWN_MAX - 1 : -1],
                *pass_object.get("textModulesData", []),
            ]
        ],
        "state": pass_object["state"],
    }


def _path(url: str) -> str:
    """Return the address as this site's own: the demo may be open under another name."""
    return urlsplit(url).path


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


@router.get("/passes/google/{pass_id}/preview", dependencies=[card_holder("One's own pass, in the demo.")])
async def get_preview(request: Request, pass_id: UUID) -> Response:
    """Show the pass as Google Wallet would."""
    card = await held_card(request, pass_id)
    key = object_id(STAND_IN_ISSUER, card.merchant_id, card.id)
    shown = describe(stand_in_of(request.app.state.settings), key)
    async with tenant_scope(request.app.state.database, card.merchant_id) as session:
        row = await session.get(GoogleObjectRow, (card.merchant_id, card.id))
    is_saved = row is not None and row.saves > row.deletions
    context = {"shown": shown, "pass_id": card.id, "is_saved": is_saved}
    response = render(request, "wallets/google_preview.html", context)
    remember_card(request, response, card, behind_own=True)
    return response


@router.post("/passes/google/{pass_id}/preview", dependencies=[card_holder("One's own pass, in the demo.")])
async def post_preview(request: Request, pass_id: UUID, clock: ClockDep) -> Response:
    """Save or remove the pass, as a phone would: the stand-in signs a callback, which is checked like Google's."""
    card, now = await held_card(request, pass_id), clock.now()
    stand_in_of(request.app.state.settings)
    async with tenant_scope(request.app.state.database, card.merchant_id) as session:
        known = await session.get(GoogleObjectRow, (card.merchant_id, card.id))
    event = "del" if known is not None and known.saves > known.deletions else "save"
    message = stand_in_keys(request.app.state.settings).message(
        event,
        class_id=class_id(STAND_IN_ISSUER, card.merchant_id, card.program_id),
        object_id=object_id(STAND_IN_ISSUER, card.merchant_id, card.id),
        now=now,
    )
    await take_callback(resources_from(request), CallbackMessage.model_validate(message), now=now)
    return redirect(request, f"/passes/google/{card.id}/preview")
