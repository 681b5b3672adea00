"""The merchant's own certificate: the request for Apple, the upload of the answer, and its removal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.locks import lock_name
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings, save_settings
from app.modules.merchants.public import get_merchant
from app.modules.wallets.apple_wallet.credentials import LOCK, AppleSetup, seal_key, unseal_key
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.identity import (
    RSA_BITS_MIN,
    Blob,
    Identity,
    Leaf,
    bundled_wwdr,
    choose_wwdr,
    read_intermediates,
    read_leaf,
    write_key,
)
from app.modules.wallets.apple_wallet.registering import count_passes
from app.modules.wallets.apple_wallet.setup.checking import AppleCheck
from app.utils.security import Keyring

FILE_BYTES_MAX = 50_000
NAME_LENGTH_MAX = 64  # what a certificate's common name may have
DRAFT_FAULTS = frozenset({"no_wwdr", "wrong_wwdr"})


@dataclass(frozen=True, slots=True)
class Upload:
    """What the form brought, by the names of the operator's settings. may_replace: another pass type is meant."""

    files: Sequence[Blob]
    password: str = field(default="", repr=False)
    pass_type: str = ""
    team: str = ""
    may_replace: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of an upload. what: "certificate", "intermediate"; fault: why it does not sign yet."""

    what: str
    fault: IdentityFault | None = None


def make_request(name: str) -> tuple[bytes, bytes]:
    """Return a certificate request and its private key, both PEM. Costs up to a second: call it in a thread."""
    key = rsa.generate_private_key(65537, RSA_BITS_MIN)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:NAME_LENGTH_MAX] or "Loyalty cards")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM), write_key(key)


async def issue_request(session: AsyncSession, principal: Principal, *, anew: bool, now: datetime) -> None:
    """Make the certificate request for Apple, once; anew: drop one that was never answered."""
    merchant_id = principal.merchant_id
    await lock_name(session, LOCK, merchant_id)
    setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
    if setup.request and not anew:
        return
    name = (await get_merchant(session, merchant_id)).name
    request, key = await asyncio.to_thread(make_request, name)
    sealed = seal_key(resources_of(session).get(Keyring), merchant_id, key)
    changed = AppleSetup(request=request.decode(), sealed_request_key=sealed)
    await save_settings(session, changed, merchant_id=merchant_id)
    await _audit(session, principal, "apple_wallet.request_made", now=now)


async def keep_upload(session: AsyncSession, principal: Principal, upload: Upload, *, now: datetime) -> Kept:
    """Keep what was uploaded, as far as it goes; raises IdentityFault and keeps nothing where it is no use.

    A certificate whose intermediate is missing waits as a draft; the intermediate alone then finishes it.
    """
    merchant_id = principal.merchant_id
    await lock_name(session, LOCK, merchant_id)
    setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
    given = await asyncio.to_thread(read_intermediates, upload.files, password=upload.password)
    if given:
        return await _keep_intermediates(session, principal, setup, given, now=now)
    leaf = await _read_leaf(session, principal, setup, upload, now=now)
    return await _keep_leaf(session, principal, setup, leaf, may_replace=upload.may_replace, now=now)


async def _read_leaf(
    session: AsyncSession, principal: Principal, setup: AppleSetup, upload: Upload, *, now: datetime
) -> Leaf:
    keyring = resources_of(session).get(Keyring)
    blobs = list(upload.files)
    if setup.sealed_request_key:
        key = unseal_key(keyring, principal.merchant_id, setup.sealed_request_key)
        blobs.append(Blob("request", key))
    wishes = {"pass_type": upload.pass_type, "team": upload.team}
    try:
        return await asyncio.to_thread(read_leaf, blobs, password=upload.password, now=now, **wishes)
    except IdentityFault as fault:
        if fault.code == "wrong_key" and setup.sealed_request_key and len(upload.files) == 1:
            raise IdentityFault("wrong_request") from fault
        raise


async def _keep_leaf(  # noqa: PLR0913 (every part is named at the call)
    session: AsyncSession,
    principal: Principal,
    setup: AppleSetup,
    leaf: Leaf,
    *,
    may_replace: bool,
    now: datetime,
) -> Kept:
    merchant_id = principal.merchant_id
    if not may_replace and setup.apple_pass_type and setup.apple_pass_type != leaf.pass_type:
        if await count_passes(session, merchant_id, pass_type=setup.apple_pass_type):
            raise IdentityFault("other_pass_type", found=leaf.pass_type, wanted=setup.apple_pass_type)
    others = [*leaf.others, *_certificates(setup.apple_wwdr)]
    sealed = seal_key(resources_of(session).get(Keyring), merchant_id, write_key(leaf.key))
    try:
        wwdr = choose_wwdr(leaf.certificate, others, now)
    except IdentityFault as fault:
        if fault.code not in DRAFT_FAULTS:
            raise
        draft = AppleSetup(
            draft=_pem(leaf.certificate), sealed_draft_key=sealed, request="", sealed_request_key=""
        )
        await save_settings(session, draft, merchant_id=merchant_id)
        await _audit(session, principal, "apple_wallet.certificate_waits", now=now)
        return Kept("certificate", fault)
    identity = Identity(leaf.certificate, leaf.key, wwdr, leaf.pass_type, leaf.team)
    await _use(session, principal, identity, sealed=sealed, now=now)
    return Kept("certificate")


async def _keep_intermediates(
    session: AsyncSession,
    principal: Principal,
    setup: AppleSetup,
    given: Sequence[x509.Certificate],
    *,
    now: datetime,
) -> Kept:
    """Finish a draft with its intermediate; without a draft it is put by for the certificate to come."""
    if setup.draft:
        leaf = _stored_leaf(session, principal, setup)
        wwdr = choose_wwdr(leaf.certificate, given, now)
        identity = Identity(leaf.certificate, leaf.key, wwdr, leaf.pass_type, leaf.team)
        await _use(session, principal, identity, sealed=setup.sealed_draft_key, now=now)
        return Kept("certificate")
    known = {_pem(one) for one in (*given, *_certificates(setup.apple_wwdr))}
    kept = AppleSetup(apple_wwdr="".join(sorted(known)[:4]))
    await save_settings(session, kept, merchant_id=principal.merchant_id)
    await _audit(session, principal, "apple_wallet.intermediate_kept", now=now)
    return Kept("intermediate")


def _stored_leaf(session: AsyncSession, principal: Principal, setup: AppleSetup) -> Leaf:
    keyring = resources_of(session).get(Keyring)
    key = unseal_key(keyring, principal.merchant_id, setup.sealed_draft_key)
    return read_leaf([Blob("draft", setup.draft.encode()), Blob("key", key)], now=None)


async def _use(
    session: AsyncSession, principal: Principal, identity: Identity, *, sealed: str, now: datetime
) -> None:
    """Sign and push with this from the next transaction on, in every process: all read it from here."""
    kept = AppleSetup(
        apple_certificate=_pem(identity.certificate),
        apple_key=sealed,
        apple_wwdr="" if identity.wwdr in bundled_wwdr() else _pem(identity.wwdr),
        apple_pass_type=identity.pass_type,
        apple_team=identity.team,
        request="",
        sealed_request_key="",
        draft="",
        sealed_draft_key="",
    )
    await save_settings(session, kept, merchant_id=principal.merchant_id)
    await save_settings(session, AppleCheck(code="", asked_at=""), merchant_id=principal.merchant_id)
    facts = {"pass_type": identity.pass_type, "serial": f"{identity.certificate.serial_number:x}"}
    await _audit(session, principal, "apple_wallet.connected", now=now, facts=facts)


async def remove_own(session: AsyncSession, principal: Principal, *, now: datetime) -> None:
    """Forget the merchant's own certificate, request and draft, keys included."""
    await lock_name(session, LOCK, principal.merchant_id)
    nothing = {name: "" for name in AppleSetup.model_fields}
    await save_settings(session, AppleSetup(**nothing), merchant_id=principal.merchant_id)
    await save_settings(session, AppleCheck(code="", asked_at=""), merchant_id=principal.merchant_id)
    await _audit(session, principal, "apple_wallet.disconnected", now=now)


async def _audit(
    session: AsyncSession,
    principal: Principal,
    action: str,
    *,
    now: datetime,
    facts: dict[str, str] | None = None,
) -> None:
    await record_audit(
        session,
        principal,
        action=action,
        target_kind="merchant",
        target_id=principal.merchant_id,
        now=now,
        facts=facts,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _certificates(text: str) -> list[x509.Certificate]:
    return list(x509.load_pem_x509_certificates(text.encode())) if text else []
