"""The words of the foundation's entries. A feature offers its own under AUDIT_ACTION, in its manifest."""

from __future__ import annotations

from collections.abc import Mapping

from app.kernel.i18n import msg

WORDS: Mapping[str, str] = {
    "merchant.created": msg("Account opened"),
    "merchant.changed": msg("Settings changed"),
    "feature.switched_on": msg("Feature switched on"),
    "feature.switched_off": msg("Feature switched off"),
    "password.reset": msg("Password chosen anew"),
    "password.changed": msg("Password changed"),
    "address.asked": msg("New e-mail address asked for"),
    "account.changed": msg("Own account changed"),
    "sign_in.disowned": msg("A sign-in was reported as foreign"),
    "session.revoked": msg("Session ended"),
    "member.invited": msg("Person invited to the dashboard"),
    "member.joined": msg("Invited person joined"),
    "member.changed": msg("Rights of a member changed"),
    "member.disabled": msg("Member may no longer sign in"),
    "member.enabled": msg("Member may sign in again"),
    "member.removed": msg("Member removed"),
    "invitation.renewed": msg("Invitation sent again"),
    "invitation.withdrawn": msg("Invitation withdrawn"),
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
