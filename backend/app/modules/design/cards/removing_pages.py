"""Taking one of the merchant's own pictures away, as long as it is on no card."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.modules.design.cards.pages import show_designer
from app.modules.design.cards.pictures import Kind, delete_picture, find_picture, is_used
from app.modules.design.schemas import DesignForm
from app.modules.design.service import design_url
from app.modules.stores.public import get_store

router = APIRouter(prefix="/dashboard/stores/{store_id}/design", include_in_schema=False)


class ChosenPictures(BaseModel):
    """What of the designer's form says which pictures are chosen."""

    model_config = ConfigDict(extra="ignore")
    logo: Annotated[str, Field(max_length=100)] = ""
    icon: Annotated[str, Field(max_length=100)] = ""
    ground: Annotated[str, Field(max_length=100)] = ""

    def digest_of(self, kind: Kind) -> str:
        """Return the hash of the own picture that is chosen, or nothing where it is one of the ready ones."""
        if kind == "logo":
            return self.logo
        name, start = (self.icon, "own-") if kind == "stamp" else (self.ground, "photo-")
        return name.rpartition("-")[2] if name.startswith(start) else ""


async def remove_picture(
    session: AsyncSession, principal: Principal, digest: str, *, kind: Kind, now: datetime
) -> None:
    """Delete a picture; raises Invalid where none is chosen, or a card shows it."""
    merchant_id = principal.merchant_id
    # Whoever saves a design with it meanwhile holds it until that is committed, and is seen below.
    picture = await find_picture(session, merchant_id, digest, locked="alone") if digest else None
    if picture is None or picture.kind != kind:
        raise Invalid(extra={"fields": {kind: _("Choose one of your own pictures above first.")}})
    if await is_used(session, merchant_id, digest):
        raise Invalid(
            extra={"fields": {kind: _("Cards show this picture. Save the design with another first.")}}
        )
    await delete_picture(session, principal, picture, now=now)


@router.post("/pictures/{kind}/remove", dependencies=[member("programme.edit", api_key=False)])
async def post_remove_picture(
    request: Request, store_id: UUID, kind: Kind, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take the chosen own picture away; what was typed stays where it is refused."""
    store = await get_store(session, principal.merchant_id, store_id)
    chosen = await read_form(request, ChosenPictures)
    try:
        digest = chosen.data.digest_of(kind) if chosen.data else ""
        await remove_picture(session, principal, digest, kind=kind, now=clock.now())
    except Invalid as error:
        form = FormInput[DesignForm](chosen.values, None)
        form.refuse(error)
        return await show_designer(request, session, store, form=form, now=clock.now())
    return redirect(request, f"{design_url(store_id)}#{kind}", flash=_("Picture removed."))
