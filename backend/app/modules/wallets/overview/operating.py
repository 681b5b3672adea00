"""What the operator should know of wallets: own credentials, outages, and how far behind the cards are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import system_scope
from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.operating import Look, Measure, Sign
from app.modules.wallets.apple_wallet.credentials import AppleKeys
from app.modules.wallets.apple_wallet.faults import IdentityFault, fault_text
from app.modules.wallets.apple_wallet.health import SERVICE
from app.modules.wallets.apple_wallet.identity import Identity
from app.modules.wallets.apple_wallet.telling import days_left
from app.modules.wallets.google_wallet.models import GooglePace
from app.modules.wallets.models import AppleHealth, CardRefresh

URL = "/operator/wallets"
LATE_LOOK, LATE_ACT = timedelta(minutes=1), timedelta(minutes=5)
CERTIFICATE_LOOK_DAYS, CERTIFICATE_ACT_DAYS = 30, 7

Figures = Mapping[tuple[str, ...], float]


async def wallet_signs(look: Look) -> Sequence[Sign]:
    """Tell what is wrong with the installation's credentials, with Apple and Google, and with cards that wait."""
    async with system_scope(look.database) as session:
        late = await _oldest_mark(session, look.now)
        held = list((await session.scalars(select(AppleHealth).order_by(AppleHealth.since))).all())
        paused = await _paused_issuers(session)
    return [
        _late_sign(late),
        _certificate_sign(look.resources.get(AppleKeys), look.now),
        _apple_sign(held),
        _google_sign(paused),
    ]


async def _oldest_mark(session: AsyncSession, now: datetime) -> timedelta:
    oldest = await session.scalar(select(func.min(CardRefresh.marked_at)))
    return max(now - oldest, timedelta()) if oldest else timedelta()


async def _paused_issuers(session: AsyncSession) -> list[str]:
    found = await session.scalars(
        select(GooglePace.fault).where(GooglePace.fault.is_not(None)).order_by(GooglePace.issuer_id)
    )
    return [fault for fault in found if fault]


def _late_sign(late: timedelta) -> Sign:
    title = _("Cards in wallets")
    if late < LATE_LOOK:
        return Sign("ok", title, _("Changes go out within seconds."), URL, order=70)
    text = ngettext(
        "The oldest change has waited for %(num)s minute. Look whether a worker runs.",
        "The oldest change has waited for %(num)s minutes. Look whether a worker runs.",
        int(late.total_seconds() // 60),
        num=current().format_number(int(late.total_seconds() // 60)),
    )
    return Sign("act" if late >= LATE_ACT else "look", title, text, URL, order=70)


def _certificate_sign(keys: AppleKeys, now: datetime) -> Sign:
    title = _("Certificate of Apple Wallet")
    try:
        identity = keys.find_installation(now)
    except IdentityFault as fault:
        return Sign("act", title, fault_text(fault.code, fault.values), URL, order=71)
    if identity is None:
        return Sign("ok", title, _("None is set here; shops may bring their own."), URL, order=71)
    if identity.is_demo:
        return Sign("ok", title, _("Made for the demo."), URL, order=71)
    return Sign(*_certificate_level(identity, title, now), URL, order=71)


def _certificate_level(identity: Identity, title: str, now: datetime) -> tuple[str, str, str]:
    days, until = days_left(identity, now), current().format_date(identity.usable_until, zone="UTC")
    if days > CERTIFICATE_LOOK_DAYS:
        return "ok", title, _("Valid until %(day)s.", day=until)
    text = _(
        "Valid until %(day)s. Ask Apple for a new one with the same Pass Type ID and put it in its place.",
        day=until,
    )
    return ("act" if days <= CERTIFICATE_ACT_DAYS else "look"), title, text


def _apple_sign(held: Sequence[AppleHealth]) -> Sign:
    title = _("Apple's push service")
    if not held:
        return Sign("ok", title, _("Nothing keeps pushes back."), URL, order=72)
    if any(row.name == SERVICE for row in held):
        text = _("Apple does not answer. Cards on iPhones follow by themselves when it is back.")
        return Sign("look", title, text, URL, order=72)
    text = ngettext(
        "Apple refuses %(num)s certificate. Cards of that pass type do not change on iPhones.",
        "Apple refuses %(num)s certificates. Cards of these pass types do not change on iPhones.",
        len(held),
        num=current().format_number(len(held)),
    )
    return Sign("act", title, text, URL, order=72)


def _google_sign(faults: Sequence[str]) -> Sign:
    title = _("Google Wallet")
    if not faults:
        return Sign("ok", title, _("Nothing keeps changes back."), URL, order=73)
    text = ngettext(
        "Google refuses %(num)s issuer (%(codes)s). Its cards do not change in Google Wallet.",
        "Google refuses %(num)s issuers (%(codes)s). Their cards do not change in Google Wallet.",
        len(faults),
        num=current().format_number(len(faults)),
        codes=", ".join(sorted(set(faults))),
    )
    return Sign("act", title, text, URL, order=73)


async def _marks(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        return {(): int(await session.scalar(select(func.count()).select_from(CardRefresh)) or 0)}


async def _mark_age(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        return {(): (await _oldest_mark(session, look.now)).total_seconds()}


async def _outages(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        names = list((await session.scalars(select(AppleHealth.name))).all())
        google = len(await _paused_issuers(session))
    refused = sum(name != SERVICE for name in names)
    return {
        ("apple", "service_away"): len(names) - refused,
        ("apple", "refused"): refused,
        ("google", "refused"): google,
    }


async def _certificate_left(look: Look) -> Figures:
    try:
        identity = look.resources.get(AppleKeys).find_installation(look.now)
    except IdentityFault:
        return {("apple",): 0}
    if identity is None or identity.is_demo:
        return {}
    return {("apple",): max((identity.usable_until - look.now).total_seconds(), 0)}


WALLET_MEASURES: Mapping[str, Measure] = {
    "stempel_refresh_marks": Measure("Changed cards that the worker has not taken up yet.", _marks),
    "stempel_refresh_oldest_seconds": Measure("How long the oldest of them has waited.", _mark_age),
    "stempel_wallet_outages": Measure(
        "What keeps wallets from following: services away, credentials refused.",
        _outages,
        ("wallet", "reason"),
    ),
    "stempel_certificate_seconds": Measure(
        "How long the installation's own certificates are still good; missing where none is set.",
        _certificate_left,
        ("wallet",),
    ),
}
