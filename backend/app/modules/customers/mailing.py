"""Who may be written to, asked in the moment a marketing mail is sent; and what a complaint means."""

from __future__ import annotations

from app.kernel.errors import NotFound
from app.kernel.settings import get_settings
from app.modules.customers.consents import is_firm
from app.modules.customers.preferences import ConsentSettings
from app.modules.customers.queries import find_customer_row
from app.modules.customers.service import record_consent
from app.modules.messaging.public import MailCheck, MailComplained


async def check_consent(check: MailCheck) -> str | None:
    """Return why this customer gets no marketing mail now: gone, not agreed, not confirmed, another address.

    A complaint holds until the person agrees anew.
    """
    row = await find_customer_row(check.session, check.merchant_id, check.customer_id)
    if row is None or row.erased_at is not None or row.email is None:
        return "no_customer"
    if not row.email_consent or row.email_consent_at is None:
        return "no_consent"
    consent = await get_settings(check.session, ConsentSettings, merchant_id=check.merchant_id)
    if not is_firm(row, double_opt_in=consent.double_opt_in):
        return "not_confirmed"
    if row.email.lower() != check.recipient.lower():
        return "address_changed"
    if check.complained_at is not None and row.email_consent_at <= check.complained_at:
        return "complained"
    return None


async def withdraw_consent(complained: MailComplained) -> None:
    """Take a complaint as what it says: no more mail."""
    try:
        await record_consent(
            complained.session,
            complained.merchant_id,
            complained.customer_id,
            given=False,
            source="complaint",
            now=complained.now,
        )
    except NotFound:
        return
