"""What a request says about the browser: its address, a coarse name, and the device cookie of earlier sign-ins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request

from app.kernel.web.cookies import open_value, read_cookie, sign_value
from app.kernel.web.proxies import address_key, client_address
from app.modules.accounts.rules import browser_name
from app.utils.security import Keyring, b64, new_token

# Not "device": that is what a paired staff device holds, and one browser may be both.
DEVICE_COOKIE = "known_browser"
DEVICE_COOKIE_AGE = timedelta(days=365)
# A browser used for several businesses is known to the last few of its sign-ins.
DEVICE_MEMBERS_MAX = 8
TAG_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a sign-in comes from. name: such as "Firefox, Windows". device: the cookie's value, unchecked."""

    address: str = ""
    name: str = ""
    device: str = ""


def browser_of(request: Request) -> Browser:
    """Return what the request says about its browser."""
    return Browser(
        address_key(client_address(request)),
        browser_name(request.headers.get("user-agent", "")),
        read_cookie(request, DEVICE_COOKIE) or "",
    )


def known_device(keyring: Keyring, browser: Browser, email: str) -> str | None:
    """Return the device's id where this e-mail has signed in from this browser before, else None."""
    device, tags = _parse(keyring, browser.device)
    return device if device and _tag(keyring, email) in tags else None


def device_after(keyring: Keyring, browser: Browser, email: str) -> tuple[str, str]:
    """Return (the device's id, the cookie's new value) once this e-mail has signed in from this browser."""
    device, tags = _parse(keyring, browser.device)
    tag = _tag(keyring, email)
    kept = [*(other for other in tags if other != tag), tag][-DEVICE_MEMBERS_MAX:]
    device = device or new_token()
    return device, sign_value(keyring, "known-browser", f"{device} {','.join(kept)}")


def _parse(keyring: Keyring, cookie: str) -> tuple[str, list[str]]:
    device, _space, tags = (open_value(keyring, "known-browser", cookie) or "").partition(" ")
    return device, tags.split(",") if tags else []


def _tag(keyring: Keyring, email: str) -> str:
    return b64(keyring.mac("lookup", "device-member", email.lower()))[:TAG_LENGTH]
