"""What kind of device asks: only to put first what works on it; nothing is kept of it."""

from __future__ import annotations

from enum import StrEnum

from app.kernel.web.current import find_current_request


class Device(StrEnum):
    """Which wallet a device has. MAC is also an iPad, which says that it is one; OTHER may lead to any phone."""

    IPHONE = "iphone"
    ANDROID = "android"
    MAC = "mac"
    OTHER = "other"

    @property
    def is_phone(self) -> bool:
        """Tell whether the card is in the hand already."""
        return self in {Device.IPHONE, Device.ANDROID}


def read_device(user_agent: str) -> Device:
    """Return the kind of device that a browser says it runs on."""
    # Order counts: Windows Phone said it was both, and no iPhone says Android.
    if "Android" in user_agent:
        return Device.ANDROID
    if any(name in user_agent for name in ("iPhone", "iPad", "iPod")):
        return Device.IPHONE
    return Device.MAC if "Macintosh" in user_agent else Device.OTHER


def current_device() -> Device:
    """Return the kind of the device that asks; OTHER in a job or a command."""
    request = find_current_request()
    return read_device(request.headers.get("user-agent", "")) if request else Device.OTHER
