"""How each wallet stands, in plain words: demo, set up, or at fault; what is missing; what to do next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.settings import get_settings
from app.modules.merchants.public import MerchantView
from app.modules.wallets.apple_wallet.credentials import find_identity
from app.modules.wallets.apple_wallet.faults import IdentityFault, fault_text
from app.modules.wallets.apple_wallet.health import find_fault
from app.modules.wallets.google_wallet.accounts import GoogleAccount, find_account
from app.modules.wallets.google_wallet.checking import FAULTS, GoogleCheck
from app.modules.wallets.google_wallet.models import GooglePace
from app.modules.wallets.google_wallet.rules import NOTIFICATIONS_MAX
from app.modules.wallets.overview.queries import CardCounts, Notified

APPLE_URL, GOOGLE_URL = "/dashboard/wallets/apple", "/dashboard/wallets/google"
# Faults that go by themselves; the others wait for somebody.
PASSING = frozenset({"too_fast", "quota", "unreachable", "unexpected"})


@dataclass
class WalletState:
    """A wallet on the overview. state: off, demo, on or fault. kind: of what is said next to it."""

    key: str
    name: str
    url: str
    devices: str
    state: str = "on"
    text: str = ""
    next_step: str = ""
    action: str = ""
    cards: int = 0
    facts: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def chip(self) -> tuple[str, str]:
        """Return the state in a word, and the class of its chip."""
        return {
            "off": (_("Not set up"), "chip"),
            "demo": (_("Demo"), "chip chip-gold"),
            "on": (_("Set up"), "chip chip-brand"),
            "fault": (_("Needs attention"), "chip chip-danger"),
        }[self.state]


async def apple_state(
    session: AsyncSession, merchant: MerchantView, counts: CardCounts, *, now: datetime
) -> WalletState:
    """Return how Apple Wallet stands."""
    shown = WalletState("apple", "Apple Wallet", APPLE_URL, _("iPhone and Apple Watch"), cards=counts.apple)
    shown.action = _("Open the Apple settings")
    speak = current()
    try:
        identity = await find_identity(session, merchant.id, now=now)
    except IdentityFault as fault:
        shown.state, shown.text = "fault", fault_text(fault.code, fault.values)
        shown.next_step = _("Upload a certificate that works; passes on phones stay as they are until then.")
        return shown
    if identity is None:
        shown.state, shown.text = "off", _("Nobody is offered a pass for Apple Wallet yet.")
        shown.next_step = _("Upload a Pass Type ID certificate from an Apple developer account.")
        return shown
    if identity.is_demo:
        shown.state = "demo"
        shown.text = _(
            "Passes are signed with a certificate made on this computer. An iPhone takes none of them."
        )
        shown.next_step = _("Upload your own certificate to use real iPhones.")
    else:
        shown.text = _("Passes are signed, and phones are told of every change.")
        shown.facts.append((_("Pass type"), identity.pass_type))
    until = speak.format_date(identity.usable_until, zone=merchant.time_zone)
    shown.facts.append((_("Certificate valid until"), until))
    if identity.warns(now) and not identity.is_demo:
        shown.warnings.append(
            _("The certificate ends on %(day)s. Ask Apple for a new one in time.", day=until)
        )
    refused = await find_fault(session, identity.fingerprint)
    if refused is not None:
        shown.state = "fault"
        shown.text = fault_text("push_refused", {"name": refused.reason})
        shown.next_step = _(
            "Check the certificate. Passes are still handed out; phones are not told of changes."
        )
    known = (refused.reason, refused.since) if refused else ("", None)
    shown.facts.append((_("Last fault"), _moment(*known, zone=merchant.time_zone)))
    shown.facts.append((_("Notifications"), _("one for each change, no limit by Apple")))
    return shown


def _moment(fault: str, at: datetime | None, *, zone: str) -> str:
    if not fault:
        return _("none so far")
    return f"{fault} · {current().format_datetime(at, zone=zone)}" if at else fault


async def google_state(
    session: AsyncSession, merchant: MerchantView, counts: CardCounts, notified: Notified
) -> WalletState:
    """Return how Google Wallet stands."""
    shown = WalletState("google", "Google Wallet", GOOGLE_URL, _("Android phones"), cards=counts.google)
    shown.action = _("Open the Google settings")
    speak = current()
    account = await find_account(session, merchant.id)
    if account is None:
        shown.state, shown.text = "off", _("Nobody is offered a pass for Google Wallet yet.")
        shown.next_step = _("Upload the key of a service account and your issuer id.")
        return shown
    if account.is_stand_in:
        shown.state = "demo"
        shown.text = _("A stand-in on this computer takes the passes, and shows them as Google would.")
        shown.next_step = _("Connect your own account to use real phones.")
    else:
        await _google_faults(session, merchant.id, shown, account)
        shown.facts.append((_("Issuer id"), account.issuer_id))
        shown.facts.append((_("Key of the service account"), _("has no end date")))
    shown.facts.append((_("Passes made"), speak.format_number(counts.google_made)))
    pace = await session.get(GooglePace, account.issuer_id)
    last = _(FAULTS.get(pace.last_fault, FAULTS["unexpected"])) if pace and pace.last_fault else ""
    known = _moment(last, pace.last_fault_at if pace else None, zone=merchant.time_zone)
    shown.facts.append((_("Last fault"), known))
    shown.facts.append((_("Notifications"), _budget(notified)))
    return shown


def _budget(notified: Notified) -> str:
    speak = current()
    parts = [
        speak.ngettext("at most %(num)d a day and pass", "at most %(num)d a day and pass", NOTIFICATIONS_MAX),
        speak.ngettext("%(num)d in the last 24 hours", "%(num)d in the last 24 hours", notified.sent),
    ]
    if notified.spent:
        parts.append(
            speak.ngettext(
                "%(num)d pass has used them all", "%(num)d passes have used them all", notified.spent
            )
        )
    return " · ".join(parts)


async def _google_faults(
    session: AsyncSession, merchant_id: UUID, shown: WalletState, account: GoogleAccount
) -> None:
    check = await get_settings(session, GoogleCheck, merchant_id=merchant_id)
    pace = await session.get(GooglePace, account.issuer_id)
    code = pace.fault if pace and pace.fault else ""
    if not code and check.code not in {"", "ok"}:
        code = check.code
    shown.text = _("Passes are made and kept up to date.")
    if code:
        shown.state, shown.text = "fault", _(FAULTS.get(code, FAULTS["unexpected"]))
        shown.next_step = (
            _("Nothing to do: what waits is sent as soon as Google answers.")
            if code in PASSING
            else _("Repair this and press Test on the Google page.")
        )
    elif not check.code:
        shown.next_step = _("Press Test on the Google page once, to be sure.")
    settings = resources_of(session).get(Settings)
    if not settings.public_url.startswith("https:"):
        shown.warnings.append(
            _("This installation's address is not https: Google cannot fetch pictures, nor tell of saves.")
        )
