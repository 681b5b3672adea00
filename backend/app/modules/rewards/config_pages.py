"""The dashboard's pages about rewards: a block on the store's page, and the form of one reward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictInt

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import AppError, NotFound
from app.kernel.i18n import LANGUAGES, msg
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.own_words import own_words
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form, whole
from app.kernel.web.forms import redirect
from app.kernel.web.once import Once, answer_once
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.modules.merchants.public import get_merchant
from app.modules.rewards.config import NewReward, change_reward, create_reward, list_program_rewards
from app.modules.rewards.config_api import RewardText
from app.modules.rewards.models import Reward
from app.modules.stores.public import StoreView, get_store
from app.utils.id_generator import new_id
from app.utils.validators import Name, OptionalLine

router = APIRouter(prefix="/dashboard/stores/{store_id}/rewards", include_in_schema=False)
KIND_NAMES = {"stamps": msg("Stamps"), "points": msg("Points")}


def _empty(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


OptionalText = Annotated[RewardText | None, BeforeValidator(_empty)]


class RewardForm(BaseModel):
    """The form of a reward. kind: of a new one only. wish: the button that was pressed."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["stamps", "points"] = "stamps"
    threshold: StrictInt
    title: Name
    text: OptionalText = None
    title_en: OptionalLine = None
    title_fr: OptionalLine = None
    title_de: OptionalLine = None
    title_lb: OptionalLine = None
    text_en: OptionalText = None
    text_fr: OptionalText = None
    text_de: OptionalText = None
    text_lb: OptionalText = None
    wish: Literal["save", "activate", "deactivate"] = "save"

    def texts(self) -> dict[str, dict[str, str | None]]:
        """Return the title and the text in the languages that have them."""
        return {
            language: {name: getattr(self, f"{name}_{language}") for name in ("title", "text")}
            for language in LANGUAGES
        }

    def to_changes(self) -> dict[str, Any]:
        """Return what changes of the reward."""
        changes: dict[str, Any] = {"threshold": self.threshold, "title": self.title, "text": self.text}
        changes["texts"] = self.texts()
        return changes if self.wish == "save" else {**changes, "active": self.wish == "activate"}


async def _page(
    request: Request,
    session: Any,
    store: StoreView,
    *,
    reward: Reward | None = None,
    form: FormInput[RewardForm] | None = None,
) -> Response:
    kinds = ["stamps", "points"] if store.loyalty_type == "hybrid" else [store.loyalty_type]
    fresh = {"kind": kinds[0], "threshold": "", "title": "", "text": ""} | _said({})
    locale = (await get_merchant(session, store.merchant_id)).locale
    stored = _stored(reward, locale) if reward else fresh
    base = f"/dashboard/stores/{store.id}"
    context = {
        "page_title": reward.title if reward else _("New reward"),
        "back_url": base,
        "back_label": store.name,
        "store": store,
        "reward": reward,
        "tongues": {code: name for code, name in LANGUAGES.items() if code != locale},
        "tongue": LANGUAGES[locale],
        "kinds": [(kind, _(KIND_NAMES[kind])) for kind in kinds],
        "values": {**stored, **form.values} if form else stored,
        "errors": form.errors if form else {},
        "action": f"{base}/rewards/{reward.id if reward else 'new'}",
        "idempotency_key": new_id(),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "rewards/reward.html", context, status_code=status)


def _said(texts: Mapping[str, Any]) -> dict[str, str]:
    """Return the form's values of each language."""
    return {
        f"{name}_{language}": own_words(texts, name, language)
        for language in LANGUAGES
        for name in ("title", "text")
    }


def _stored(reward: Reward, locale: str) -> dict[str, Any]:
    """Return a reward as the form shows it: the shop's own language in the place of the one for all."""
    values: dict[str, Any] = {name: getattr(reward, name) for name in ("kind", "threshold", "title", "text")}
    values |= _said(reward.texts)
    for name in ("title", "text"):
        values[name] = values.pop(f"{name}_{locale}") or values[name]
    return values


@router.get("/new", dependencies=[member("rewards.edit", api_key=False)])
async def get_new_reward_page(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep
) -> Response:
    """Show the form of a new reward."""
    return await _page(request, session, await get_store(session, principal.merchant_id, store_id))


@router.post("/new", dependencies=[member("rewards.edit", api_key=False)])
async def post_new_reward_page(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Add a reward; the form sent twice adds one."""
    store = await get_store(session, principal.merchant_id, store_id)
    form = await read_form(request, RewardForm, convert={"threshold": whole})
    await _add(session, principal, store_id, form=form, now=clock.now())
    if form.errors:
        return await _page(request, session, store, form=form)
    return redirect(request, f"/dashboard/stores/{store_id}", flash=_("Reward added."))


async def _add(
    session: Any, principal: Principal, store_id: UUID, *, form: FormInput[RewardForm], now: Any
) -> None:
    if form.data is None:
        return
    data = form.data
    new = NewReward(data.kind, data.threshold, data.title, data.text, data.texts())
    fingerprint = {"store_id": str(store_id), **data.model_dump(mode="json")}
    try:
        async with session.begin_nested():
            outcome = await answer_once(
                session,
                principal,
                Once("rewards.create_form", form.key, fingerprint),
                work=lambda: create_reward(session, principal, store_id, new=new, now=now),
                answer=lambda reward: {"id": str(reward.id)},
                now=now,
            )
    except AppError as error:
        _note(form, error)
        return
    if isinstance(outcome, Refusal):
        form.errors["title"] = refusal_text(outcome)


def _note(form: FormInput[RewardForm], error: AppError) -> None:
    if error.code in {"last_reward", "wrong_loyalty_type"}:
        form.errors["threshold"] = refusal_text(Refusal(error.code))
    else:
        form.refuse(error)


async def _find(session: Any, store: StoreView, reward_id: UUID) -> Reward:
    rows = await list_program_rewards(session, store.merchant_id, store.program.id)
    found = next((row for row in rows if row.id == reward_id), None)
    if found is None:
        raise NotFound("reward")
    return found


@router.get("/{reward_id}", dependencies=[member("rewards.edit", api_key=False)])
async def get_reward_page(
    request: Request, store_id: UUID, reward_id: UUID, principal: MerchantDep, session: SessionDep
) -> Response:
    """Show the form of a reward."""
    store = await get_store(session, principal.merchant_id, store_id)
    return await _page(request, session, store, reward=await _find(session, store, reward_id))


@router.post("/{reward_id}", dependencies=[member("rewards.edit", api_key=False)])
async def post_reward_page(
    request: Request,
    store_id: UUID,
    reward_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Save a reward, take it off offer, or offer it again."""
    store = await get_store(session, principal.merchant_id, store_id)
    form = await read_form(request, RewardForm, convert={"threshold": whole})
    await _save(session, principal, store_id, reward_id=reward_id, form=form, now=clock.now())
    if form.errors:
        reward = await _find(session, store, reward_id)
        return await _page(request, session, store, reward=reward, form=form)
    return redirect(request, f"/dashboard/stores/{store_id}", flash=_("Reward saved."))


async def _save(
    session: Any,
    principal: Principal,
    store_id: UUID,
    *,
    reward_id: UUID,
    form: FormInput[RewardForm],
    now: Any,
) -> None:
    if form.data is None:
        return
    try:
        async with session.begin_nested():
            changes = form.data.to_changes()
            await change_reward(session, principal, store_id, reward_id=reward_id, changes=changes, now=now)
    except NotFound:
        raise
    except AppError as error:
        _note(form, error)
