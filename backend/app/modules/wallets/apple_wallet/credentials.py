"""Which certificate signs a merchant's passes: the merchant's own, else the installation's, else the demo's."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import ClassVar
from uuid import UUID

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import Resources, resources_of
from app.kernel.clock import SystemClock
from app.kernel.locks import lock_name
from app.kernel.observability import get_logger
from app.kernel.settings import ModuleSettings, get_settings, save_settings
from app.modules.wallets.apple_wallet.demo import load_or_make_demo
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.identity import Blob, Identity, read_identity
from app.utils.security import Keyring, sealed_version

KEPT_MAX = 1_000
LOCK = "wallets.apple_setup"

log = get_logger("stempel.wallets")


class AppleSetup(ModuleSettings):
    """A merchant's own Apple certificate, by the names that the operator's settings have. Keys are encrypted."""

    section: ClassVar[str] = "wallets.apple"
    apple_certificate: str = Field("", description="The pass certificate, PEM; set by the upload.")
    apple_key: str = Field("", description="Its private key, encrypted; set by the upload.")
    apple_wwdr: str = Field("", description="Intermediates of Apple that were uploaded, PEM.")
    apple_pass_type: str = Field("", description="Pass type identifier, read from the certificate.")
    apple_team: str = Field("", description="Team identifier, read from the certificate.")
    request: str = Field("", description="The certificate request made for Apple, PEM.")
    sealed_request_key: str = Field("", description="Private key of the request, encrypted.")
    draft: str = Field("", description="A certificate that waits for Apple's intermediate, PEM.")
    sealed_draft_key: str = Field("", description="Private key of the waiting certificate, encrypted.")


def seal_key(keyring: Keyring, merchant_id: UUID, key: bytes) -> str:
    """Encrypt a private key for the settings row."""
    return base64.b64encode(keyring.seal(key, context=f"wallets.apple:{merchant_id}")).decode()


def unseal_key(keyring: Keyring, merchant_id: UUID, sealed: str) -> bytes:
    """Decrypt what seal_key made; raises ValueError."""
    return keyring.unseal(base64.b64decode(sealed), context=f"wallets.apple:{merchant_id}")


class SealedAppleKeys:
    """The merchant's private keys inside the settings row, for a rotation of the keys."""

    NAMES = ("apple_key", "sealed_request_key", "sealed_draft_key")

    async def count_old(self, session: AsyncSession, keyring: Keyring) -> int:
        """Count the private keys that an older key sealed."""
        setup = await get_settings(session, AppleSetup, merchant_id=session.info["merchant_id"])
        return len(self._old(setup, keyring))

    async def reseal(self, session: AsyncSession, keyring: Keyring) -> int:
        """Seal all anew; they are read and written under the merchant's lock, as an upload writes them."""
        merchant_id: UUID = session.info["merchant_id"]
        await lock_name(session, LOCK, merchant_id)
        setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
        fresh = {
            name: seal_key(keyring, merchant_id, unseal_key(keyring, merchant_id, getattr(setup, name)))
            for name in self._old(setup, keyring)
        }
        if fresh:
            await save_settings(session, AppleSetup.model_validate(fresh), merchant_id=merchant_id)
        return len(fresh)

    def _old(self, setup: AppleSetup, keyring: Keyring) -> list[str]:
        newest = keyring.newest("field")
        held = {name: getattr(setup, name) for name in self.NAMES if getattr(setup, name)}
        return [name for name, text in held.items() if sealed_version(base64.b64decode(text)) != newest]


class AppleKeys:
    """The identities of this process, read once; whether they have expired is asked at every use."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self._settings = settings
        self._keyring = keyring
        self._installation: Identity | None = None
        self._merchants: dict[tuple[UUID, str], Identity] = {}
        self._lock = Lock()

    @property
    def is_configured(self) -> bool:
        """Tell whether the operator gave a certificate."""
        return bool(self._settings.apple_certificate)

    def installation(self, now: datetime) -> Identity | None:
        """Return the operator's identity, or the demo's, or None; raises IdentityFault."""
        return check_dates(self.find_installation(now), now)

    def find_installation(self, now: datetime) -> Identity | None:
        """Return the same, even when it has expired since it was read."""
        with self._lock:
            if self._installation is None:
                if self.is_configured:
                    self._installation = read_installation(self._settings, now)
                elif self._settings.demo:
                    self._installation = load_or_make_demo(self._settings.data_dir, now)
            return self._installation

    def own(self, merchant_id: UUID, setup: AppleSetup, now: datetime) -> Identity | None:
        """Return the merchant's own identity, or None; raises IdentityFault."""
        return check_dates(self.find_own(merchant_id, setup), now)

    def find_own(self, merchant_id: UUID, setup: AppleSetup) -> Identity | None:
        """Return the same, even when it has expired."""
        if not setup.apple_certificate:
            return None
        known = (merchant_id, setup.apple_certificate + setup.apple_wwdr)
        kept = self._merchants.get(known)
        if kept is None:
            kept = read_identity(self.own_blobs(merchant_id, setup), now=None)
            if len(self._merchants) >= KEPT_MAX:
                self._merchants.clear()
            self._merchants[known] = kept
        return kept

    def own_blobs(self, merchant_id: UUID, setup: AppleSetup) -> list[Blob]:
        """Return what is stored, in the open."""
        key = unseal_key(self._keyring, merchant_id, setup.apple_key)
        texts = (setup.apple_certificate, setup.apple_wwdr)
        return [Blob("pass.pem", "\n".join(texts).encode()), Blob("key.pem", key)]


def check_dates(identity: Identity | None, now: datetime) -> Identity | None:
    """Return the identity while both of its certificates are valid; raises IdentityFault."""
    if identity is None:
        return None
    if now > identity.certificate.not_valid_after_utc:
        raise IdentityFault("expired", day=identity.certificate.not_valid_after_utc.date().isoformat())
    if now > identity.wwdr.not_valid_after_utc:
        raise IdentityFault("wwdr_expired", day=identity.wwdr.not_valid_after_utc.date().isoformat())
    return identity


def read_installation(settings: Settings, now: datetime) -> Identity:
    """Read the files that the operator named; raises IdentityFault with one sentence."""
    blobs: list[Blob] = []
    for name in (settings.apple_certificate, settings.apple_key, settings.apple_wwdr):
        if not name:
            continue
        path = Path(name)
        try:
            blobs.append(Blob(path.name, path.read_bytes()))
        except OSError as error:
            raise IdentityFault("missing_file", name=path.name) from error
    return read_identity(
        blobs,
        password=settings.apple_key_password,
        now=now,
        pass_type=settings.apple_pass_type,
        team=settings.apple_team,
    )


async def find_identity(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> Identity | None:
    """Return what signs this merchant's new passes, or None where nothing is set up; raises IdentityFault."""
    keys = resources_of(session).get(AppleKeys)
    setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
    return keys.own(merchant_id, setup, now) or keys.installation(now)


async def find_identity_for(
    session: AsyncSession, merchant_id: UUID, *, pass_type: str, now: datetime
) -> Identity | None:
    """Return what signs and pushes for passes of a type that are on phones already, or None.

    A merchant who goes from the operator's certificate to one of its own has passes of both types out there.
    May have expired: whether it still signs is asked when it does (check_dates). Raises IdentityFault.
    """
    keys = resources_of(session).get(AppleKeys)
    setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
    own = keys.find_own(merchant_id, setup)
    if own is not None and own.pass_type == pass_type:
        return own
    given = keys.find_installation(now)
    return given if given is not None and given.pass_type == pass_type else None


def prepare_keys(resources: Resources) -> None:
    """Put the identities into the process; a certificate that cannot sign is named at once."""
    settings = resources.get(Settings)
    keys = AppleKeys(settings, resources.get(Keyring))
    resources.put(AppleKeys, keys)
    if not keys.is_configured:
        return
    try:
        keys.installation(SystemClock().now())
    except IdentityFault as fault:
        log.error("apple_certificate_unusable", code=fault.code, reason=str(fault))
