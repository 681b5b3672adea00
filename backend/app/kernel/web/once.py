"""A request that may be repeated: the Idempotency-Key header, and a use case run at most once a key."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Header
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.idempotency import (
    KEY_LENGTH_MAX,
    Replay,
    claim_key,
    fingerprint_of,
    release_key,
    store_answer,
)
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.utils.security import Keyring

T = TypeVar("T")

IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=KEY_LENGTH_MAX,
        description="Repeat a request safely: the same key and body give the first answer for 48 hours.",
        examples=["b0f3c1de-5a1e-4d0c-9d3a-3c6f2f0a7b11"],
    ),
]


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a request the same request. route: names the endpoint. body: without secrets."""

    route: str
    key: str | None
    body: Mapping[str, object]


async def answer_once(
    session: AsyncSession,
    principal: Principal,
    once: Once,
    *,
    work: Callable[[], Awaitable[T | Refusal]],
    answer: Callable[[T], BaseModel | Mapping[str, Any]],
    now: datetime,
) -> Mapping[str, Any] | Replay | Refusal:
    """Run the work of a member's request and return its JSON answer, or the stored one of an earlier run.

    Only granted answers are kept: they hold ids and settings, never a secret or a person's name.
    """
    if once.key is None:
        outcome = await work()
        return outcome if isinstance(outcome, Refusal) else _as_json(answer(outcome))
    scope = f"{once.route}:{principal.kind}:{principal.id}"
    fingerprint = fingerprint_of(resources_of(session).get(Keyring), once.body)
    merchant_id = principal.merchant_id
    earlier = await claim_key(
        session, merchant_id, scope=scope, key=once.key, fingerprint=fingerprint, now=now
    )
    if earlier is not None:
        return earlier
    outcome = await work()
    if isinstance(outcome, Refusal):
        await release_key(session, merchant_id, scope=scope, key=once.key)
        return outcome
    made = _as_json(answer(outcome))
    await store_answer(session, merchant_id, scope=scope, key=once.key, answer=made)
    return made


def _as_json(answer: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json")
    plain: dict[str, Any] = json.loads(json.dumps(dict(answer), default=str))
    return plain
