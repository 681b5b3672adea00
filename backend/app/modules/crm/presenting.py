"""What stands in the address of the list, and the words of its filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, ValidationError, field_validator

from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.modules.crm.listing import ORDERS
from app.modules.customers.public import AudienceFilter, TagView
from app.modules.stores.public import StoreView
from app.utils.validators import clean_line

URL = "/dashboard/customers"
SEARCH_LENGTH_MAX = 120
VISITS_TYPED_MAX = 100_000
COUNTED_MAX = 10_000

CONSENT_WORDS = {"yes": msg("agreed to e-mails"), "no": msg("no consent")}
WALLET_WORDS = {
    "apple": msg("in Apple Wallet"),
    "google": msg("in Google Wallet"),
    "none": msg("in no wallet"),
}
ACTIVITY_WORDS = {
    "new": msg("new: joined within 30 days"),
    "back": msg("came back: 2 visits or more"),
    "quiet": msg("gone quiet: no visit for 90 days"),
    "never": msg("never came"),
}
ORDER_WORDS = {"newest": msg("Newest first"), "name": msg("By name"), "visit": msg("Last visit first")}
# What a filter in the address may be called; everything else there is dropped.
FIELDS = (
    *("q", "store", "consent", "wallet", "activity", "month", "tag", "reward", "blocked"),
    *("visits_min", "visits_max", "order"),
)


class ListQuery(BaseModel):
    """The filters of the list as they stand in the address; what cannot be meant is no filter."""

    q: str = ""
    store: UUID | None = None
    consent: str | None = None
    wallet: str | None = None
    activity: str | None = None
    month: int | None = None
    tag: UUID | None = None
    reward: bool = False
    blocked: bool = False
    visits_min: int | None = None
    visits_max: int | None = None
    order: str = "newest"

    @field_validator("q")
    @classmethod
    def _line(cls, value: str) -> str:
        return clean_line(value)[:SEARCH_LENGTH_MAX]

    @field_validator("consent", "wallet", "activity", "order")
    @classmethod
    def _known(cls, value: str | None, info: Any) -> str | None:
        words: dict[str | None, Any] = {
            "consent": CONSENT_WORDS,
            "wallet": WALLET_WORDS,
            "activity": ACTIVITY_WORDS,
            "order": ORDERS,
        }
        if value not in words[info.field_name]:
            raise ValueError("unknown")
        return value

    @field_validator("month")
    @classmethod
    def _month(cls, value: int | None) -> int | None:
        if value is not None and not 1 <= value <= 12:
            raise ValueError("no month")
        return value

    @field_validator("visits_min", "visits_max")
    @classmethod
    def _visits(cls, value: int | None) -> int | None:
        if value is not None and not 0 <= value <= VISITS_TYPED_MAX:
            raise ValueError("not a number of visits")
        return value

    def audience(self, principal: Principal) -> AudienceFilter:
        """Return whom that means, within the stores of the member who asks."""
        return AudienceFilter(
            text=self.q,
            store_id=self.store,
            consent=self.consent,
            wallet=self.wallet,
            activity=self.activity,
            birthday_month=self.month,
            tag_id=self.tag,
            reward=self.reward,
            blocked=self.blocked,
            visits_min=self.visits_min,
            visits_max=self.visits_max,
            within=principal.store_ids,
        )

    def address(self, **over: Any) -> str:
        """Return the list's address with these filters. over: values to set, None to leave out."""
        values = {**self.model_dump(mode="json"), **over}
        if values.get("order") == "newest":
            values["order"] = None
        kept = {name: value for name, value in values.items() if value not in (None, "", False)}
        kept |= {name: "true" for name, value in kept.items() if value is True}
        return f"{URL}?{urlencode(kept)}" if kept else URL


def read_query(given: Mapping[str, str]) -> ListQuery:
    """Read an address or a form; a field that makes no sense is left out."""
    values = {name: given[name] for name in FIELDS if given.get(name)}
    for _round in range(len(FIELDS)):
        try:
            return ListQuery.model_validate(values)
        except ValidationError as error:
            wrong = {str(row["loc"][0]) for row in error.errors()}
            values = {name: value for name, value in values.items() if name not in wrong}
    return ListQuery()


def month_names() -> list[tuple[int, str]]:
    """Return the months in the reader's language."""
    names = current().locale.months["stand-alone"]["wide"]
    return [(number, names[number]) for number in range(1, 13)]


def chips(query: ListQuery, *, stores: list[StoreView], tags: list[TagView]) -> list[dict[str, str]]:
    """Return the filters that are on, each with the address of the list without it."""
    found: list[tuple[str, str]] = []
    store = next((store.name for store in stores if store.id == query.store), None)
    tag = next((tag.name for tag in tags if tag.id == query.tag), None)
    words = {
        "store": store,
        "consent": _(CONSENT_WORDS[query.consent]) if query.consent else None,
        "wallet": _(WALLET_WORDS[query.wallet]) if query.wallet else None,
        "activity": _(ACTIVITY_WORDS[query.activity]) if query.activity else None,
        "month": _("birthday in %(month)s", month=dict(month_names())[query.month]) if query.month else None,
        "tag": tag,
        "reward": _("a reward waits") if query.reward else None,
        "blocked": _("blocked") if query.blocked else None,
        "visits_min": _("at least %(num)s visits", num=query.visits_min) if query.visits_min else None,
        "visits_max": _("at most %(num)s visits", num=query.visits_max)
        if query.visits_max is not None
        else None,
    }
    found = [(name, word) for name, word in words.items() if word]
    return [{"label": word, "url": query.address(**{name: None})} for name, word in found]


def options(words: Mapping[str, str], nothing: str) -> list[tuple[str, str]]:
    """Return the choices of a select, the first meaning all."""
    return [("", nothing), *((value, _(word)) for value, word in words.items())]
