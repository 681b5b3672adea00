"""Errors are exceptions: the request cannot go on and nothing is kept. One table of stable codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.kernel.i18n import msg


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A stable code of the HTTP surface: its status and the plain words shown to people."""

    status: int
    title: str


CODES: dict[str, ErrorCode] = {
    "unauthenticated": ErrorCode(401, msg("Please sign in first.")),
    "sign_in_failed": ErrorCode(401, msg("That e-mail and password do not match.")),
    "operator_refused": ErrorCode(401, msg("Name, password and code do not belong together.")),
    "totp_required": ErrorCode(401, msg("Please give the one-time code of this account, too.")),
    "code_wrong": ErrorCode(403, msg("That code is not right, or was used before. Wait for the next one.")),
    "passkey_refused": ErrorCode(403, msg("This passkey does not open this account. Please try again.")),
    "password_wrong": ErrorCode(403, msg("That is not your password.")),
    "pin_wrong": ErrorCode(403, msg("That PIN is not right.")),
    "forbidden": ErrorCode(403, msg("You may not do this.")),
    "csrf": ErrorCode(403, msg("This form has expired. Please load the page again.")),
    "card_blocked": ErrorCode(403, msg("This card is blocked. Please ask the shop.")),
    "pins_off": ErrorCode(
        403, msg("PINs on customers' phones are switched off here. Please use the staff device.")
    ),
    "device_revoked": ErrorCode(403, msg("This device is no longer paired with the shop.")),
    "manager_required": ErrorCode(403, msg("Only a manager may do this.")),
    "sign_up_closed": ErrorCode(
        403, msg("Sign-up is closed here. Please ask whoever runs this installation.")
    ),
    "not_found": ErrorCode(404, msg("We could not find that.")),
    "wallet_unavailable": ErrorCode(
        404, msg("This wallet is not set up here yet. The card in the browser works.")
    ),
    "method_not_allowed": ErrorCode(405, msg("This address does not take that kind of request.")),
    "too_slow": ErrorCode(408, msg("That took too long to arrive. Please try again.")),
    "conflict": ErrorCode(409, msg("Somebody changed this at the same moment. Please try again.")),
    "too_soon": ErrorCode(409, msg("It is too soon for the next stamp.")),
    "daily_cap": ErrorCode(409, msg("This card has had its visits for today.")),
    "card_full": ErrorCode(409, msg("This card is full. Redeem the reward first.")),
    "not_enough": ErrorCode(409, msg("There is not enough on this card for that reward.")),
    "credit_short": ErrorCode(409, msg("There is not so much credit on this card.")),
    "credit_over_limit": ErrorCode(409, msg("This is more credit than may be given by hand at once.")),
    "already_redeemed": ErrorCode(409, msg("This reward has been redeemed already.")),
    "already_sent": ErrorCode(409, msg("This was sent already.")),
    "message_off": ErrorCode(409, msg("Messages of this kind are switched off.")),
    "not_suppressed": ErrorCode(409, msg("Mail to this address is not kept back.")),
    "complained": ErrorCode(
        409, msg("This person reported a mail as spam. Only they can agree to mail again.")
    ),
    "already_voided": ErrorCode(409, msg("This has been undone already.")),
    "already_spent": ErrorCode(409, msg("What was given has been spent already. A manager can undo it.")),
    "void_too_late": ErrorCode(409, msg("It is too late to undo this. A manager can do it.")),
    "reward_inactive": ErrorCode(409, msg("This reward is not offered at the moment.")),
    "wrong_loyalty_type": ErrorCode(409, msg("This shop's programme does not work that way.")),
    "last_reward": ErrorCode(409, msg("A stamp card needs at least one active stamp reward.")),
    "app_is_on": ErrorCode(409, msg("An authenticator app is set up already.")),
    "factor_required_here": ErrorCode(
        409,
        msg("Your business asks everyone for a second step. Set up another one before you remove this one."),
    ),
    "too_many_passkeys": ErrorCode(409, msg("There are twenty passkeys already. Remove one first.")),
    "too_many_tags": ErrorCode(409, msg("There are as many tags as there may be. Remove one first.")),
    "below_zero": ErrorCode(409, msg("There is not so much on this card. A manager may force it.")),
    "import_running": ErrorCode(409, msg("An import is already under way. Please wait until it is done.")),
    "former_owner": ErrorCode(
        409, msg("They handed the business over within the last 7 days. Close their sign-in until then.")
    ),
    "last_owner": ErrorCode(409, msg("A business has an owner. Hand it over first.")),
    "address_taken": ErrorCode(
        409, msg("This address signs in to another business here. Ask for an invitation to another address.")
    ),
    "endpoint_off": ErrorCode(409, msg("This address is switched off. Switch it on first.")),
    "plan_limit": ErrorCode(409, msg("Your plan has no room for one more.")),
    "no_new_cards": ErrorCode(409, msg("This shop takes no new cards at the moment. Please ask the staff.")),
    "shop_closed": ErrorCode(
        409, msg("This shop has closed its loyalty programme. Rewards on your card are good until it ends.")
    ),
    "business_closed": ErrorCode(
        409, msg("This business is closed and can only be looked at. Its owner can open it again.")
    ),
    "store_in_use": ErrorCode(
        409, msg("A store with cards or visits is closed, never deleted: its history is your customers'.")
    ),
    "name_differs": ErrorCode(422, msg("This is not the name of the business.")),
    "too_large": ErrorCode(413, msg("That is too large.")),
    "unsupported_media_type": ErrorCode(415, msg("This address takes another kind of content.")),
    "invalid": ErrorCode(422, msg("Something in the form is not right.")),
    "key_reused": ErrorCode(422, msg("This Idempotency-Key was used for another request.")),
    "weak_password": ErrorCode(422, msg("This password is too easy to guess.")),
    "password_needed": ErrorCode(422, msg("Please choose a password: this browser has not signed up.")),
    "link_unusable": ErrorCode(422, msg("This link has expired or was used already.")),
    "pin_blocked": ErrorCode(429, msg("Too many wrong PINs. Please wait a little.")),
    "rate_limited": ErrorCode(429, msg("Too many requests. Please wait a moment.")),
    "internal": ErrorCode(500, msg("Something went wrong on our side.")),
    "unavailable": ErrorCode(503, msg("We are busy. Please try again in a moment.")),
}


class AppError(Exception):
    """The request cannot go on; the transaction rolls back and the edge answers with the code."""

    code = "internal"

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        retry_at: datetime | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.message = message
        self.retry_at = retry_at
        self.extra: Mapping[str, object] = extra or {}

    @property
    def status(self) -> int:
        """Return the HTTP status that belongs to the code."""
        return CODES[self.code].status


class NotFound(AppError):
    """Unknown, or somebody else's: one answer for both."""

    code = "not_found"


class Unauthenticated(AppError):
    """No usable credential came with the request."""

    code = "unauthenticated"


class Forbidden(AppError):
    """The credential is good and does not allow this."""

    code = "forbidden"


class Invalid(AppError):
    """The input is not usable; extra["fields"] maps field names to messages."""

    code = "invalid"


class Conflict(AppError):
    """The state moved meanwhile or forbids the change."""

    code = "conflict"


class RateLimited(AppError):
    """A limit was reached; retry_at says when the next try is welcome."""

    code = "rate_limited"


class Unavailable(AppError):
    """Something we need is not there at the moment."""

    code = "unavailable"
