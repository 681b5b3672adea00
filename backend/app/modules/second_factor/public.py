"""What other modules use of the second factor: the codes of an authenticator app, for sign-ins of their own."""

from __future__ import annotations

from app.modules.second_factor.rules import (
    TOTP_SECRET_BYTES,
    format_secret,
    matching_step,
    parse_totp_code,
    steps_around,
)
from app.modules.second_factor.service import Proof, factors_of, prove_again
from app.modules.second_factor.totp import ISSUER, code_at, totp_of

__all__ = [
    "ISSUER",
    "TOTP_SECRET_BYTES",
    "Proof",
    "code_at",
    "factors_of",
    "format_secret",
    "matching_step",
    "parse_totp_code",
    "prove_again",
    "steps_around",
    "totp_of",
]
