"""The account test: one request to Google, made by a job, and what its answer means in plain words."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import ClassVar

from pydantic import Field

from app.kernel.i18n import msg
from app.kernel.jobs import Backoff, JobContext, job
from app.kernel.settings import ModuleSettings, save_settings
from app.modules.wallets.google_wallet.accounts import GoogleAccount, find_account
from app.modules.wallets.google_wallet.adapters import Answer, Fault, GoogleClient, fault_of

# A token whose clock is further off is refused by Google.
CLOCK_SKEW_MAX = timedelta(minutes=5)

# What each code means to the person who has to repair it.
FAULTS: dict[str, str] = {
    "ok": msg("Everything works: Google accepts the key and the issuer."),
    "api_off": msg(
        "The Google Wallet API is switched off in the key's project. Enable it in the Google Cloud console."
    ),
    "not_a_user": msg(
        "The service account is not a user of this issuer."
        " Invite its e-mail in the Google Pay & Wallet console, or check the issuer id."
    ),
    "wrong_scope": msg(
        "The token lacks the right to use Google Wallet. Allow the scope wallet_object.issuer."
    ),
    "clock_skew": msg(
        "The clock of this server is wrong. Set it by NTP; Google refuses tokens of another time."
    ),
    "unknown_account": msg("Google does not know this service account. Was it deleted?"),
    "key_refused": msg("Google refuses the key. Make a new key of the service account and upload it."),
    "too_fast": msg("Google asks us to slow down. We try again by ourselves."),
    "quota": msg("Google's quota for today is used up. We try again by ourselves."),
    "unreachable": msg("Google cannot be reached at the moment. We try again by ourselves."),
    "not_found": msg(
        "The address of the API answers, and it is not Google Wallet's. Check STEMPEL_GOOGLE_API_URL."
    ),
    "refused": msg("Google refuses the request. Check the issuer id."),
    "unexpected": msg("Google answered something that we do not understand."),
    "none": msg("No account is set up."),
}


class GoogleCheck(ModuleSettings):
    """The result of the last account test; written by the job."""

    section: ClassVar[str] = "google_wallet_check"
    code: str = Field("", description="What the last test of the Google account found; written by the test.")
    at: str = Field("", description="When the last test of the Google account was; written by the test.")


@job("wallets.check_google", retry=Backoff(give_up_after=timedelta(minutes=1)))
async def check_google(context: JobContext) -> None:
    """Ask Google whether the account works, and note the answer."""
    assert context.merchant_id is not None
    async with context.session() as session:
        account = await find_account(session, context.merchant_id)
    now = context.clock.now()
    code = await find_fault(context.resources.get(GoogleClient), account, now=now) if account else "none"
    async with context.session() as session:
        await save_settings(
            session, GoogleCheck(code=code, at=now.isoformat()), merchant_id=context.merchant_id
        )


async def find_fault(client: GoogleClient, account: GoogleAccount, *, now: datetime) -> str:
    """Return what is wrong with an account as a code of FAULTS; "ok" when nothing is."""
    path = f"/loyaltyClass?issuerId={account.issuer_id}&maxResults=1"
    try:
        answer = await client.call(account, "GET", path, now=now)
    except Fault as error:
        return error.code
    if answer.status < 400 or (account.is_stand_in and answer.status == 400):
        return "ok"
    return "clock_skew" if answer.status == 401 and is_clock_off(answer, now=now) else fault_of(answer).code


def is_clock_off(answer: Answer, *, now: datetime) -> bool:
    """Tell whether Google's own clock says something else than ours."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return False
    return theirs.tzinfo is not None and abs(theirs - now) > CLOCK_SKEW_MAX
