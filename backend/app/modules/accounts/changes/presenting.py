"""Audit entries in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.kernel.audit import AuditEntry
from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg

# An action that is not listed is shown as it is stored; the names of fields say the rest.
ACTIONS: Mapping[str, str] = {
    "merchant.created": msg("Account opened"),
    "merchant.changed": msg("Settings changed"),
    "password.reset": msg("Password chosen anew"),
    "session.revoked": msg("Session ended"),
    "api_key.created": msg("API key made"),
    "api_key.revoked": msg("API key revoked"),
    "store.created": msg("Store opened"),
    "store.changed": msg("Store changed"),
    "store.closed": msg("Store closed"),
    "store.reopened": msg("Store opened again"),
    "programme.changed": msg("Programme changed"),
    "staff.added": msg("Person added to the team"),
    "staff.changed": msg("Team member changed"),
    "staff.pin_rotated": msg("PIN drawn anew"),
    "staff.pins_rotated": msg("All PINs drawn anew"),
    "staff.shared_pin_rotated": msg("Shop PIN drawn anew"),
    "staff.shared_pin_removed": msg("Shop PIN removed"),
    "staff.left": msg("Person left the team"),
    "device.added": msg("Device added"),
    "device.code_renewed": msg("New pairing code"),
    "device.paired": msg("Device paired"),
    "device.revoked": msg("Device revoked"),
    "card.blocked": msg("Card blocked"),
    "card.unblocked": msg("Card unblocked"),
    "card.links_revoked": msg("Card closed on all devices"),
    "reward.created": msg("Reward added"),
    "reward.changed": msg("Reward changed"),
    "reward.activated": msg("Reward offered again"),
    "reward.deactivated": msg("Reward taken off offer"),
}


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An audit entry in words."""

    at: datetime
    who: str
    what: str
    details: str


def audit_rows(
    entries: Sequence[AuditEntry], *, viewer_id: UUID | None, key_names: Mapping[UUID, str]
) -> list[AuditRow]:
    """Return the entries as the page shows them."""
    return [
        AuditRow(
            entry.at,
            _who(entry, viewer_id, key_names),
            _(ACTIONS[entry.action]) if entry.action in ACTIONS else entry.action,
            _details(entry.facts),
        )
        for entry in entries
    ]


def _who(entry: AuditEntry, viewer_id: UUID | None, key_names: Mapping[UUID, str]) -> str:
    if entry.actor_id is not None and entry.actor_id == viewer_id:
        return _("You")
    if entry.actor_kind == "api_key":
        name = key_names.get(entry.actor_id) if entry.actor_id else None
        return _("API key %(name)s", name=name or "?")
    if entry.actor_kind == "system":
        return "Stempel"
    if entry.actor_kind == "device":
        return _("A staff device")
    return _("A member of the team")


def _details(facts: Mapping[str, Any]) -> str:
    parts = []
    for name, value in sorted(facts.items()):
        if name.endswith("_id"):
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        parts.append(shown if name == "fields" else f"{name}: {shown}")
    return " · ".join(parts)
