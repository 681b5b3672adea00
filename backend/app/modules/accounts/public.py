"""What other modules may use of accounts: second factors, members, and re-asking for the password.

A second factor (module second_factor) works like this:

1. It offers a SignInFactor under SIGN_IN_FACTOR. After the right password, sign-in pages put a half sign-in into
   a cookie and lead to factor.page_url (with ?next=…); `POST /sessions` calls factor.is_right with its `totp`.
2. The factor's page: token = half_token(request); find_half_sign_in(session, token, now=…) tells who it is (None:
   lead to /sign-in). On POST: try_half_sign_in(…) reserves the try, then verify, then finish_sign_in(…).
3. with_session(request, response, outcome) puts the cookies on the answer.
4. Another way to sign in offers its template under SIGN_IN_BLOCK; a passkey that proves the member by itself ends
   with sign_in_without_password(…), then with_session.
"""

from __future__ import annotations

from fastapi import Request

from app.kernel.web.cookies import read_cookie
from app.modules.accounts.hooks import (
    ACCOUNT_PANEL,
    ACCOUNT_TAKEN_BACK,
    MEMBER_GONE,
    MEMBER_PANEL,
    SIGN_IN_BLOCK,
    SIGN_IN_FACTOR,
    MemberGone,
    MemberRef,
    SignInFactor,
    TakenBack,
    Undone,
)
from app.modules.accounts.keys.service import list_api_keys
from app.modules.accounts.members import MemberView, find_member
from app.modules.accounts.models import SignUpInvitation
from app.modules.accounts.own.service import confirm_password, get_own_member
from app.modules.accounts.passwords import hash_new_password, in_hash_thread
from app.modules.accounts.signing_in.answers import with_session
from app.modules.accounts.signing_in.browser import (
    DEVICE_COOKIE,
    DEVICE_COOKIE_AGE,
    Browser,
    browser_of,
    device_after,
    known_device,
)
from app.modules.accounts.signing_in.half import (
    HALF_COOKIE,
    HalfSignedIn,
    find_half_sign_in,
    refund_factor_try,
    reserve_factor_try,
    try_half_sign_in,
)
from app.modules.accounts.signing_in.limits import refund_attempt, reserve_attempt, sign_in_subjects
from app.modules.accounts.signing_in.mails import MailText, send_security_mail
from app.modules.accounts.signing_in.service import finish_sign_in, sign_in_without_password
from app.modules.accounts.signing_in.sessions import SignedIn, revoke_sessions
from app.modules.accounts.signing_up.invitations import (
    invite_to_sign_up,
    list_sign_up_invitations,
    withdraw_sign_up_invitation,
)
from app.modules.accounts.team.queries import list_team


def half_token(request: Request) -> str:
    """Return the cookie of a half sign-in, unchecked; empty where there is none."""
    return read_cookie(request, HALF_COOKIE) or ""


__all__ = [
    "ACCOUNT_PANEL",
    "ACCOUNT_TAKEN_BACK",
    "DEVICE_COOKIE",
    "DEVICE_COOKIE_AGE",
    "MEMBER_GONE",
    "MEMBER_PANEL",
    "SIGN_IN_BLOCK",
    "SIGN_IN_FACTOR",
    "Browser",
    "HalfSignedIn",
    "MailText",
    "MemberGone",
    "MemberRef",
    "MemberView",
    "SignInFactor",
    "SignUpInvitation",
    "SignedIn",
    "TakenBack",
    "Undone",
    "browser_of",
    "confirm_password",
    "device_after",
    "find_half_sign_in",
    "find_member",
    "finish_sign_in",
    "get_own_member",
    "half_token",
    "hash_new_password",
    "in_hash_thread",
    "invite_to_sign_up",
    "known_device",
    "list_api_keys",
    "list_sign_up_invitations",
    "list_team",
    "refund_attempt",
    "refund_factor_try",
    "reserve_attempt",
    "reserve_factor_try",
    "revoke_sessions",
    "send_security_mail",
    "sign_in_subjects",
    "sign_in_without_password",
    "try_half_sign_in",
    "withdraw_sign_up_invitation",
    "with_session",
]
