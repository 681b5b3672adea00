"""Tells the phones that hold a card that it changed: the OUTPUT of the refresh job for Apple."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.config import Settings
from app.kernel.adapters import Resources
from app.kernel.jobs import JobContext, TryAgain
from app.kernel.observability import get_logger
from app.modules.cards.public import get_card_row
from app.modules.wallets.apple_wallet.client import CurlPush, PushAnswer, PushService, StandInPush
from app.modules.wallets.apple_wallet.credentials import check_dates, find_identity_for
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.health import (
    CERTIFICATE_PAUSE,
    PROBE_EVERY,
    UNREGISTERED,
    Turn,
    claim_turn,
    is_certificate_problem,
    is_outage,
    note_answer,
)
from app.modules.wallets.apple_wallet.identity import Identity
from app.modules.wallets.apple_wallet.registering import forget_push_token, list_push_tokens
from app.modules.wallets.apple_wallet.telling import tell_push_fault

WAIT_CAP = timedelta(minutes=4)
DELIVERED_KEPT = 10_000

log = get_logger("stempel.wallets")


class Pusher:
    """The pushes of this process: the service, and what it delivered."""

    def __init__(self, service: PushService, stand_in: PushService | None = None) -> None:
        self._service = service
        self._stand_in = stand_in
        self._delivered: OrderedDict[tuple[UUID, int, str], None] = OrderedDict()

    def service_for(self, identity: Identity) -> PushService:
        """Return Apple's service, or the stand-in for what no iPhone would take anyway."""
        return self._stand_in if identity.is_demo and self._stand_in else self._service

    def was_delivered(self, pass_id: UUID, revision: int, push_token: str) -> bool:
        """Tell whether this process pushed this very state to the device: a retry leaves it alone."""
        return (pass_id, revision, push_token) in self._delivered

    def delivered(self, pass_id: UUID, revision: int, push_token: str) -> None:
        """Remember a push that arrived."""
        self._delivered[pass_id, revision, push_token] = None
        if len(self._delivered) > DELIVERED_KEPT:
            self._delivered.popitem(last=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._service.aclose()


def prepare_pusher(resources: Resources) -> None:
    """Put the pusher into the process; the connection is made at the first push."""
    settings = resources.get(Settings)
    is_given = "apns_url" in settings.model_fields_set
    stand_in = StandInPush() if settings.demo and not is_given else None
    resources.put(Pusher, Pusher(CurlPush(settings.apns_url, settings.apns_ca_file), stand_in))


@dataclass(frozen=True)
class _Work:
    """The pushes of a card that one certificate sends. turn: how many of them may go now."""

    merchant_id: UUID
    pass_id: UUID
    revision: int
    identity: Identity
    tokens: Sequence[str]
    turn: Turn


class AppleOutput:
    """Pushes a changed card to every device that holds its pass."""

    async def update(self, context: JobContext, *, merchant_id: UUID, pass_id: UUID) -> None:
        """Push once to each device; safe to repeat. Raises TryAgain while Apple is away."""
        works, fault = await self._read(context, merchant_id, pass_id)
        reasons = [reason for work in works if (reason := await self._send(context, work))]
        if reasons:
            raise TryAgain(f"apns: {reasons[0]}", after=_wait(context))
        if fault is not None:
            raise TryAgain(f"apple: {fault.code}", after=CERTIFICATE_PAUSE)

    async def _read(
        self, context: JobContext, merchant_id: UUID, pass_id: UUID
    ) -> tuple[list[_Work], IdentityFault | None]:
        """Return what is to be sent, by certificate, and what is wrong with one that cannot send."""
        works: list[_Work] = []
        problem: IdentityFault | None = None
        pusher, now = context.resources.get(Pusher), context.clock.now()
        async with context.session() as session:
            card = await get_card_row(session, merchant_id, pass_id)
            if card.apple_serial is None:
                return [], None
            by_type = await list_push_tokens(session, merchant_id, card.apple_serial)
            for pass_type, tokens in by_type.items():
                try:
                    found = await find_identity_for(session, merchant_id, pass_type=pass_type, now=now)
                    identity = check_dates(found, now)
                except IdentityFault as fault:
                    problem = fault
                    continue
                left = [one for one in tokens if not pusher.was_delivered(pass_id, card.revision, one)]
                if identity is None or not left:  # none: nobody can push for a type that was given up
                    continue
                turn = await claim_turn(session, identity.fingerprint, now=now)
                works.append(_Work(merchant_id, pass_id, card.revision, identity, left, turn))
        return works, problem

    async def _send(self, context: JobContext, work: _Work) -> str:
        """Push as far as the turn goes; returns why something is left to do, or nothing."""
        if work.turn.most == 0:
            return work.turn.reason
        sent = work.tokens[: work.turn.most]
        service = context.resources.get(Pusher).service_for(work.identity)
        answers = await service.push_all(work.identity, sent)
        for token, answer in zip(sent, answers, strict=True):
            await self._settle(context, work, token, answer)
        bad = next((one for one in answers if is_outage(one) or is_certificate_problem(one)), None)
        if bad is not None:
            return f"{bad.status} {bad.reason}".strip()
        return "probe" if len(sent) < len(work.tokens) else ""

    async def _settle(self, context: JobContext, work: _Work, token: str, answer: PushAnswer) -> None:
        pusher, now = context.resources.get(Pusher), context.clock.now()
        if answer.status == 200:
            pusher.delivered(work.pass_id, work.revision, token)
            if work.turn.most is None:
                return
        elif answer.status != UNREGISTERED and not is_outage(answer) and not is_certificate_problem(answer):
            # Nothing that another try would change, such as a token Apple never gave out.
            log.warning("apple_push_refused", status=answer.status, reason=answer.reason)
        async with context.session() as session:
            if answer.status == UNREGISTERED:
                gone_at = answer.gone_at or now
                await forget_push_token(session, work.merchant_id, token, gone_at=gone_at)
            was_probe = work.turn.most is not None
            mark = work.identity.fingerprint
            if await note_answer(session, mark, answer, was_probe=was_probe, now=now):
                reason = answer.reason or str(answer.status)
                log.error("apple_push_certificate_refused", reason=reason)
                await tell_push_fault(session, work.merchant_id, work.identity, reason=reason, now=now)


def _wait(context: JobContext) -> timedelta:
    """Return a wait that grows with the attempts, spread so that a thousand cards do not come back at once."""
    grown: timedelta = min(PROBE_EVERY * (1 << min(context.attempt - 1, 4)), WAIT_CAP)
    return grown * random.uniform(0.8, 1.0)  # noqa: S311 (spreading load needs no secret)


OUTPUT_APPLE = AppleOutput()
