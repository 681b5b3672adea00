"""The business itself over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.web.problems import error_responses
from app.modules.merchants import schemas
from app.modules.merchants.public import MerchantView, get_merchant
from app.modules.merchants.service import change_merchant

router = APIRouter(tags=["Accounts"])


def _details(view: MerchantView) -> schemas.MerchantDetails:
    return schemas.MerchantDetails(
        **{name: getattr(view, name) for name in schemas.MerchantDetails.model_fields}
    )


@router.get(
    "/merchants/current",
    response_model=schemas.MerchantDetails,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("members.view", api_key=False)],
)
async def get_current_merchant(principal: MerchantDep, session: SessionDep) -> schemas.MerchantDetails:
    """Show the own business."""
    return _details(await get_merchant(session, principal.merchant_id))


@router.patch(
    "/merchants/current",
    response_model=schemas.MerchantDetails,
    responses=error_responses("unauthenticated", "forbidden"),
    dependencies=[member("merchant.edit", api_key=False)],
)
async def patch_current_merchant(
    body: schemas.MerchantChanges, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> schemas.MerchantDetails:
    """Change name, language, time zone, currency or colours."""
    await change_merchant(session, principal, body.to_changes(), now=clock.now())
    return _details(await get_merchant(session, principal.merchant_id))
