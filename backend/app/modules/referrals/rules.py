"""What is decided about friends brought along: when the visit counts, what looks like misuse, what is still allowed.

Pure: visits, moments and facts come in as arguments.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

# Why a gift waits for the shop, in the order in which they are shown.
REASONS = ("self", "circle", "known", "same_mail", "same_device")
# Providers that deliver one mailbox's mail under several names of their own domain.
SAME_PROVIDER = {"googlemail.com": "gmail.com", "pm.me": "proton.me", "protonmail.com": "proton.me"}
DOTS_MEAN_NOTHING = frozenset({"gmail.com"})
# Letters of other alphabets, and digits, that look like Latin ones; only for comparing, never for writing to.
_PAIRS = (
    "аa вb еe ѕs іi јj кk ӏl мm нh оo рp сc тt уy хx һh ԁd ԛq ԝw ѵv гr "  # noqa: RUF001
    "αa βb εe ιi κk νv οo ρp τt υu χx ωw ɡg ıi ℓl 0o 1l 5s"  # noqa: RUF001
)
_LOOKS_LIKE = str.maketrans({pair[0]: pair[1] for pair in _PAIRS.split()})


@dataclass(frozen=True, slots=True)
class Gift:
    """What one side gets; any part may be nothing."""

    points: int = 0
    stamps: int = 0
    reward_id: UUID | None = None

    @property
    def parts(self) -> dict[str, Gift]:
        """Return its parts one by one: what a card cannot hold must not keep back the others."""
        parts = {
            "points": Gift(points=self.points),
            "stamps": Gift(stamps=self.stamps),
            "reward": Gift(reward_id=self.reward_id),
        }
        return {name: part for name, part in parts.items() if part != Gift()}


@dataclass(frozen=True, slots=True)
class Promise:
    """What both are told when the friend joins; kept whatever is changed afterwards."""

    inviter: Gift
    friend: Gift

    def as_row(self) -> dict[str, Any]:
        """Return it for the database."""
        return {side: _gift_row(getattr(self, side)) for side in ("inviter", "friend")}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Promise:
        """Return what as_row made."""
        return cls(_gift_of(row.get("inviter", {})), _gift_of(row.get("friend", {})))


def _gift_row(gift: Gift) -> dict[str, Any]:
    reward = str(gift.reward_id) if gift.reward_id else None
    return {"points": gift.points, "stamps": gift.stamps, "reward_id": reward}


def _gift_of(row: Mapping[str, Any]) -> Gift:
    reward = row.get("reward_id")
    return Gift(int(row.get("points", 0)), int(row.get("stamps", 0)), UUID(reward) if reward else None)


@dataclass(frozen=True, slots=True)
class PaidVisit:
    """A visit of the friend that was not taken back."""

    id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Ripe:
    """The visit that counts, past the minutes in which it can be undone at the till."""

    visit_id: UUID


@dataclass(frozen=True, slots=True)
class Wait:
    """until: when the visit can no longer be undone; None: the friend has yet to come."""

    until: datetime | None


def ripen(visits: Sequence[PaidVisit], *, needed: int, window: timedelta, now: datetime) -> Ripe | Wait:
    """Find the n-th visit by time, and tell whether it still can be undone at the till."""
    in_order = sorted(visits, key=lambda visit: (visit.at, visit.id))
    if len(in_order) < needed:
        return Wait(None)
    counted = in_order[needed - 1]
    until = counted.at + window
    # Exactly at its end a visit can still be taken back.
    return Ripe(counted.id) if now > until else Wait(until)


def within_limits(in_month: int, in_total: int, *, month_max: int, total_max: int) -> bool:
    """Tell whether one more friend is rewarded."""
    return in_month < month_max and in_total < total_max


def mail_key(address: str | None) -> str:
    """Return what two addresses of one mailbox have in common, or look as if they had; empty for none.

    Case, plus tags, the dots that Gmail ignores, names of one provider, and letters that look the same. It errs towards
    alike: what follows is a look by a person, not a refusal.
    """
    local, at, domain = (address or "").strip().rpartition("@")
    if not at or not local:
        return ""
    domain = _decode_domain(domain)
    domain = SAME_PROVIDER.get(domain, domain)
    local = local.split("+", 1)[0] or local
    if _skeleton(domain) in {_skeleton(one) for one in DOTS_MEAN_NOTHING}:
        local = local.replace(".", "")
    return f"{_skeleton(local)}@{_skeleton(domain)}"


def _decode_domain(domain: str) -> str:
    plain = unicodedata.normalize("NFKC", domain).casefold().rstrip(".")
    try:
        return plain.encode("ascii").decode("idna") if "xn--" in plain else plain
    except UnicodeError:
        return plain


def _skeleton(text: str) -> str:
    """Return the text as an eye in a hurry reads it: no accents, look-alikes as Latin letters."""
    spread = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(letter for letter in spread if not unicodedata.combining(letter))
    return bare.translate(_LOOKS_LIKE).replace("rn", "m").replace("vv", "w")


def closes_circle(chain: Sequence[UUID], friend: UUID) -> bool:
    """Tell whether the friend is among those who brought the inviter along, however far back."""
    return friend in chain


def in_order(reasons: Sequence[str]) -> list[str]:
    """Return each reason once, the gravest first."""
    return [reason for reason in REASONS if reason in set(reasons)]
