"""What stands beside an entry, in words. The file keeps the names as they are stored, for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg, ngettext

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
    "True": msg("yes"),
    "False": msg("no"),
}
# Names in a row are read; longer lists are only counted.
LIST_LENGTH_MAX = 6


def _field(name: str) -> str:
    return _(FIELD_WORDS[name]) if name in FIELD_WORDS else name.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return _many(value)
    text = str(value)
    return _(VALUE_WORDS[text]) if text in VALUE_WORDS else text


def _many(values: list[Any]) -> str:
    if len(values) > LIST_LENGTH_MAX:
        return ngettext("%(num)d entry", "%(num)d entries", len(values))
    return ", ".join(_value(value) for value in values)


def _part(name: str, value: Any) -> str:
    if name == "fields" and isinstance(value, list):
        return _("Changed: %(what)s", what=", ".join(_field(str(field)) for field in value))
    if name == "scopes" and isinstance(value, list):
        return ngettext("%(num)d right", "%(num)d rights", len(value))
    return f"{_field(name)}: {_value(value)}"


def facts_in_words(facts: Mapping[str, Any]) -> str:
    """Return the facts in one line for people; ids, and what is empty, are left to the file."""
    shown = sorted((name, value) for name, value in facts.items() if not name.endswith("_id"))
    parts = [_part(name, value) for name, value in shown if value not in (None, "", [], {})]
    return " · ".join(parts)
