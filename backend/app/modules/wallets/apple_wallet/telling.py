"""Tells a merchant, once, what is wrong with its own Apple certificate: by mail, and on the dashboard's home."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import current, ngettext, use_language
from app.kernel.i18n import gettext as _
from app.kernel.jobs import JobContext, Periodic
from app.kernel.observability import get_logger
from app.kernel.points import PageContext, Tile
from app.kernel.settings import get_settings
from app.modules.merchants.public import get_merchant, members_mail
from app.modules.messaging.public import queue_mail
from app.modules.wallets.apple_wallet.credentials import AppleKeys, AppleSetup, check_dates
from app.modules.wallets.apple_wallet.faults import IdentityFault, fault_text
from app.modules.wallets.apple_wallet.health import find_fault
from app.modules.wallets.apple_wallet.identity import Identity

URL = "/dashboard/wallets/apple"
PERMISSION = "merchant.edit"
# Days before the end at which a mail goes out; each once a certificate.
THRESHOLDS = (90, 30, 7, 1, 0)
MARK_LENGTH = 24

log = get_logger("stempel.wallets")


def days_left(identity: Identity, now: datetime) -> int:
    """Return the days until the first of the two certificates expires, begun ones too; 0: it has expired."""
    return max(0, -((now - identity.usable_until) // timedelta(days=1)))


def threshold_of(days: int) -> int | None:
    """Return the tightest threshold that has been reached, or None."""
    return min((limit for limit in THRESHOLDS if days <= limit), default=None)


async def tell_push_fault(
    session: AsyncSession, merchant_id: UUID, identity: Identity, *, reason: str, now: datetime
) -> None:
    """Mail that Apple refuses the merchant's own certificate; at most once a day and certificate."""
    setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
    own = resources_of(session).get(AppleKeys).find_own(merchant_id, setup)
    if own is None or own.fingerprint != identity.fingerprint:
        return  # the operator's certificate: not the merchant's to repair; the doctor tells
    locale = (await get_merchant(session, merchant_id)).locale
    with use_language(locale):
        subject = _("Apple Wallet: your certificate is refused")
        lines = [
            fault_text("push_refused", {"name": reason}),
            _("Stamps and points go on as usual. Cards on iPhones do not change until this is repaired."),
            _("What to do stands here:"),
        ]
    mark = f"apple_push:{identity.fingerprint[:MARK_LENGTH]}:{now:%Y%m%d}"
    await _mail(session, merchant_id, subject=subject, lines=lines, mark=mark, now=now)


async def tell_expiry(session: AsyncSession, merchant_id: UUID, identity: Identity, *, now: datetime) -> None:
    """Mail that the merchant's own certificate ends soon; once a threshold."""
    days = days_left(identity, now)
    limit = threshold_of(days)
    if limit is None:
        return
    merchant = await get_merchant(session, merchant_id)
    with use_language(merchant.locale):
        if days == 0:
            subject = _("Apple Wallet: your certificate has expired")
        else:
            subject = ngettext(
                "Apple Wallet: your certificate expires in %(num)s day",
                "Apple Wallet: your certificate expires in %(num)s days",
                days,
                num=current().format_number(days),
            )
        lines = [
            _(
                "The certificate that signs your cards for iPhones is valid until %(day)s.",
                day=current().format_date(identity.usable_until, zone=merchant.time_zone),
            ),
            _("Ask Apple for a new one with the same Pass Type ID. Cards on phones stay as they are."),
            _("The steps, one by one, stand here:"),
        ]
    mark = f"apple_expiry:{identity.fingerprint[:MARK_LENGTH]}:{limit}"
    await _mail(session, merchant_id, subject=subject, lines=lines, mark=mark, now=now)


async def _mail(
    session: AsyncSession, merchant_id: UUID, *, subject: str, lines: Sequence[str], mark: str, now: datetime
) -> None:
    merchant = await get_merchant(session, merchant_id)
    url = resources_of(session).get(Settings).public_url.rstrip("/") + URL
    with use_language(merchant.locale):
        action_label = _("Open the Apple Wallet page")
    for place, recipient in enumerate(await members_mail(session, merchant_id)):
        await queue_mail(
            session,
            merchant_id=merchant_id,
            recipient=recipient,
            kind="apple_alert",
            locale=merchant.locale,
            subject=subject,
            text="\n\n".join([*lines, url]),
            action_label=action_label,
            once_key=f"{mark}:{place}",
            now=now,
        )


async def _warn(context: JobContext) -> None:
    """Look at every merchant's own certificate, one short transaction each, and at the operator's."""
    now, keys = context.clock.now(), context.resources.get(AppleKeys)
    async with context.session() as session:
        merchants = (await session.execute(text("SELECT id FROM merchant ORDER BY id"))).scalars().all()
    for merchant_id in merchants:
        async with context.tenant(merchant_id) as session:
            setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
            try:
                own = keys.find_own(merchant_id, setup)
            except (IdentityFault, ValueError):
                log.error("apple_certificate_unusable", merchant_id=str(merchant_id))
                continue
            if own is not None:
                await tell_expiry(session, merchant_id, own, now=now)
    try:
        given = keys.find_installation(now)
    except IdentityFault as fault:
        log.error("apple_certificate_unusable", code=fault.code)
        return
    if given is not None and given.warns(now):
        log.warning("apple_certificate_expires", until=given.usable_until.isoformat())


warn_expiry = Periodic("wallets.warn_apple_expiry", every=timedelta(hours=24), run=_warn)


async def home_tiles(page: PageContext) -> list[Tile]:
    """Show on the dashboard's home that cards on iPhones do not change, or soon will not; else nothing."""
    if not page.principal.may(PERMISSION):
        return []
    merchant_id = page.principal.merchant_id
    keys = resources_of(page.session).get(AppleKeys)
    setup = await get_settings(page.session, AppleSetup, merchant_id=merchant_id)
    try:
        own = keys.find_own(merchant_id, setup)
        identity = check_dates(own, page.now) or keys.installation(page.now)
    except (IdentityFault, ValueError) as problem:
        note = fault_text(problem.code, problem.values) if isinstance(problem, IdentityFault) else ""
        return [Tile(_("Apple Wallet"), _("Stopped"), note, URL, order=2)]
    if identity is None or identity.is_demo:
        return []
    fault = await find_fault(page.session, identity.fingerprint)
    if fault is not None:
        note = fault_text("push_refused", {"name": fault.reason})
        return [Tile(_("Apple Wallet"), _("Stopped"), note, URL, order=2)]
    if own is None or not own.warns(page.now):
        return []
    days = days_left(own, page.now)
    value = ngettext("%(num)d day", "%(num)d days", days)
    return [Tile(_("Apple Wallet"), value, _("Until the certificate expires"), URL, order=2)]
