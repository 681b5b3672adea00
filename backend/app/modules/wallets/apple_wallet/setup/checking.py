"""The test of the certificate: a pass is signed and checked, and Apple's push service is asked once, by a job."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.jobs import Backoff, JobContext, job
from app.kernel.settings import ModuleSettings, save_settings
from app.modules.wallets.apple_wallet.client import PushAnswer
from app.modules.wallets.apple_wallet.credentials import find_identity
from app.modules.wallets.apple_wallet.faults import SENTENCES, IdentityFault, fault_text
from app.modules.wallets.apple_wallet.health import is_certificate_problem, is_outage, note_answer
from app.modules.wallets.apple_wallet.identity import Identity
from app.modules.wallets.apple_wallet.pushing import Pusher

# A token of the right shape that Apple never gave out: it answers BadDeviceToken, having taken the certificate.
PROBE_TOKEN = "0" * 64
WAIT_MAX = timedelta(minutes=2)

RESULTS: dict[str, str] = {
    "ok": msg("A pass was signed, and Apple's push service takes the certificate."),
    "demo": msg("A pass was signed with the demo's certificate; a stand-in takes the pushes."),
    "push_away": msg("A pass was signed. Apple's push service did not answer (%(name)s); please test again."),
    "none": msg("No certificate is set up."),
}


class AppleCheck(ModuleSettings):
    """The last test of the Apple certificate; written by the test."""

    section: ClassVar[str] = "wallets.apple_check"
    code: str = Field("", description="What the last test of the Apple certificate found.")
    values: dict[str, str] = Field(default_factory=dict, description="Details of what the last test found.")
    at: str = Field("", description="When the last test of the Apple certificate was.")
    asked_at: str = Field("", description="When the test was asked for; empty when it is done.")

    def is_waiting(self, now: datetime) -> bool:
        """Tell whether a test was asked for and may still come."""
        return bool(self.asked_at) and now - datetime.fromisoformat(self.asked_at) < WAIT_MAX

    def text(self) -> str:
        """Return the result in the reader's language; empty where there is none."""
        if self.code in RESULTS:
            return _(RESULTS[self.code], **self.values)
        return fault_text(self.code, self.values) if self.code in SENTENCES else ""


@job("wallets.check_apple", retry=Backoff(give_up_after=timedelta(minutes=1)))
async def check_apple(context: JobContext) -> None:
    """Sign, ask Apple, and note what was found."""
    merchant_id, now = context.merchant_id, context.clock.now()
    assert merchant_id is not None
    code, values = "none", {}
    identity: Identity | None = None
    async with context.session() as session:
        try:
            identity = await find_identity(session, merchant_id, now=now)
        except IdentityFault as fault:
            code, values = fault.code, fault.values
    if identity is not None:
        await asyncio.to_thread(identity.signer.sign, b"{}", at=now)
        (answer,) = (
            await context.resources.get(Pusher).service_for(identity).push_all(identity, [PROBE_TOKEN])
        )
        code, values = result_of(identity, answer)
        async with context.session() as session:
            # What the test finds counts for everybody who waits.
            await note_answer(session, identity.fingerprint, answer, was_probe=True, now=now)
    done = AppleCheck(code=code, values=values, at=now.isoformat(), asked_at="")
    async with context.session() as session:
        await save_settings(session, done, merchant_id=merchant_id)


def result_of(identity: Identity, answer: PushAnswer) -> tuple[str, dict[str, str]]:
    """Return what an answer to the probe means, as a code with its values."""
    name = answer.reason or str(answer.status)
    if is_certificate_problem(answer):
        return "push_refused", {"name": name}
    if is_outage(answer):
        return "push_away", {"name": name}
    return ("demo" if identity.is_demo else "ok"), {}
