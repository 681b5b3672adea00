"""The rewards of a programme over HTTP: what there is to win, and for how much."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.web.once import IdempotencyHeader, Once, answer_once
from app.kernel.web.present import present_json
from app.kernel.web.problems import error_responses
from app.modules.rewards.config import (
    POINTS_THRESHOLD_MAX,
    NewReward,
    change_reward,
    create_reward,
    list_program_rewards,
)
from app.modules.rewards.models import Reward
from app.modules.stores.public import get_store
from app.utils.validators import Name, Text

router = APIRouter(tags=["Stores and programmes"])
MEMBER_ERRORS = ("unauthenticated", "forbidden", "not_found")
TEXT_LENGTH_MAX = 500
Threshold = Annotated[StrictInt, Field(ge=1, le=POINTS_THRESHOLD_MAX, examples=[10])]
RewardText = Annotated[Text, Field(max_length=TEXT_LENGTH_MAX, examples=["Any size, any milk."])]


class RewardWords(BaseModel):
    """What a reward is called in a language; what is left out is shown as it stands for all."""

    model_config = ConfigDict(extra="forbid")
    title: Name | None = Field(default=None, examples=["Un café offert"])
    text: RewardText | None = None


RewardTexts = Annotated[
    dict[Literal["en", "fr", "de", "lb"], RewardWords],
    Field(description="Title and text for those who read another language."),
]


class RewardRequest(BaseModel):
    """A new reward: so many stamps (up to 100) or points."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["stamps", "points"]
    threshold: Threshold
    title: Name = Field(examples=["A coffee on the house"])
    text: RewardText | None = None
    texts: RewardTexts = {}


class RewardChanges(BaseModel):
    """What may change of a reward; fields left out stay. active false: no longer offered.

    A new title or text without texts takes its translations away: they would say something else.
    """

    model_config = ConfigDict(extra="forbid")
    threshold: Threshold | None = None
    title: Name | None = None
    text: RewardText | None = None
    texts: RewardTexts | None = None
    active: StrictBool | None = None

    @model_validator(mode="after")
    def _only_the_text_may_be_empty(self) -> RewardChanges:
        for name in self.model_fields_set - {"text"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be empty")
        return self


class RewardAnswer(BaseModel):
    """A reward of a programme."""

    id: UUID
    kind: str = Field(examples=["stamps"])
    threshold: int = Field(examples=[10])
    title: str = Field(examples=["A coffee on the house"])
    text: str | None
    texts: dict[str, dict[str, str]]
    active: bool
    created_at: datetime

    @classmethod
    def from_row(cls, row: Reward) -> RewardAnswer:
        """Return the answer for a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class RewardList(BaseModel):
    """A programme's rewards, active ones first."""

    rewards: list[RewardAnswer]


@router.post(
    "/stores/{store_id}/rewards",
    status_code=201,
    response_model=RewardAnswer,
    responses=error_responses(*MEMBER_ERRORS, "wrong_loyalty_type", "key_reused"),
    dependencies=[member("rewards.edit")],
)
async def post_reward(
    store_id: UUID,
    body: RewardRequest,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    key: IdempotencyHeader = None,
) -> Response:
    """Add a reward to the store's programme."""
    now = clock.now()
    fingerprint: dict[str, Any] = {"store_id": str(store_id), **body.model_dump(mode="json")}
    outcome = await answer_once(
        session,
        principal,
        Once("rewards.create", key, fingerprint),
        work=lambda: create_reward(session, principal, store_id, new=NewReward(**body.model_dump()), now=now),
        answer=RewardAnswer.from_row,
        now=now,
    )
    return present_json(outcome, dict)


@router.get(
    "/stores/{store_id}/rewards",
    response_model=RewardList,
    responses=error_responses(*MEMBER_ERRORS),
    dependencies=[member("stores.view")],
)
async def get_rewards(store_id: UUID, principal: MerchantDep, session: SessionDep) -> RewardList:
    """List the rewards of the store's programme."""
    store = await get_store(session, principal.merchant_id, store_id)
    rows = await list_program_rewards(session, principal.merchant_id, store.program.id)
    return RewardList(rewards=[RewardAnswer.from_row(row) for row in rows])


@router.patch(
    "/stores/{store_id}/rewards/{reward_id}",
    response_model=RewardAnswer,
    responses=error_responses(*MEMBER_ERRORS, "last_reward"),
    dependencies=[member("rewards.edit")],
)
async def patch_reward(
    store_id: UUID,
    reward_id: UUID,
    body: RewardChanges,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> RewardAnswer:
    """Change a reward or take it off offer; rewards already unlocked stay unlocked."""
    changes = body.model_dump(exclude_unset=True)
    row = await change_reward(
        session, principal, store_id, reward_id=reward_id, changes=changes, now=clock.now()
    )
    return RewardAnswer.from_row(row)
