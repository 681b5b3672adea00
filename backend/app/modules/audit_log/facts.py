"""What stands beside an entry, in words. The file keeps the names as they are stored, for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.kernel.audit import AUDIT_VALUE
from app.kernel.i18n import current, msg, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.money import Money

# What may have changed. A name without words is shown with spaces for its underscores.
FIELD_WORDS: Mapping[str, str] = {
    "name": msg("name"),
    "email": msg("e-mail address"),
    "phone": msg("phone"),
    "address": msg("address"),
    "language": msg("language"),
    "currency": msg("currency"),
    "time_zone": msg("time zone"),
    "opening_hours": msg("opening hours"),
    "role": msg("role"),
    "stores": msg("stores"),
    "store_ids": msg("stores"),
    "design": msg("card design"),
    "loyalty_type": msg("kind of programme"),
    "stamps_needed": msg("stamps on a full card"),
    "points_per_unit": msg("points per unit of money"),
    "cooldown_minutes": msg("wait between visits"),
    "daily_visits": msg("visits a day"),
    "title": msg("title"),
    "description": msg("description"),
    "threshold": msg("what it takes"),
    "is_active": msg("on offer"),
    "phone_pins": msg("PINs on customers' phones"),
    "count": msg("how many"),
    "feature": msg("feature"),
    "rule": msg("rule"),
    "reason": msg("reason"),
    "kind": msg("kind"),
    "reward_id": msg("reward"),
    "locale": msg("language"),
    "table": msg("table"),
    "form": msg("form"),
    "rows": msg("rows"),
    "amount": msg("amount"),
    "rate": msg("share given back"),
    "rounding": msg("rounding"),
    "expiry_months": msg("months until it expires"),
    "hand_max": msg("most by hand"),
    "factor": msg("factor"),
    "basis": msg("counted by"),
    "window": msg("time that counts"),
    "grace_days": msg("days of grace"),
    "downgrade": msg("way down"),
    "days_before": msg("days before"),
    "days_after": msg("days after"),
    "redeem_days": msg("days to redeem"),
    "known_days": msg("days known before"),
    "days_kept": msg("days kept"),
    "inactive_months": msg("months without a visit"),
    "visits_needed": msg("visits of the friend"),
    "month_max": msg("most a month"),
    "total_max": msg("most in all"),
    "inviter_points": msg("points for who brought a friend"),
    "inviter_stamps": msg("stamps for who brought a friend"),
    "inviter_reward": msg("reward for who brought a friend"),
    "friend_points": msg("points for the friend"),
    "friend_stamps": msg("stamps for the friend"),
    "friend_reward": msg("reward for the friend"),
}
VALUE_WORDS: Mapping[str, str] = {
    "stamps": msg("stamps"),
    "points": msg("points"),
    "hybrid": msg("stamps and points"),
    "owner": msg("owner"),
    "manager": msg("manager"),
    "cashier": msg("cashier"),
    "analyst": msg("analyst"),
    "logo": msg("logo"),
    "new_collection": msg("new collection"),
    "promotion": msg("promotion"),
    "reward_ready": msg("reward ready"),
    "one_away": msg("one stamp away"),
    "birthday": msg("birthday"),
    "points_expiring": msg("points about to expire"),
    "stamp": msg("picture of a stamp"),
    "photo": msg("photo"),
    "reward": msg("a reward"),
    "factor": msg("more for a visit"),
    "fingerprints": msg("device fingerprints"),
    "half_even": msg("to the nearest, halves to the even one"),
    "half_up": msg("to the nearest, halves up"),
    "up": msg("up"),
    "down": msg("down"),
    "spend": msg("money spent"),
    "visits": msg("visits"),
    "calendar_year": msg("the calendar year"),
    "rolling": msg("the last days"),
    "since_joining": msg("since joining"),
    "earned": msg("to what was earned"),
    "one_step": msg("one step at a time"),
    "True": msg("yes"),
    "False": msg("no"),
}
# What a name's ending says of its numbers: money in minor units, hundredths of a percent.
MINOR, BASIS_POINTS = "_minor", "_bp"
# Names in a row are read; longer lists are only counted.
LIST_LENGTH_MAX = 6


def _field(name: str) -> str:
    known = name.removesuffix(MINOR).removesuffix(BASIS_POINTS)
    return _(FIELD_WORDS[known]) if known in FIELD_WORDS else known.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return _many(value)
    text = str(value)
    words = VALUE_WORDS.get(text) or AUDIT_VALUE.find(text)
    return _(words) if words else text


def _many(values: list[Any]) -> str:
    if len(values) > LIST_LENGTH_MAX:
        return ngettext("%(num)d entry", "%(num)d entries", len(values))
    return ", ".join(_value(value) for value in values)


def _part(name: str, value: Any, currency: str) -> str:
    if name == "fields" and isinstance(value, list):
        return _("Changed: %(what)s", what=", ".join(_field(str(field)) for field in value))
    if name == "scopes" and isinstance(value, list):
        return ngettext("%(num)d right", "%(num)d rights", len(value))
    return f"{_field(name)}: {_number(name, value, currency) or _value(value)}"


def _number(name: str, value: Any, currency: str) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        return ""
    if name.endswith(MINOR) and currency:
        return current().format_money(Money(value, currency))
    return current().format_percent(value / 10_000, decimals=2) if name.endswith(BASIS_POINTS) else ""


def facts_in_words(facts: Mapping[str, Any], *, currency: str = "") -> str:
    """Return the facts in one line for people; ids, and what is empty, are left to the file."""
    shown = sorted((name, value) for name, value in facts.items() if not name.endswith("_id"))
    parts = [_part(name, value, currency) for name, value in shown if value not in (None, "", [], {})]
    return " · ".join(parts)
