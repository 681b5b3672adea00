"""Cookies with the strictest attributes the address allows, and signed values for what they carry."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from fastapi import Request
from starlette.responses import Response

from app.config import Settings
from app.utils.security import Keyring, b64, same, unb64

COOKIE_LENGTH_MAX = 3_500
SIGNATURE_BYTES = 16


def settings_of(request: Request) -> Settings:
    """Return the process's settings."""
    settings: Settings = request.app.state.settings
    return settings


def keyring_of(request: Request) -> Keyring:
    """Return the installation's keys."""
    keyring: Keyring = request.app.state.resources.get(Keyring)
    return keyring


def cookie_name(settings: Settings, name: str) -> str:
    """Return the name on the wire: __Host- binds a cookie to this host, https and the root path.

    Browsers refuse the prefix over plain HTTP, which only the demo on a local network uses.
    """
    return f"__Host-{name}" if settings.secure_cookies else name


def read_cookie(request: Request, name: str) -> str | None:
    """Return the value of one of our cookies."""
    return request.cookies.get(cookie_name(settings_of(request), name))


def set_cookie(
    request: Request,
    response: Response,
    name: str,
    value: str,
    *,
    max_age: timedelta | None = None,
    same_site: Literal["lax", "strict"] = "lax",
) -> None:
    """Set an HttpOnly cookie for the whole site; without max_age it ends with the browser."""
    assert len(value) <= COOKIE_LENGTH_MAX, "browsers drop longer cookies silently"
    settings = settings_of(request)
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=None if max_age is None else int(max_age.total_seconds()),
        path="/",
        secure=settings.secure_cookies,
        httponly=True,
        samesite=same_site,
    )


def delete_cookie(request: Request, response: Response, name: str) -> None:
    """Ask the browser to forget one of our cookies."""
    settings = settings_of(request)
    response.delete_cookie(
        cookie_name(settings, name), path="/", secure=settings.secure_cookies, httponly=True, samesite="lax"
    )


def sign_value(keyring: Keyring, purpose: str, value: str) -> str:
    """Return the value with a signature good for this purpose only; the value stays readable."""
    version = keyring.newest("token")
    signature = keyring.mac("token", "signed", purpose, value, version=version)[:SIGNATURE_BYTES]
    return f"{version}.{b64(value.encode())}.{b64(signature)}"


def open_value(keyring: Keyring, purpose: str, signed: str) -> str | None:
    """Return what sign_value signed, or None for anything else."""
    version, _dot, rest = signed.partition(".")
    body, _dot, signature = rest.partition(".")
    try:
        value = unb64(body).decode()
        expected = keyring.mac("token", "signed", purpose, value, version=int(version))[:SIGNATURE_BYTES]
        return value if same(expected, unb64(signature)) else None
    except (ValueError, KeyError):
        return None
