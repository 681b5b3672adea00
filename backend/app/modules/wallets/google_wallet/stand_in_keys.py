"""The demo's signing side of callbacks: root and intermediate keys that change by the day and by the hour.

Keys are files named for their time, so that several processes agree on them and a new time brings a new key.
They vouch for the stand-in's issuer only; Google's own messages are checked against Google's keys in the demo, too.
"""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.config import Settings
from app.kernel.adapters import Resources
from app.modules.wallets.google_wallet.accounts import STAND_IN_ISSUER
from app.modules.wallets.google_wallet.adapters import GoogleClient
from app.modules.wallets.google_wallet.callbacks import PROTOCOL, SENDER, RootKeys, signed_bytes

ROOT_PERIOD, MIDDLE_PERIOD = timedelta(days=1), timedelta(hours=1)
MESSAGE_AGE = timedelta(hours=2)
_START = datetime(2026, 1, 1, tzinfo=UTC)
_KEPT = 3


class StandInKeys:
    """Keys in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def published(self, now: datetime) -> list[tuple[str, datetime]]:
        """Return the root keys in effect: today's, and the last one until its messages have expired."""
        day = (now - _START) // ROOT_PERIOD
        return [
            (_public(self._key("root", number)), _START + (number + 2) * ROOT_PERIOD)
            for number in (day, day - 1)
        ]

    def message(self, event: str, *, class_id: str, object_id: str, now: datetime) -> dict[str, Any]:
        """Return what Google would post for a save or a deletion."""
        root = self._key("root", (now - _START) // ROOT_PERIOD)
        hour = (now - _START) // MIDDLE_PERIOD
        middle = self._key("middle", hour)
        signed_key = json.dumps(
            {"keyValue": _public(middle), "keyExpiration": _millis(_START + (hour + 2) * MIDDLE_PERIOD)}
        )
        text = json.dumps(
            {
                "classId": class_id,
                "objectId": object_id,
                "eventType": event,
                "expTimeMillis": int(_millis(now + MESSAGE_AGE)),
                "count": 1,
                "nonce": str(uuid4()),
            }
        )
        return {
            "signature": _sign(middle, SENDER, STAND_IN_ISSUER, PROTOCOL, text),
            "intermediateSigningKey": {
                "signedKey": signed_key,
                "signatures": [_sign(root, SENDER, PROTOCOL, signed_key)],
            },
            "protocolVersion": PROTOCOL,
            "signedMessage": text,
        }

    def _key(self, kind: str, number: int) -> ec.EllipticCurvePrivateKey:
        path = self._folder / f"{kind}-{number:09d}.pem"
        if not path.exists():
            self._make(path)
            for old in sorted(self._folder.glob(f"{kind}-*.pem"))[:-_KEPT]:
                old.unlink(missing_ok=True)
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    def _make(self, path: Path) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        temporary = self._folder / f".{path.name}-{os.getpid()}"
        temporary.touch(mode=0o600)
        temporary.write_bytes(pem)
        try:
            os.link(temporary, path)  # two processes at once agree on the first one's
        except FileExistsError:
            pass
        finally:
            temporary.unlink()


class StandInRoots(RootKeys):
    """The stand-in's root keys, read where Google's would be fetched."""

    def __init__(self, keys: StandInKeys) -> None:
        super().__init__(client=None, url="")
        self._source = keys

    async def _fetch(self, *, now: datetime) -> None:
        self.fetched_at = now
        self.keys = self._source.published(now)
        self.good_until = now + MIDDLE_PERIOD


def stand_in_keys(settings: Settings) -> StandInKeys:
    """Return the demo's keys."""
    return StandInKeys(settings.data_dir / "google-stand-in" / "keys")


def prepare_roots(resources: Resources) -> None:
    """Put the cache of root keys into the process; after the client. The demo's stand-in brings its own."""
    settings = resources.get(Settings)
    roots = RootKeys(resources.get(GoogleClient), settings.google_callback_keys_url)
    roots.stand_in = StandInRoots(stand_in_keys(settings)) if settings.demo else None
    resources.put(RootKeys, roots)


def _public(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(encoding, form)).decode()


def _sign(key: ec.EllipticCurvePrivateKey, *parts: str) -> str:
    return base64.b64encode(key.sign(signed_bytes(*parts), ec.ECDSA(hashes.SHA256()))).decode()


def _millis(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))
