"""Pure decisions about cards: the text of a card token, and what a merge moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

from app.utils.security import b64, unb64

TOKEN_MAC_BYTES = 20
TOKEN_LENGTH_MAX = 120
COOKIE_CARDS_MAX = 24
RANDOM_KEY_LENGTH_MIN = 20
RANDOM_KEY_LETTERS_MIN = 10
_ID_LENGTH = 22

T = TypeVar("T", date, datetime)


@dataclass(frozen=True, slots=True)
class TokenParts:
    """What a card token claims; nothing of it is believed before the mac was checked."""

    merchant_id: UUID
    pass_id: UUID
    version: int
    mac: bytes


def write_token(parts: TokenParts) -> str:
    """Return the token's text: merchant and card in base 64, the version, the mac."""
    return f"{b64(parts.merchant_id.bytes)}{b64(parts.pass_id.bytes)}{parts.version}.{b64(parts.mac)}"


def read_token(text: str) -> TokenParts | None:
    """Return what a token claims, or None for anything that cannot be one."""
    if len(text) > TOKEN_LENGTH_MAX or not text.isascii():
        return None
    head, dot, mac = text.partition(".")
    version = head[2 * _ID_LENGTH :]
    if not dot or not version.isdecimal() or len(version) > 9:
        return None
    try:
        merchant_id = UUID(bytes=unb64(head[:_ID_LENGTH]))
        pass_id = UUID(bytes=unb64(head[_ID_LENGTH : 2 * _ID_LENGTH]))
        parts = TokenParts(merchant_id, pass_id, int(version), unb64(mac))
    except ValueError:
        return None
    # One text per token: base 64 would else allow a few spellings of the same bytes.
    return parts if len(parts.mac) == TOKEN_MAC_BYTES and write_token(parts) == text else None


def remember_token(held: Sequence[str], token: str, *, behind_own: bool = False) -> list[str]:
    """Return a device's tokens with this one first; older ones of it and the 25th card go.

    behind_own: the token came by a link that anybody may have sent. A card that is held stays where it is, and a
    new one stands behind those of the same merchant: a planted link must not collect the visitor's stamps.
    """
    parts = read_token(token)
    assert parts is not None
    known = [(text, other) for text in held if (other := read_token(text))]
    others = [text for text, other in known if other.pass_id != parts.pass_id]
    place = 0
    if behind_own:
        own = [at for at, (_, other) in enumerate(known) if other.pass_id == parts.pass_id]
        last = [at for at, (_, other) in enumerate(known) if other.merchant_id == parts.merchant_id]
        place = own[0] if own else last[-1] + 1 if last else 0
    return [*others[:place], token, *others[place:]][:COOKIE_CARDS_MAX]


def is_unguessable(key: str) -> bool:
    """Tell whether a key looks drawn at random, like a UUID: long, and of many different characters.

    Numbers that count up, dates and names of tills are not; whoever shares the address could try them.
    """
    return len(key) >= RANDOM_KEY_LENGTH_MIN and len(set(key)) >= RANDOM_KEY_LETTERS_MIN


@dataclass(frozen=True, slots=True)
class MergeSide:
    """One of the two cards of a merge, as read under its lock."""

    stamp_count: int
    points_balance: int
    rewards_banked: Mapping[str, int]
    rewards_kept: Mapping[str, int]
    last_stamp_at: datetime | None
    last_points_at: datetime | None
    first_stamp_at: datetime | None
    last_visit_at: datetime | None
    visits_day: date | None
    visits_today: int
    known_stores: Sequence[UUID]


def merge_sides(source: MergeSide, target: MergeSide) -> MergeSide:
    """Return what the target holds afterwards: everything of both, and the stricter of their limits.

    The stamps may exceed a full card: both cards were earned, and nothing earned is lost by joining them.
    """
    banked = dict(target.rewards_banked)
    for reward_id, waiting in source.rewards_banked.items():
        banked[reward_id] = banked.get(reward_id, 0) + waiting
    kept = dict(target.rewards_kept)
    for reward_id, threshold in source.rewards_kept.items():
        kept[reward_id] = min(threshold, kept.get(reward_id, threshold))
    day = _latest((source.visits_day, target.visits_day))
    return MergeSide(
        stamp_count=source.stamp_count + target.stamp_count,
        points_balance=source.points_balance + target.points_balance,
        rewards_banked=banked,
        rewards_kept=kept,
        last_stamp_at=_latest((source.last_stamp_at, target.last_stamp_at)),
        last_points_at=_latest((source.last_points_at, target.last_points_at)),
        first_stamp_at=min((at for at in (source.first_stamp_at, target.first_stamp_at) if at), default=None),
        last_visit_at=_latest((source.last_visit_at, target.last_visit_at)),
        visits_day=day,
        visits_today=sum(side.visits_today for side in (source, target) if side.visits_day == day),
        known_stores=sorted({*source.known_stores, *target.known_stores}),
    )


def _latest(values: Iterable[T | None]) -> T | None:
    return max((value for value in values if value is not None), default=None)
