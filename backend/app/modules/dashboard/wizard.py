"""The first steps after sign-up: a store, what it gives, a PIN for the team, and trying it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef
from app.kernel.adapters import resources_of
from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.idempotency import claim_key, fingerprint_of, store_answer
from app.kernel.permissions import Principal
from app.modules.design.public import CARD_ICONS
from app.modules.rewards.public import Reward, change_reward, list_program_rewards
from app.modules.staff.public import DrawnPin, create_member
from app.modules.stores.public import NewStore, StoreView, change_program, create_store, list_stores
from app.utils.security import Keyring
from app.utils.validators import Name, OptionalLine

STAMPS_NEEDED_MAX = 30
WIZARD_SCOPE = "dashboard.start"

STEPS = (
    ("store", msg("Store"), "/dashboard/start"),
    ("programme", msg("Reward"), "/dashboard/start/programme"),
    ("design", msg("Design"), "/dashboard/start/design"),
    ("poster", msg("Poster"), "/dashboard/start/poster"),
    ("team", msg("Team"), "/dashboard/start/team"),
    ("try", msg("Try it"), "/dashboard/start/try"),
)


def _comma_to_point(value: Any) -> Any:
    # People type 1,5 where their language does; the form's field is theirs, not the API's.
    return value.replace(",", ".").strip() if isinstance(value, str) else value


def _blank_to_default(default: str) -> Any:
    return BeforeValidator(lambda value: default if isinstance(value, str) and not value.strip() else value)


class StoreForm(BaseModel):
    """The first step."""

    model_config = ConfigDict(extra="ignore")
    name: Name
    address: OptionalLine = None
    loyalty_type: Literal["stamps", "points", "hybrid"] = "stamps"


class ProgramForm(BaseModel):
    """The second step; a programme uses the fields of its own kind."""

    model_config = ConfigDict(extra="ignore")
    stamps_needed: Annotated[int, _blank_to_default("10"), Field(ge=2, le=STAMPS_NEEDED_MAX)] = 10
    stamps_title: OptionalLine = None
    points_per_unit: Annotated[
        Decimal, BeforeValidator(_comma_to_point), Field(gt=0, le=1_000, max_digits=8, decimal_places=4)
    ] = Decimal(1)
    points_threshold: Annotated[int, _blank_to_default("100"), Field(ge=1, le=1_000_000)] = 100
    points_title: OptionalLine = None


class LookForm(BaseModel):
    """The third step: a ready look. The designer has everything else."""

    model_config = ConfigDict(extra="ignore")
    palette: Literal["forest", "plum", "night", "brick", "paper"] = "forest"
    icon: Literal[CARD_ICONS] | None = None  # type: ignore[valid-type]


class TeamForm(BaseModel):
    """The step of the team."""

    model_config = ConfigDict(extra="ignore")
    name: Name
    role: Literal["cashier", "manager"] = "manager"
    idempotency_key: Annotated[str, Field(min_length=8, max_length=80)]


def stepper_steps(current: str, *, done: bool) -> list[dict[str, str]]:
    """Return the stepper's lines. done: the store exists, so that later steps may be opened."""
    names = [name for name, _label, _url in STEPS]
    place = names.index(current)
    return [
        {
            "label": _(label),
            "url": url,
            "state": "current" if index == place else "done" if index < place and done else "next",
        }
        for index, (_name, label, url) in enumerate(STEPS)
    ]


def around(current: str) -> dict[str, str]:
    """Return where the steps before and after a step are; empty at the ends."""
    urls = ["", *(url for _name, _label, url in STEPS), ""]
    place = [name for name, _label, _url in STEPS].index(current)
    return {"previous_url": urls[place], "next_url": urls[place + 2]}


async def find_first_store(session: AsyncSession, merchant_id: UUID) -> StoreView | None:
    """Return the store that the first steps are about: the oldest open one."""
    stores = [store for store in await list_stores(session, merchant_id) if store.closed_at is None]
    return stores[0] if stores else None


async def open_first_store(
    session: AsyncSession, principal: Principal, form: StoreForm, *, now: datetime
) -> StoreView:
    """Make the first store, unless there is one: two taps make one store."""
    existing = await find_first_store(session, principal.merchant_id)
    if existing is not None:
        return existing
    new = NewStore(name=form.name, loyalty_type=form.loyalty_type, address=form.address)
    return await create_store(session, principal, new, now=now)


@dataclass(frozen=True, slots=True)
class ProgramStep:
    """What the second step shows: the store's programme and the reward of each kind it gives."""

    store: StoreView
    stamps: Reward | None
    points: Reward | None

    def values(self) -> Mapping[str, Any]:
        """Return the form's values as they stand."""
        return {
            "stamps_needed": self.store.program.stamps_needed,
            "stamps_title": self.stamps.title if self.stamps else "",
            "points_per_unit": f"{self.store.program.points_per_unit.normalize():f}",
            "points_threshold": self.points.threshold if self.points else 100,
            "points_title": self.points.title if self.points else "",
        }


async def program_step(session: AsyncSession, store: StoreView) -> ProgramStep:
    """Return what the second step is about: the highest stamp reward and the lowest points reward."""
    rewards = await list_program_rewards(session, store.merchant_id, store.program.id)
    active = [reward for reward in rewards if reward.active]
    by_threshold = sorted(active, key=lambda reward: reward.threshold)
    stamps = [reward for reward in by_threshold if reward.kind == "stamps"]
    points = [reward for reward in by_threshold if reward.kind == "points"]
    return ProgramStep(store, stamps[-1] if stamps else None, points[0] if points else None)


async def set_program(
    session: AsyncSession, principal: Principal, store: StoreView, *, form: ProgramForm, now: datetime
) -> None:
    """Write the second step: the rules, then the words and the price of the rewards."""
    step = await program_step(session, store)
    changes: dict[str, Any] = {}
    if store.loyalty_type != "points":
        changes["stamps_needed"] = form.stamps_needed
    if store.loyalty_type != "stamps":
        changes["points_per_unit"] = form.points_per_unit
    await change_program(session, principal, store.id, changes=changes, now=now)
    wishes: list[tuple[Reward | None, dict[str, Any]]] = [
        (step.stamps, {"title": form.stamps_title}),
        (step.points, {"title": form.points_title, "threshold": form.points_threshold}),
    ]
    for reward, wanted in wishes:
        given = {name: value for name, value in wanted.items() if value is not None}
        if reward is not None and given:
            await change_reward(session, principal, store.id, reward_id=reward.id, changes=given, now=now)


async def add_first_member(
    session: AsyncSession, principal: Principal, store: StoreView, *, form: TeamForm, now: datetime
) -> DrawnPin | None:
    """Add a member and return the PIN to show once; None where this very form was sent before."""
    keyring = resources_of(session).get(Keyring)
    fingerprint = fingerprint_of(keyring, {"name": form.name, "role": form.role})
    scope, key = f"{WIZARD_SCOPE}|{principal.id}", form.idempotency_key
    claimed = await claim_key(
        session, principal.merchant_id, scope=scope, key=key, fingerprint=fingerprint, now=now
    )
    if claimed is not None:
        return None
    ref = StoreRef(store.merchant_id, store.id)
    drawn = await create_member(session, ref, name=form.name, role=form.role, by=principal, now=now)
    # The answer says only that it was done: a PIN is shown once and stored nowhere.
    await store_answer(session, principal.merchant_id, scope=scope, key=key, answer={"added": True})
    return drawn
