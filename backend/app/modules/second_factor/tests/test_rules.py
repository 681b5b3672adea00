"""The pure decisions, at their boundaries."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modules.second_factor.passkeys.ceremonies import Site
from app.modules.second_factor.rules import (
    RECOVERY_SYMBOLS,
    format_recovery_code,
    free_name,
    is_cloned,
    matching_step,
    parse_recovery_code,
    parse_totp_code,
    recovery_code_of,
    step_of,
    steps_around,
)
from app.modules.second_factor.totp import code_at, totp_of

# RFC 6238, appendix B, cut to six digits.
RFC_SECRET = b"12345678901234567890"
RFC_CODES = [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]


@pytest.mark.parametrize(("seconds", "code"), RFC_CODES)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    """RFC 6238's own examples come out."""
    assert code_at(RFC_SECRET, step_of(datetime.fromtimestamp(seconds, UTC))) == code


def test_the_address_in_the_picture_is_what_apps_read() -> None:
    """Issuer, account and secret, with the six digits and thirty seconds that are every app's default."""
    uri = totp_of(RFC_SECRET).get_provisioning_uri("a b@example.com", "Stempel")

    assert uri.startswith("otpauth://totp/Stempel:a%20b%40example.com?")
    assert "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" in uri
    assert "issuer=Stempel" in uri


def test_a_step_is_half_a_minute() -> None:
    """The step changes at its second, and three steps are looked at."""
    at = datetime(2026, 11, 20, 9, 0, 29, 999_999, tzinfo=UTC)

    assert step_of(at.replace(second=30, microsecond=0)) == step_of(at) + 1
    assert steps_around(at) == (step_of(at) - 1, step_of(at), step_of(at) + 1)


@pytest.mark.parametrize(("last", "found"), [(None, 7), (6, 7), (7, None), (8, None)])
def test_a_step_counts_once(last: int | None, found: int | None) -> None:
    """A code of the last step used, or of one before it, is over."""
    assert matching_step("222222", {6: "111111", 7: "222222", 8: "333333"}, last_step=last) == found


def test_the_newest_of_equal_codes_is_used_up() -> None:
    """Where two steps happen to have one code, neither can be used afterwards."""
    assert matching_step("222222", {6: "222222", 7: "222222"}, last_step=None) == 7


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("123456", "123456"),
        (" 123 456 ", "123456"),
        ("123-456", "123456"),
        ("12345", None),
        ("1234567", None),
    ],
)
def test_codes_are_read_as_people_type_them(typed: str, read: str | None) -> None:
    """Groups and spaces are theirs; the length is not."""
    assert parse_totp_code(typed) == read


def test_other_digits_are_no_code() -> None:
    """Digits of other scripts look like numbers to Python and not to an app."""
    assert parse_totp_code("١٢٣٤٥٦") is None


@given(st.integers(min_value=0, max_value=2**120 - 1))
def test_a_recovery_code_survives_being_printed(number: int) -> None:
    """Shown in groups, typed in small letters, with O and I and L: it is the same code."""
    code = recovery_code_of(number)
    typed = format_recovery_code(code).lower().replace("0", "o").replace("1", "l")

    assert parse_recovery_code(typed) == code
    assert len(code) == 24


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_code_or_none(text: str) -> None:
    """No text breaks the readers, and what they read has the right shape."""
    digits, symbols = parse_totp_code(text), parse_recovery_code(text)

    assert digits is None or (len(digits) == 6 and digits.isascii())
    assert symbols is None or len(symbols) == 24


@pytest.mark.parametrize(
    ("stored", "seen", "cloned"),
    [(0, 0, False), (0, 1, False), (5, 6, False), (5, 5, True), (5, 4, True), (5, 0, True)],
)
def test_a_counter_has_to_move_on(stored: int, seen: int, cloned: bool) -> None:
    """Keys that never count say nothing; a counter that stands still or goes back says that there are two."""
    assert is_cloned(stored, seen) is cloned


def test_names_are_told_apart() -> None:
    """A name that is taken is numbered; an empty one is the fallback's."""
    assert free_name("  My   phone ", [], fallback="Passkey") == "My phone"
    assert free_name("phone", ["Phone", "phone 2"], fallback="Passkey") == "phone 3"
    assert free_name(" ", ["Passkey"], fallback="Passkey") == "Passkey 2"


@pytest.mark.parametrize(
    ("url", "site", "takes"),
    [
        ("https://loyalty.example.com", Site("loyalty.example.com", "https://loyalty.example.com"), True),
        (
            "https://loyalty.example.com:443/",
            Site("loyalty.example.com", "https://loyalty.example.com"),
            True,
        ),
        ("http://localhost:8000", Site("localhost", "http://localhost:8000"), True),
        ("http://192.0.2.7:8000", Site("192.0.2.7", "http://192.0.2.7:8000"), False),
        ("http://[2001:db8::1]:8000", Site("2001:db8::1", "http://2001:db8::1:8000"), False),
    ],
)
def test_the_site_is_the_installations_address(url: str, site: Site, takes: bool) -> None:
    """Origin as browsers write it; a host that is a number owns no passkeys."""
    assert Site.of(url) == site
    assert site.takes_passkeys is takes


def test_a_recovery_code_has_112_bits_and_more() -> None:
    """What is looked up and kept under a fast hash cannot be guessed from the hash (ASVS 5.0, 6.5.2)."""
    largest = 32**RECOVERY_SYMBOLS - 1

    assert largest.bit_length() >= 112
    assert parse_recovery_code(format_recovery_code(recovery_code_of(largest))) == recovery_code_of(largest)
