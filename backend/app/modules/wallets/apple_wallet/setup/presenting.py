"""What the Apple Wallet page shows, prepared for its templates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.modules.wallets.apple_wallet.faults import fault_text
from app.modules.wallets.apple_wallet.setup.state import AppleState
from app.modules.wallets.apple_wallet.telling import URL


def page_values(state: AppleState, *, now: datetime) -> dict[str, Any]:
    """Return the values of the page and of its part that waits for the test."""
    check = state.check
    return {
        "page_title": _("Apple Wallet"),
        "back_url": "/dashboard/wallets",
        "back_label": _("Wallets"),
        "state": state,
        "apple_url": URL,
        "summary": _summary(state),
        "notices": _notices(state),
        "facts": _facts(state),
        "steps": _steps(state),
        "has_own": state.source == "own",
        "may_test": state.identity is not None and state.fault is None,
        "check_waits": check.is_waiting(now),
        "check_text": check.text(),
        "check_kind": "ok" if check.code in {"ok", "demo"} else "warn",
        "time_zone": state.time_zone,
        "check_at": datetime.fromisoformat(check.at) if check.at else None,
    }


def _summary(state: AppleState) -> str:
    if state.source == "own":
        return _("Cards for iPhones are signed with your own certificate.")
    if state.source == "operator":
        return _(
            "Cards for iPhones are signed with the certificate of whoever runs this installation. You need not"
            " do anything; you may use a certificate of your own instead."
        )
    if state.source == "demo":
        return _("Cards for iPhones are signed with the demo's own certificate.")
    return _(
        "Not set up yet: iPhones get no card for their wallet. The card in the browser works everywhere."
    )


def _notices(state: AppleState) -> list[tuple[str, str]]:
    """Return what needs attention, as kind and text."""
    rows: list[tuple[str, str]] = []
    if state.fault is not None:
        rows.append(("danger", fault_text(state.fault.code, state.fault.values)))
    if state.push_fault is not None:
        day = current().format_datetime(state.push_fault.since, zone=state.time_zone)
        refused = fault_text("push_refused", {"name": state.push_fault.reason})
        rows.append(("danger", f"{refused} {_('Since %(day)s cards on phones do not change.', day=day)}"))
    if state.outage is not None and state.source in {"own", "operator"}:
        day = current().format_datetime(state.outage.since, zone=state.time_zone)
        rows.append(
            (
                "info",
                _(
                    "Apple's push service has not answered since %(day)s. Changes follow by themselves.",
                    day=day,
                ),
            )
        )
    if state.warns and state.fault is None:
        rows.append(
            (
                "warn",
                ngettext(
                    "The certificate expires in %(num)d day. Renew it with the same Pass Type ID: cards on phones stay"
                    " as they are.",
                    "The certificate expires in %(num)d days. Renew it with the same Pass Type ID: cards on phones"
                    " stay as they are.",
                    state.days,
                ),
            )
        )
    return rows


def _facts(state: AppleState) -> list[tuple[str, str]]:
    speak = current()
    rows: list[tuple[str, str]] = []
    if state.identity is not None:
        leaf, wwdr = state.identity.certificate, state.identity.wwdr
        rows += [
            (_("Pass Type ID"), state.identity.pass_type),
            (_("Team"), state.identity.team),
            (
                _("Certificate valid until"),
                speak.format_date(leaf.not_valid_after_utc, zone=state.time_zone),
            ),
            (
                _("Apple's intermediate valid until"),
                speak.format_date(wwdr.not_valid_after_utc, zone=state.time_zone),
            ),
        ]
    rows.append((_("Cards on iPhones"), speak.format_number(state.passes)))
    return rows


def _steps(state: AppleState) -> dict[str, str]:
    """Return where each step stands: done, current or next."""
    has_own = state.source == "own"
    order = ("account", "request", "certificate", "intermediate")
    done = {
        "account": has_own or bool(state.draft_issuer) or state.has_request,
        "request": has_own or bool(state.draft_issuer) or state.has_request,
        "certificate": has_own or bool(state.draft_issuer),
        "intermediate": has_own and not state.draft_issuer,
    }
    if has_own and state.has_request:  # a renewal has begun
        done |= {"certificate": False, "intermediate": False}
    first = next((name for name in order if not done[name]), "")
    return {name: "done" if done[name] else "current" if name == first else "next" for name in order}
