"""What a merchant uses, counted; and whether there is room for one more.

A module offers what it counts (METER) and asks before it makes one more (take_room). Who keeps plans answers
(PLAN_LIMIT); where nobody does, there is room for everything. Nothing on a card that exists already ever asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import AppError, Invalid
from app.kernel.hooks import Collect, Keyed, Tell
from app.kernel.i18n import gettext as _

FINE, WARN, REFUSE = "fine", "warn", "refuse"


@dataclass(frozen=True)
class Counting:
    """What a meter counts in: one merchant's transaction, and a month of theirs (since is in it, until is not)."""

    session: AsyncSession
    merchant_id: UUID
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Meter:
    """Something a merchant uses. title: a msg() text.

    is_stock: it counts what there is now (cards, stores), and a month is billed by its highest count; otherwise it
    counts what happened in the month. count: called by the worker, and for a stock when there is a limit to ask.
    only_warns: nothing asks before there is one more of it, whatever the limit (visits).
    """

    title: str
    count: Callable[[Counting], Awaitable[int]]
    is_stock: bool = False
    order: int = 100
    only_warns: bool = False


METER: Keyed[Meter] = Keyed("METER", about="What a merchant's use is counted by, month by month.")


@dataclass(frozen=True)
class LimitAsk:
    """Is there room for some more of a meter? takes: they are made in this transaction, and not only thought of."""

    session: AsyncSession
    merchant_id: UUID
    meter: str
    more: int
    takes: bool
    now: datetime
    modules_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LimitAnswer:
    """What a plan says. level: fine, warn or refuse. upgrade: what the operator says to who wants more.

    code: what is said to customers instead of no_new_cards, where it is no plan that refuses.
    """

    level: str
    used: int
    limit: int
    upgrade: str = ""
    upgrade_url: str = ""
    code: str = "no_new_cards"


# Asked by stores, accounts, cards, crm, nudges and messaging; answered by billing (plans) and closing.
PLAN_LIMIT: Collect[LimitAsk, LimitAnswer] = Collect(
    "PLAN_LIMIT", about="Whether a merchant's plan has room for one more, asked before it is made."
)


@dataclass(frozen=True)
class UsageTold:
    """Something about a merchant's use that another system may want to know, in the transaction that found it.

    event: usage.warned, usage.reached or usage.month_closed; each once for a month (and meter). facts: JSON-ready.
    """

    session: AsyncSession
    merchant_id: UUID
    event: str
    month: date
    facts: Mapping[str, object]
    now: datetime
    modules_on: frozenset[str] = field(default_factory=frozenset)


USAGE_TOLD: Tell[UsageTold] = Tell(
    "USAGE_TOLD", about="A limit came near or was reached, or a month of use was closed."
)


class PlanLimit(Invalid):
    """The plan has no room for this; forms show the words beside the field."""

    code = "plan_limit"


async def find_refusal(
    session: AsyncSession, merchant_id: UUID, meter: str, *, more: int = 1, takes: bool = True, now: datetime
) -> LimitAnswer | None:
    """Return the answer of the plan that has no room, or None where there is room."""
    ask = LimitAsk(session, merchant_id, meter, more, takes, now)
    answers = await PLAN_LIMIT.gather(ask)
    return next((answer for answer in answers if answer.level == REFUSE), None)


async def take_room(
    session: AsyncSession, merchant_id: UUID, meter: str, *, more: int = 1, at: str = "", now: datetime
) -> None:
    """Make sure that the plan has room before something new is made; raises PlanLimit.

    at: the field of the form that the words stand beside; without one the person asking is a customer, and is only
    told that no new card can be made here (no_new_cards).
    """
    refused = await find_refusal(session, merchant_id, meter, more=more, now=now)
    if refused is None:
        return
    if not at:
        raise AppError(code=refused.code)
    facts = {"meter": meter, "limit": refused.limit, "used": refused.used, "upgrade_url": refused.upgrade_url}
    raise PlanLimit(extra={**facts, "fields": {at: refusal_words(refused)}})


def refusal_words(refused: LimitAnswer) -> str:
    """Return what to say to a member where their plan has no more room."""
    words = _("Your plan has room for %(limit)s, and all of it is used.", limit=refused.limit)
    return f"{words} {refused.upgrade}".strip()
