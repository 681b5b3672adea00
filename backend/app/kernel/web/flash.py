"""Messages for the next page, in a signed cookie: shown once, after a redirect."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request
from starlette.responses import Response

from app.kernel.web.cookies import delete_cookie, keyring_of, open_value, read_cookie, set_cookie, sign_value

FLASH_COOKIE = "flash"
FLASHES_MAX = 4
FLASH_LENGTH_MAX = 300
FLASH_AGE = timedelta(minutes=2)
KINDS = frozenset({"ok", "info", "warn", "danger"})


@dataclass(frozen=True)
class Flash:
    """One message: plain text in the visitor's language, and how it looks."""

    text: str
    kind: str = "ok"


@dataclass(frozen=True)
class Taken:
    """The messages a request brought, to be cleared on the answer that shows them."""

    request: Request
    messages: list[Flash]
    is_present: bool

    def clear(self, response: Response) -> None:
        """Make the browser forget what has now been shown."""
        if self.is_present:
            delete_cookie(self.request, response, FLASH_COOKIE)


def take_flashes(request: Request) -> Taken:
    """Return the waiting messages; a cookie that is not ours has none."""
    raw = read_cookie(request, FLASH_COOKIE)
    if raw is None:
        return Taken(request, [], is_present=False)
    value = open_value(keyring_of(request), "flash", raw)
    stored = json.loads(value) if value else []
    return Taken(request, [Flash(text, kind) for text, kind in stored], is_present=True)


def add_flash(request: Request, response: Response, text: str, *, kind: str = "ok") -> None:
    """Show a text on the next page this visitor opens."""
    assert kind in KINDS, kind
    waiting = [(flash.text, flash.kind) for flash in take_flashes(request).messages]
    messages = [*waiting, (text[:FLASH_LENGTH_MAX], kind)][-FLASHES_MAX:]
    signed = sign_value(keyring_of(request), "flash", json.dumps(messages))
    set_cookie(request, response, FLASH_COOKIE, signed, max_age=FLASH_AGE)
