"""Pure decisions about messages: what may stand in a text, when a shop is quiet, whose birthday it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.kernel.i18n import msg
from app.utils.validators import without_links

SUBJECT_MAX = 120
TEXT_MAX = 4_000
FACT_MAX = 200
# One message per customer and week, whatever its kind (product.md 6).
REST = timedelta(days=7)
# Long enough to have left the shop, and for a mistake to be undone.
AFTER_VISIT = timedelta(hours=2)
# Somebody who has not come for longer is not told of a card that stands still.
VISIT_COUNTS_FOR = timedelta(days=8)
EXPIRY_AHEAD = timedelta(days=14)
_PLACE = re.compile(r"\{([^{}\s]{1,40})\}")


@dataclass(frozen=True, slots=True)
class Kind:
    """A message that goes by itself. title, when, subject, text: msg() texts. places: what its text may name."""

    title: str
    when: str
    subject: str
    text: str
    places: tuple[str, ...]
    icon: str


CARD_PLACES = ("name", "shop", "stamps", "reward")
KINDS: Mapping[str, Kind] = {
    "reward_ready": Kind(
        msg("Reward ready"),
        msg("A few hours after the visit that filled the card, if the reward was not redeemed."),
        msg("Your reward is waiting: {reward}"),
        msg("Hello {name}\n\nYour card at {shop} is full. {reward} is waiting for you at your next visit."),
        CARD_PLACES,
        "gift",
    ),
    "one_away": Kind(
        msg("One stamp away"),
        msg("A few hours after the visit that left one stamp to go."),
        msg("One more stamp for {reward}"),
        msg("Hello {name}\n\nYou have {stamps} stamps at {shop}. One more, and you get: {reward}."),
        CARD_PLACES,
        "rubber-stamp",
    ),
    "birthday": Kind(
        msg("Birthday"),
        msg("On the morning of the birthday, if the customer gave it."),
        msg("Happy birthday, {name}!"),
        msg(
            "Hello {name}\n\nAll of us at {shop} wish you a happy birthday. We look forward to your next visit."
        ),
        ("name", "shop"),
        "cake",
    ),
    "points_expiring": Kind(
        msg("Points about to expire"),
        msg("Fourteen days before points expire."),
        msg("{points} points expire on {date}"),
        msg(
            "Hello {name}\n\nAt {shop}, {points} of your points expire on {date}. They are still good until then."
        ),
        ("name", "shop", "points", "date"),
        "clock",
    ),
}
# Mails that somebody asked for: their words are the shop's to choose, whether they go is not.
ASKED_KINDS: Mapping[str, Kind] = {
    "card_link": Kind(
        msg("Link to the card"),
        msg("When somebody asks for their card, at once."),
        msg("Your card at {shop}"),
        msg("This link opens your card at {shop} on the device you read this on:"),
        ("name", "shop"),
        "mail",
    ),
    "verify_address": Kind(
        msg("Confirm the address"),
        msg("When somebody gives an address, at once. It also confirms the agreement to news."),
        msg("Confirm your e-mail for your card at {shop}"),
        msg("Please confirm that this address belongs to your card at {shop}:"),
        ("name", "shop"),
        "check",
    ),
}
ALL_KINDS: Mapping[str, Kind] = {**KINDS, **ASKED_KINDS}
NEWS_PLACES = ("name", "shop")
# Go when the shop writes them, where it has not switched them off.
NEWS_KINDS: Mapping[str, str] = {"promotion": msg("Promotion"), "new_collection": msg("New collection")}


def unknown_places(text: str, allowed: tuple[str, ...]) -> list[str]:
    """Return the placeholders in a text that stand for nothing here, as they were written, each once."""
    return list(dict.fromkeys("{" + name + "}" for name in _PLACE.findall(text) if name not in allowed))


def fill(text: str, facts: Mapping[str, str]) -> str:
    """Put facts in the places of a text, once: what a fact says is never read again, and is one line.

    A greeting without a name loses the blank before the place and the comma after it. Anybody can give any name, and
    any mailbox with it: no mail programme makes a link of one.
    """
    if not facts.get("name"):
        text = re.sub(r",? ?\{name\}", "", text)

    def fact(match: re.Match[str]) -> str:
        known = facts.get(match.group(1))
        if known is None:
            return match.group()
        line = " ".join(known.split())[:FACT_MAX]
        return without_links(line) if match.group(1) == "name" else line

    return _PLACE.sub(fact, text)


def quiet_until(now: datetime, *, zone: str, begin: time, end: time) -> datetime | None:
    """Return when the quiet hours at hand end, or None outside of them; the same begin and end: none.

    Times are the shop's clock; an hour that a change of the clock leaves out or repeats counts as the clock shows it.
    """
    if begin == end:
        return None
    local = now.astimezone(ZoneInfo(zone))
    clock = local.time().replace(tzinfo=None)
    is_over_midnight = begin > end
    is_quiet = (clock >= begin or clock < end) if is_over_midnight else begin <= clock < end
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1 if is_over_midnight and clock >= begin else 0)
    ends = [datetime.combine(day, end, ZoneInfo(zone)).replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    # In a night in which an hour comes twice, the end may be past once and still ahead the second time.
    return next((moment for moment in ends if moment > now), ends[-1])


def birthdays_on(today: date) -> tuple[tuple[int, int], ...]:
    """Return the (month, day) pairs celebrated today: who was born on 29 February celebrates on the 28th otherwise."""
    if (today.month, today.day) == (2, 28) and (today + timedelta(days=1)).month == 3:
        return ((2, 28), (2, 29))
    return ((today.month, today.day),)


def is_rested(last_at: datetime | None, *, now: datetime) -> bool:
    """Tell whether a customer may get another message."""
    return last_at is None or now - last_at >= REST
