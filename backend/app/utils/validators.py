"""Input types shared by every edge: cleaned texts, addresses, amounts, colours."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

NAME_LENGTH_MAX = 120
TEXT_LENGTH_MAX = 2_000
EMAIL_LENGTH_MAX = 254

# One address, no display name, no quoting games; the mailbox proves the rest.
_EMAIL = re.compile(
    r"[^\s@<>()\[\]\\,;:\"]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}", re.UNICODE
)
_PHONE = re.compile(r"\+?[0-9]{5,15}")
# What holds an address together; names of hosts may have the full stops of other scripts (RFC 3490, section 3.1).
_LINK_JOINTS = re.compile("(?<=\\S)([.:/@\u3002\uff0e\uff61])(?=\\S)")


def clean_text(value: str) -> str:
    """Return the text in NFC, trimmed, without control and direction-override characters.

    Line breaks stay; lone surrogates and NUL, which PostgreSQL refuses, go.
    """
    value = value.encode("utf-8", "ignore").decode("utf-8")
    value = unicodedata.normalize("NFC", value)
    return "".join(symbol for symbol in value if symbol == "\n" or _is_shown(symbol)).strip()


def _is_shown(symbol: str) -> bool:
    return unicodedata.category(symbol) not in {"Cc", "Cs", "Cn"} and symbol not in _DIRECTION_MARKS


# Overrides and isolates let a name reorder the text around it; joiners (emoji, Persian) stay.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_line(value: str) -> str:
    """Return the text as one line."""
    return " ".join(clean_text(value).split())


def without_links(text: str) -> str:
    """Return the text so that no mail programme makes a link of it: invisible breaks in what could be an address.

    For words that a stranger chose and a mail of ours repeats, to whoever the stranger named.
    """
    return _LINK_JOINTS.sub("\\1\u200b", text)


def clean_email(value: str) -> str:
    """Return the address trimmed with its domain in lower case; raises ValueError for what cannot be one."""
    value = clean_line(value)
    # "=?" begins an encoded word (RFC 2047), which headers are decoded from: nobody's address has it.
    if len(value) > EMAIL_LENGTH_MAX or not _EMAIL.fullmatch(value) or ".." in value or "=?" in value:
        raise ValueError("not an e-mail address")
    local, _, domain = value.rpartition("@")
    return f"{local}@{domain.lower()}"


def clean_phone(value: str) -> str:
    """Return the number as digits with an optional leading plus; raises ValueError otherwise."""
    compact = re.sub(r"[\s().\-/]", "", clean_line(value))
    if compact.startswith("00"):
        compact = "+" + compact[2:]
    if not _PHONE.fullmatch(compact):
        raise ValueError("not a phone number")
    return compact


_GROUPED = re.compile(r"[0-9]{1,3}(?:([.,' \u2019\u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*", re.ASCII)


def typed_amount(text: str) -> str:
    """Return an amount as people write it in any of our languages as parse_amount reads it.

    "1.234,50", "1,234.50", "1 234,50", "1234,5" and "1234.5" mean one thing only. "1.234" could mean two: it comes
    back with its three decimals, which no currency of ours has, and is refused where the currency is known.
    """
    text = text.strip()
    last = max(text.rfind("."), text.rfind(","))
    if last < 0:
        head, tail = text, None
    elif text.count(text[last]) > 1:
        head, tail = text, None
    else:
        head, tail = text[:last], text[last + 1 :]
    grouped = _GROUPED.fullmatch(head)
    if grouped and (tail is None or grouped[1] != text[last]):
        head = "".join(letter for letter in head if letter.isdecimal())
    return head if tail is None else f"{head}.{tail}"


def parse_amount(value: Any) -> Decimal:
    """Return a JSON number or a plain decimal string as a Decimal; raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise ValueError("amount must be a number")
    text = repr(value) if isinstance(value, float) else str(value)
    if len(text) > 40:
        raise ValueError("amount is too long")
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,4})?", text, re.ASCII):
        raise ValueError("amount must look like 59.90")
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("amount must be a number") from error
    if not amount.is_finite() or amount <= 0 or amount.adjusted() > 11:
        raise ValueError("amount must be above zero and below a thousand million")
    return amount


def _empty_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _known_time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("unknown time zone")
    ZoneInfo(value)
    return value


Line = Annotated[str, AfterValidator(clean_line), StringConstraints(max_length=NAME_LENGTH_MAX)]
Name = Annotated[
    str,
    StringConstraints(max_length=NAME_LENGTH_MAX),
    AfterValidator(clean_line),
    StringConstraints(min_length=1),
]
Text = Annotated[str, StringConstraints(max_length=TEXT_LENGTH_MAX), AfterValidator(clean_text)]
Email = Annotated[str, StringConstraints(max_length=EMAIL_LENGTH_MAX), AfterValidator(clean_email)]
Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(clean_phone)]
OptionalLine = Annotated[Line | None, BeforeValidator(_empty_to_none)]
OptionalEmail = Annotated[Email | None, BeforeValidator(_empty_to_none)]
OptionalPhone = Annotated[Phone | None, BeforeValidator(_empty_to_none)]
Amount = Annotated[
    Decimal,
    BeforeValidator(parse_amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 999_999_999},
                {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,4})?$"},
            ],
            "description": "Major units, at most the currency's decimals",
            "examples": ["59.90"],
        }
    ),
]
HexColor = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$", examples=["#1f2937"])]
TimeZone = Annotated[str, AfterValidator(_known_time_zone)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Locale = Annotated[str, Field(pattern="^(en|fr|de|lb)$")]
Pin = Annotated[str, Field(pattern="^[0-9]{4,6}$")]
