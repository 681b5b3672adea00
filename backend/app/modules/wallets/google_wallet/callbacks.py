"""Google's word that a pass was saved or deleted: verified, applied once, in any order.

A message is signed by an intermediate key, which is signed by one of Google's root keys (ECv2SigningOnly). The
recipient is the issuer id, so a message for another issuer is worth nothing here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, tenant_scope
from app.kernel.adapters import Resources
from app.kernel.observability import get_logger
from app.modules.wallets.google_wallet.accounts import STAND_IN_ISSUER, find_account
from app.modules.wallets.google_wallet.adapters import Answer, Fault
from app.modules.wallets.google_wallet.models import GoogleNonce, GoogleObjectRow
from app.modules.wallets.google_wallet.rules import read_object_id
from app.modules.wallets.marks import mark_changed

PROTOCOL = "ECv2SigningOnly"
SENDER = "GooglePayPasses"
KEYS_AGE_MIN, KEYS_AGE_DEFAULT, KEYS_AGE_MAX = timedelta(minutes=1), timedelta(hours=1), timedelta(days=7)
# A forger who names made-up keys must not make us ask Google each time.
REFETCH_PAUSE = timedelta(minutes=1)
# Google's messages end within days; one that claims to last longer is not kept for longer.
NONCE_AGE_MAX = timedelta(days=30)
EVENTS = frozenset({"save", "del"})

log = get_logger("stempel.google_wallet")


class Forged(Exception):
    """The message is not Google's, not for us, or not of now; reason goes to the log only."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class IntermediateKey(BaseModel):
    """The key that signed the message, signed by a root key."""

    model_config = ConfigDict(populate_by_name=True)
    signed_key: str = Field(alias="signedKey", max_length=4_000)
    signatures: list[str] = Field(max_length=20)


class CallbackMessage(BaseModel):
    """What Google posts. signed_message stays the text that was signed."""

    model_config = ConfigDict(populate_by_name=True)
    signature: str = Field(max_length=1_000)
    intermediate: IntermediateKey = Field(alias="intermediateSigningKey")
    protocol: str = Field(alias="protocolVersion", max_length=50)
    signed_message: str = Field(alias="signedMessage", max_length=8_000)


@dataclass(frozen=True)
class PassEvent:
    """A verified message."""

    issuer_id: str
    merchant_id: UUID
    pass_id: UUID
    event: str
    nonce: str
    expires_at: datetime


def signed_bytes(*parts: str) -> bytes:
    """Return what is signed: each part after its length as four bytes, the lowest first."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "little") + part for part in encoded)


def is_signed(key: str, signature: str, data: bytes) -> bool:
    """Tell whether a signature over the data is this key's (ECDSA, P-256, SHA-256)."""
    try:
        public = load_der_public_key(base64.b64decode(key, validate=True))
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            return False
        public.verify(base64.b64decode(signature, validate=True), data, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError, binascii.Error, UnsupportedAlgorithm):
        return False
    return True


def at_millis(value: object) -> datetime:
    """Return the moment of a count of milliseconds, as text or number; raises Forged."""
    try:
        return datetime.fromtimestamp(int(str(value)) / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Forged("not a moment") from error


def check_intermediate(message: CallbackMessage, roots: list[str], *, now: datetime) -> str:
    """Return the key that may sign messages; raises Forged. roots: Google's keys in effect."""
    if message.protocol != PROTOCOL:
        raise Forged("protocol")
    key = message.intermediate
    data = signed_bytes(SENDER, message.protocol, key.signed_key)
    if not any(is_signed(root, signature, data) for root in roots for signature in key.signatures):
        raise Forged("root")
    described = _json(key.signed_key)
    if at_millis(described.get("keyExpiration")) <= now:
        raise Forged("intermediate key has expired")
    return str(described.get("keyValue", ""))


def check_message(message: CallbackMessage, key: str, *, now: datetime) -> PassEvent:
    """Return what a message says; raises Forged."""
    content, issuer_id = _json(message.signed_message), issuer_of(message)
    data = signed_bytes(SENDER, issuer_id, message.protocol, message.signed_message)
    if not is_signed(key, message.signature, data):
        raise Forged("signature")
    parts = read_object_id(str(content.get("objectId", "")))
    if parts is None:
        raise Forged("object id")
    _, merchant_id, pass_id = parts
    if not str(content.get("classId", "")).startswith(f"{issuer_id}."):
        raise Forged("class id")
    expires_at = at_millis(content.get("expTimeMillis"))
    if expires_at <= now:
        raise Forged("expired")
    event, nonce = str(content.get("eventType", "")), str(content.get("nonce", ""))
    if event not in EVENTS or not nonce:
        raise Forged("event")
    return PassEvent(issuer_id, merchant_id, pass_id, event, nonce, expires_at)


def issuer_of(message: CallbackMessage) -> str:
    """Return the issuer a message is about, by its own words: whom it was signed for is checked with it."""
    return str(_json(message.signed_message).get("objectId", "")).partition(".")[0]


def _json(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Forged("not json") from error
    if not isinstance(data, dict):
        raise Forged("not an object")
    return data


class Publisher(Protocol):
    """Where the keys are published."""

    async def fetch(self, url: str) -> Answer:
        """Return a public JSON document; raises Fault."""
        ...


@dataclass
class RootKeys:
    """Google's root keys, kept for as long as its answer says."""

    client: Publisher | None
    url: str
    keys: list[tuple[str, datetime]] = field(default_factory=list)
    fetched_at: datetime | None = None
    good_until: datetime | None = None
    stand_in: RootKeys | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def for_issuer(self, issuer_id: str) -> RootKeys:
        """Return the keys that may vouch for an issuer: the demo's for the stand-in's issuer, else Google's."""
        return self.stand_in if self.stand_in and issuer_id == STAND_IN_ISSUER else self

    async def current(self, *, now: datetime, is_refetch: bool = False) -> list[str]:
        """Return the keys in effect; is_refetch: they did not fit, so ask again, but not each time."""
        async with self._lock:
            rested = self.fetched_at is None or now - self.fetched_at >= REFETCH_PAUSE
            if self.good_until is None or now >= self.good_until or (is_refetch and rested):
                await self._fetch(now=now)
        if not self.keys:
            raise Fault("unreachable", is_temporary=True)
        return [key for key, expires_at in self.keys if expires_at > now]

    async def _fetch(self, *, now: datetime) -> None:
        assert self.client is not None
        # Whatever comes of it: keys that cannot be had are not asked for with every message.
        self.fetched_at, self.good_until = now, now + REFETCH_PAUSE
        try:
            answer = await self.client.fetch(self.url)
        except Fault as error:
            log.warning("google_callback_keys_unreachable", reason=error.code)
            return
        if answer.status != 200:
            log.warning("google_callback_keys_unreachable", status=answer.status)
            return
        rows = answer.body.get("keys")
        self.keys = [
            (str(row.get("keyValue")), at_millis(row.get("keyExpiration", "253402300799000")))
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict) and row.get("protocolVersion") == PROTOCOL
        ]
        said = re.search(r"max-age=([0-9]{1,9})", answer.headers.get("cache-control", ""))
        age = timedelta(seconds=int(said[1])) if said else KEYS_AGE_DEFAULT
        self.good_until = now + min(max(age, KEYS_AGE_MIN), KEYS_AGE_MAX)


async def verify(known: RootKeys, message: CallbackMessage, *, now: datetime) -> PassEvent:
    """Return what a genuine message says; raises Forged, and Fault where Google's keys cannot be had."""
    roots = known.for_issuer(issuer_of(message))
    try:
        key = check_intermediate(message, await roots.current(now=now), now=now)
    except Forged as error:
        if error.reason != "root":
            raise
        key = check_intermediate(message, await roots.current(now=now, is_refetch=True), now=now)
    return check_message(message, key, now=now)


async def apply_event(session: AsyncSession, event: PassEvent, *, now: datetime) -> bool:
    """Count a save or a deletion; False for one that was counted before. Raises Forged for another issuer."""
    account = await find_account(session, event.merchant_id)
    if account is None or account.issuer_id != event.issuer_id:
        raise Forged("not our issuer")
    await session.execute(
        delete(GoogleNonce).where(
            GoogleNonce.merchant_id == event.merchant_id, GoogleNonce.expires_at < now - timedelta(minutes=5)
        )
    )
    nonce = hashlib.sha256(f"{event.issuer_id}:{event.nonce}".encode()).digest()
    made = insert(GoogleNonce).values(
        merchant_id=event.merchant_id,
        nonce_hash=nonce,
        expires_at=min(event.expires_at, now + NONCE_AGE_MAX),
    )
    fresh = await session.execute(made.on_conflict_do_nothing().returning(GoogleNonce.nonce_hash))
    if fresh.one_or_none() is None:
        return False
    row = GoogleObjectRow
    counted: dict[str, Any] = {"deletions": row.deletions + 1}
    if event.event == "save":
        counted = {"saves": row.saves + 1, "wanted_at": func.coalesce(row.wanted_at, now)}
    await session.execute(
        update(row)
        .where(row.merchant_id == event.merchant_id, row.pass_id == event.pass_id)
        .values(last_event_at=func.greatest(func.coalesce(row.last_event_at, now), now), **counted)
        .execution_options(synchronize_session=False)
    )
    if event.event == "save":
        await mark_changed(session, event.merchant_id, event.pass_id)
    return True


async def take_callback(resources: Resources, message: CallbackMessage, *, now: datetime) -> None:
    """Verify a message and count what it says, in a transaction of its own; raises Forged and Fault."""
    event = await verify(resources.get(RootKeys), message, now=now)
    async with tenant_scope(resources.get(Database), event.merchant_id) as session:
        await apply_event(session, event, now=now)
