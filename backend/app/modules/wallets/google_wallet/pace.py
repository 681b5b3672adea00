"""How fast an issuer is asked, over all workers: one row in PostgreSQL hands out the moments to start.

Google allows twenty requests a second. Starts are spread evenly below that, so that no second holds more, whoever
asks. After failures one probe a minute goes out and everybody else waits.
"""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database
from app.kernel.jobs import TryAgain
from app.modules.wallets.google_wallet.accounts import GoogleAccount
from app.modules.wallets.google_wallet.adapters import Answer, Fault, GoogleClient, fault_of

REQUESTS_A_SECOND = 16
QUEUE_SECONDS_MAX = 5.0
PROBE_EVERY = timedelta(minutes=1)
FAILURES_BEFORE_PAUSE = 3

_CLAIM = text("""
INSERT INTO google_pace AS pace (issuer_id, next_at) VALUES (:issuer, clock_timestamp())
ON CONFLICT (issuer_id) DO UPDATE SET
    next_at = greatest(pace.next_at + :gap, clock_timestamp()),
    paused_until = CASE WHEN pace.paused_until IS NULL THEN NULL
                        ELSE CAST(:now AS timestamptz) + CAST(:probe AS interval) END
WHERE (pace.paused_until IS NULL OR pace.paused_until <= :now)
  AND pace.next_at < clock_timestamp() + CAST(:longest AS interval)
RETURNING extract(epoch FROM next_at - clock_timestamp()) AS wait, failures
""")
_PAUSED = text("SELECT paused_until FROM google_pace WHERE issuer_id = :issuer")
_FAILED = text("""
UPDATE google_pace SET failures = failures + 1, fault = :fault, last_fault = :fault, last_fault_at = :now,
    paused_until = CASE WHEN failures + 1 >= :patience OR CAST(:until AS timestamptz) IS NOT NULL
                        THEN greatest(coalesce(CAST(:until AS timestamptz), :probe_at), :probe_at)
                        ELSE paused_until END
WHERE issuer_id = :issuer
""")
_WORKED = text(
    "UPDATE google_pace SET failures = 0, paused_until = NULL, fault = NULL WHERE issuer_id = :issuer"
)
_FAULT = text("SELECT fault FROM google_pace WHERE issuer_id = :issuer")


class Unanswered(TryAgain):
    """The request may have been carried out: no answer came."""


class PacedGoogle:
    """Google as jobs use it: in its turn, and with what a failure means for everybody noted."""

    def __init__(self, client: GoogleClient, database: Database) -> None:
        self._client = client
        self._database = database

    async def call(
        self,
        account: GoogleAccount,
        method: str,
        path: str,
        *,
        body: dict[str, object] | None = None,
        now: datetime,
    ) -> Answer:
        """Wait for a turn and send the request.

        Returns answers that the caller decides on (2xx, 404, 409, 400, spent notifications); raises TryAgain
        where the request has to come back later.
        """
        failures = 0 if account.is_stand_in else await self._take_turn(account.issuer_id, now=now)
        try:
            answer = await self._client.call(account, method, path, body=body, now=now)
            fault = None if answer.status < 400 or answer.status in {400, 404, 409} else fault_of(answer)
        except Fault as error:
            answer, fault = Answer(0, {}), error
        if fault is None or fault.code == "quota":
            if failures:
                await self._write(_WORKED, issuer=account.issuer_id)
            return answer
        if not account.is_stand_in:
            await self._note_failure(account.issuer_id, fault, now=now)
        # Without an answer nobody knows whether Google did it.
        raise (Unanswered if answer.status == 0 else TryAgain)(f"Google: {fault.code}", fault.retry_after)

    async def check_pause(self, session: AsyncSession, account: GoogleAccount, *, now: datetime) -> None:
        """Raise TryAgain while the issuer is paused and it is not yet time for a probe."""
        if account.is_stand_in:
            return
        paused_until = (await session.execute(_PAUSED, {"issuer": account.issuer_id})).scalar_one_or_none()
        if paused_until is not None and paused_until > now:
            raise TryAgain("Google: waiting for a turn", wait_for_turn(paused_until, now=now))

    async def _take_turn(self, issuer_id: str, *, now: datetime) -> int:
        values = {
            "issuer": issuer_id,
            "gap": timedelta(seconds=1 / REQUESTS_A_SECOND),
            "now": now,
            "probe": PROBE_EVERY,
            "longest": timedelta(seconds=QUEUE_SECONDS_MAX),
        }
        async with self._database.sessions() as session, session.begin():
            turn = (await session.execute(_CLAIM, values)).one_or_none()
            paused_until = (
                None if turn else (await session.execute(_PAUSED, {"issuer": issuer_id})).scalar_one_or_none()
            )
        if turn is None:
            raise TryAgain("Google: waiting for a turn", wait_for_turn(paused_until, now=now))
        await asyncio.sleep(max(0.0, float(turn.wait)))
        return int(turn.failures)

    async def _note_failure(self, issuer_id: str, fault: Fault, *, now: datetime) -> None:
        # A request that was too fast, or an account that is refused, is wrong for everybody at once.
        at_once = fault.code not in {"unreachable", "unexpected"}
        until = now + (fault.retry_after or PROBE_EVERY) if at_once else None
        await self._write(
            _FAILED,
            issuer=issuer_id,
            fault=fault.code,
            now=now,
            until=until,
            probe_at=now + PROBE_EVERY,
            patience=FAILURES_BEFORE_PAUSE,
        )

    async def _write(self, statement: object, **values: object) -> None:
        async with self._database.sessions() as session, session.begin():
            await session.execute(statement, values)  # type: ignore[call-overload]

    async def fault(self, issuer_id: str) -> str | None:
        """Return why Google last refused the issuer, as a code."""
        async with self._database.sessions() as session, session.begin():
            found: str | None = (await session.execute(_FAULT, {"issuer": issuer_id})).scalar_one_or_none()
        return found


def wait_for_turn(paused_until: datetime | None, *, now: datetime) -> timedelta:
    """Return when to ask again: after the pause, or when the queue has moved; spread, so that not all come at once."""
    spread = random.uniform(0, 1)  # noqa: S311 (spreading load needs no secret)
    if paused_until is not None and paused_until > now:
        return paused_until - now + timedelta(seconds=1 + 20 * spread)
    return timedelta(seconds=QUEUE_SECONDS_MAX * (0.5 + spread))
