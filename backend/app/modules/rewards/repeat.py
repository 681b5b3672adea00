"""Redeeming and taking back may be repeated: one key, one effect, one answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.idempotency import Replay, claim_key, fingerprint_of, release_key, store_answer
from app.kernel.outcomes import Refusal
from app.modules.staff.public import StaffRef
from app.utils.security import Keyring


class Answered(Protocol):
    """A granted outcome: its answer is JSON-ready and holds no names."""

    @property
    def answer(self) -> dict[str, Any]:
        """Return the state after it."""
        ...


G = TypeVar("G", bound=Answered)


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What makes a request the same request: the route, its key, the card, and the body without secrets."""

    route: str
    key: str | None
    pass_id: UUID
    body: Mapping[str, object]

    def scope(self, staff: StaffRef) -> str:
        """Return the scope of the key: the route and the card, or the API key that integrations use."""
        holder = f"key:{staff.id}" if staff.via == "api_key" else f"card:{self.pass_id}"
        return f"{self.route}|{holder}"


async def do_once(
    session: AsyncSession,
    merchant_id: UUID,
    request: Repeatable,
    *,
    staff: StaffRef,
    work: Callable[[], Awaitable[G | Refusal]],
    now: datetime,
) -> G | Replay | Refusal:
    """Do the work unless the key was used; only granted answers are kept. The credential was checked before."""
    key = request.key
    if key is None:
        return await work()
    scope = request.scope(staff)
    fingerprint = fingerprint_of(resources_of(session).get(Keyring), request.body)
    used = await claim_key(session, merchant_id, scope=scope, key=key, fingerprint=fingerprint, now=now)
    if used is not None:
        return used
    outcome = await work()
    if isinstance(outcome, Refusal):
        await release_key(session, merchant_id, scope=scope, key=key)
    else:
        await store_answer(session, merchant_id, scope=scope, key=key, answer=outcome.answer)
    return outcome
