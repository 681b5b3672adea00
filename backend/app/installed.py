"""INSTALLED: the one list a new feature is added to, in order of need."""

from app.kernel.module import Module
from app.modules.accounts.module import MODULE as ACCOUNTS
from app.modules.analytics.module import MODULE as ANALYTICS
from app.modules.audit_log.module import MODULE as AUDIT_LOG
from app.modules.billing.module import MODULE as BILLING
from app.modules.birthdays.module import MODULE as BIRTHDAYS
from app.modules.cards.module import MODULE as CARDS
from app.modules.cashback.module import MODULE as CASHBACK
from app.modules.closing.module import MODULE as CLOSING
from app.modules.crm.module import MODULE as CRM
from app.modules.customers.module import MODULE as CUSTOMERS
from app.modules.dashboard.module import MODULE as DASHBOARD
from app.modules.design.module import MODULE as DESIGN
from app.modules.exports.module import MODULE as EXPORTS
from app.modules.fingerprints.module import MODULE as FINGERPRINTS
from app.modules.fraud.module import MODULE as FRAUD
from app.modules.merchants.module import MODULE as MERCHANTS
from app.modules.messaging.module import MODULE as MESSAGING
from app.modules.nudges.module import MODULE as NUDGES
from app.modules.operators.module import MODULE as OPERATORS
from app.modules.points.module import MODULE as POINTS
from app.modules.portal.module import MODULE as PORTAL
from app.modules.privacy.module import MODULE as PRIVACY
from app.modules.qr.module import MODULE as QR
from app.modules.referrals.module import MODULE as REFERRALS
from app.modules.rewards.module import MODULE as REWARDS
from app.modules.second_factor.module import MODULE as SECOND_FACTOR
from app.modules.staff.module import MODULE as STAFF
from app.modules.stamps.module import MODULE as STAMPS
from app.modules.stores.module import MODULE as STORES
from app.modules.tiers.module import MODULE as TIERS
from app.modules.till.module import MODULE as TILL
from app.modules.visits.module import MODULE as VISITS
from app.modules.wallets.module import MODULE as WALLETS
from app.modules.webhooks.module import MODULE as WEBHOOKS

INSTALLED: tuple[Module, ...] = (
    MESSAGING,
    MERCHANTS,
    ACCOUNTS,
    AUDIT_LOG,
    STORES,
    QR,
    SECOND_FACTOR,
    STAFF,
    CUSTOMERS,
    CARDS,
    WALLETS,
    STAMPS,
    POINTS,
    REWARDS,
    VISITS,
    DESIGN,
    PRIVACY,
    CRM,
    NUDGES,
    ANALYTICS,
    EXPORTS,
    FRAUD,
    FINGERPRINTS,
    TIERS,
    REFERRALS,
    CASHBACK,
    BIRTHDAYS,
    WEBHOOKS,
    BILLING,
    CLOSING,
    DASHBOARD,
    PORTAL,
    TILL,
    OPERATORS,
)
