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
from app.kernel.observability import get_logger
from app.kernel.settings import ModuleSettings, get_settings, save_settings
from app.modules.wallets.apple_wallet.demo import load_or_make_demo
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.identity import Blob, Identity, read_identity
from app.utils.security import Keyring, sealed_version

KEPT_MAX = 1_000

log = get_logger("stempel.wallets")


class AppleSetup(ModuleSettings):
    """A merchant's own Apple certificate. The private keys are encrypted."""

    section: ClassVar[str] = "wallets.apple"
    certificate: str = Field("", description="Pass certificate and intermediate, PEM; set by the upload.")
    sealed_key: str = Field("", description="Private key of the certificate, encrypted; set by the upload.")
    request: str = Field("", description="The certificate request made for Apple, PEM.")
    sealed_request_key: str = Field("", description="Private key of the request, encrypted.")
    push_fault: str = Field("", description="What Apple's push service last said against the certificate.")
    push_fault_at: datetime | None = Field(default=None, description="Since when.")


def seal_key(keyring: Keyring, merchant_id: UUID, key: bytes) -> str:
    """Encrypt a private key for the settings row."""
    return base64.b64encode(keyring.seal(key, context=f"wallets.apple:{merchant_id}")).decode()


def unseal_key(keyring: Keyring, merchant_id: UUID, sealed: str) -> bytes:
    """Decrypt what seal_key made; raises ValueError."""
    return keyring.unseal(base64.b64decode(sealed), context=f"wallets.apple:{merchant_id}")


class SealedAppleKeys:
    """The merchant's private keys inside the settings row, for a rotation of the keys."""

    NAMES = ("sealed_key", "sealed_request_key")

    async def count_old(self, session: AsyncSession, keyring: Keyring) -> int:
        """Count the private keys that an older key sealed."""
        setup = await get_settings(session, AppleSetup, merchant_id=session.info["merchant_id"])
        return len(self._old(setup, keyring))

    async def reseal(self, session: AsyncSession, keyring: Keyring) -> int:
        """Seal both anew; they are read and written under the merchant's lock, as an upload writes them."""
        merchant_id: UUID = session.info["merchant_id"]
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
        with self._lock:
            if self._installation is None:
                if self.is_configured:
                    self._installation = read_installation(self._settings, now)
                elif self._settings.demo:
                    self._installation = load_or_make_demo(self._settings.data_dir, now)
            return _still_good(self._installation, now)

    def own(self, merchant_id: UUID, setup: AppleSetup, now: datetime) -> Identity | None:
        """Return the merchant's own identity, or None; raises IdentityFault."""
        if not setup.certificate:
            return None
        kept = self._merchants.get((merchant_id, setup.certificate))
        if kept is None:
            key = unseal_key(self._keyring, merchant_id, setup.sealed_key)
            blobs = [Blob("pass.pem", setup.certificate.encode()), Blob("key.pem", key)]
            kept = read_identity(blobs, now=now)
            if len(self._merchants) >= KEPT_MAX:
                self._merchants.clear()
            self._merchants[merchant_id, setup.certificate] = kept
        return _still_good(kept, now)


def _still_good(identity: Identity | None, now: datetime) -> Identity | None:
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
    """Return what signs this merchant's passes, or None where nothing is set up; raises IdentityFault."""
    keys = resources_of(session).get(AppleKeys)
    setup = await get_settings(session, AppleSetup, merchant_id=merchant_id)
    return keys.own(merchant_id, setup, now) or keys.installation(now)


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
