"""How Apple Wallet stands for a merchant: what signs, until when, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography import x509
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.settings import get_settings
from app.modules.merchants.public import get_merchant
from app.modules.wallets.apple_wallet.credentials import AppleKeys, AppleSetup, check_dates
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.health import PushFault, find_fault, find_outage
from app.modules.wallets.apple_wallet.identity import Identity, issuer_name
from app.modules.wallets.apple_wallet.registering import count_passes
from app.modules.wallets.apple_wallet.setup.checking import AppleCheck
from app.modules.wallets.apple_wallet.telling import days_left


@dataclass(frozen=True)
class AppleState:
    """How Apple Wallet stands. source: own, operator, demo, none. fault: why nothing can be signed."""

    source: str
    identity: Identity | None
    fault: IdentityFault | None
    push_fault: PushFault | None
    outage: PushFault | None
    passes: int
    days: int
    warns: bool
    has_request: bool
    draft_issuer: str
    draft_pass_type: str
    check: AppleCheck
    time_zone: str

    @property
    def works(self) -> bool:
        """Tell whether iPhones get passes and hear of changes."""
        return self.source in {"own", "operator"} and self.fault is None and self.push_fault is None


async def find_state(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> AppleState:
    """Return how Apple Wallet stands for the merchant."""
    keys = resources_of(session).get(AppleKeys)
    setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
    identity: Identity | None = None
    fault: IdentityFault | None = None
    try:
        identity = keys.find_own(merchant_id, setup) or keys.find_installation(now)
        check_dates(identity, now)
    except IdentityFault as found:
        fault = found
    mark = identity.fingerprint if identity else ""
    draft = x509.load_pem_x509_certificate(setup.draft.encode()) if setup.draft else None
    return AppleState(
        source=_source(setup, keys, identity),
        identity=identity,
        fault=fault,
        push_fault=await find_fault(session, mark) if mark else None,
        outage=await find_outage(session, now=now),
        passes=await count_passes(session, merchant_id),
        days=days_left(identity, now) if identity else 0,
        warns=identity.warns(now) if identity else False,
        has_request=bool(setup.request),
        draft_issuer=issuer_name(draft) if draft else "",
        draft_pass_type=_uid(draft) if draft else "",
        check=await get_settings(session, AppleCheck, merchant_id=merchant_id),
        time_zone=(await get_merchant(session, merchant_id)).time_zone,
    )


def _source(setup: AppleSetup, keys: AppleKeys, identity: Identity | None) -> str:
    if setup.apple_certificate:
        return "own"
    if identity is not None and identity.is_demo:
        return "demo"
    return "operator" if keys.is_configured else "none"


def _uid(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(x509.oid.NameOID.USER_ID)
    return str(found[0].value) if found else ""
