"""Stores and programmes over HTTP, for dashboard members and integrations."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.web.once import IdempotencyHeader, Once, answer_once
from app.kernel.web.present import present_json
from app.kernel.web.problems import error_responses
from app.modules.stores.public import get_store, list_stores
from app.modules.stores.schemas import (
    ProgramAnswer,
    ProgramChanges,
    StoreAnswer,
    StoreChanges,
    StoreList,
    StoreRequest,
)
from app.modules.stores.service import change_program, change_store, create_store

router = APIRouter(tags=["Stores and programmes"])
MEMBER_ERRORS = ("unauthenticated", "forbidden")


@router.post(
    "/stores",
    status_code=201,
    response_model=StoreAnswer,
    responses=error_responses(*MEMBER_ERRORS, "not_found", "key_reused", "plan_limit"),
    dependencies=[member("stores.edit")],
)
async def post_store(
    body: StoreRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Open a store, with its own programme and a first reward, or sharing an existing programme."""
    now = clock.now()
    outcome = await answer_once(
        session,
        principal,
        Once("stores.create", key, body.model_dump(mode="json")),
        work=lambda: create_store(session, principal, body.to_new(), now=now),
        answer=StoreAnswer.from_view,
        now=now,
    )
    return present_json(outcome, dict)


@router.get(
    "/stores",
    response_model=StoreList,
    responses=error_responses(*MEMBER_ERRORS),
    dependencies=[member("stores.view")],
)
async def get_stores(principal: MerchantDep, session: SessionDep) -> StoreList:
    """List the stores, open ones first."""
    views = await list_stores(session, principal.merchant_id)
    return StoreList(stores=[StoreAnswer.from_view(view) for view in views])


@router.get(
    "/stores/{store_id}",
    response_model=StoreAnswer,
    responses=error_responses(*MEMBER_ERRORS, "not_found"),
    dependencies=[member("stores.view")],
)
async def get_one_store(store_id: UUID, principal: MerchantDep, session: SessionDep) -> StoreAnswer:
    """Show a store."""
    return StoreAnswer.from_view(await get_store(session, principal.merchant_id, store_id))


@router.patch(
    "/stores/{store_id}",
    response_model=StoreAnswer,
    responses=error_responses(*MEMBER_ERRORS, "not_found", "plan_limit"),
    dependencies=[member("stores.edit")],
)
async def patch_store(
    store_id: UUID, body: StoreChanges, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> StoreAnswer:
    """Change a store, close it, open it again, or switch PINs on customers' phones off and on."""
    view = await change_store(session, principal, store_id, changes=body.to_changes(), now=clock.now())
    return StoreAnswer.from_view(view)


@router.get(
    "/stores/{store_id}/programme",
    response_model=ProgramAnswer,
    responses=error_responses(*MEMBER_ERRORS, "not_found"),
    dependencies=[member("stores.view")],
)
async def get_programme(store_id: UUID, principal: MerchantDep, session: SessionDep) -> ProgramAnswer:
    """Show the rules of a store's programme."""
    return ProgramAnswer.from_view((await get_store(session, principal.merchant_id, store_id)).program)


@router.patch(
    "/stores/{store_id}/programme",
    response_model=ProgramAnswer,
    responses=error_responses(*MEMBER_ERRORS, "not_found"),
    dependencies=[member("programme.edit")],
)
async def patch_programme(
    store_id: UUID, body: ProgramChanges, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> ProgramAnswer:
    """Change the rules, for every store that shares the programme."""
    view = await change_program(session, principal, store_id, changes=body.to_changes(), now=clock.now())
    return ProgramAnswer.from_view(view)
