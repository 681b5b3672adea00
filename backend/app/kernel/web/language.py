"""Which language a visitor is answered in, and the switch that changes it."""

from __future__ import annotations

from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Form, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings
from app.kernel.i18n import LANGUAGES, negotiate, set_current
from app.kernel.permissions import public
from app.kernel.web.cookies import cookie_name, set_cookie
from app.kernel.web.forms import redirect, safe_next

LANGUAGE_COOKIE = "language"
LANGUAGE_AGE = timedelta(days=365)
LANGUAGE_PARAMETER = "lang"

router = APIRouter(include_in_schema=False)


class LanguageMiddleware:
    """Sets the current language before anything is said. Pure ASGI, so that handlers see it."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._cookie = cookie_name(settings, LANGUAGE_COOKIE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Negotiate, serve, and keep a language chosen by `?lang=` in the cookie."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        chosen = _chosen(scope)
        remembered = _cookie_value(headers.get(b"cookie", ""), self._cookie)
        language = negotiate(headers.get(b"accept-language"), remembered, chosen)
        set_current(language)

        async def send_remembering(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                if not any(name == b"content-language" for name, _value in message["headers"]):
                    message["headers"].append((b"content-language", language.encode()))
                if chosen is not None and chosen != remembered:
                    message["headers"].append((b"set-cookie", self._set_cookie(chosen)))
            await send(message)

        await self.app(scope, receive, send_remembering)

    def _set_cookie(self, language: str) -> bytes:
        secure = "; Secure" if self._settings.secure_cookies else ""
        age = int(LANGUAGE_AGE.total_seconds())
        return f"{self._cookie}={language}; Max-Age={age}; Path=/; HttpOnly; SameSite=lax{secure}".encode()


def _chosen(scope: Scope) -> str | None:
    query: bytes = scope.get("query_string", b"")
    if b"lang=" not in query:
        return None
    try:
        wish = parse_qs(query.decode("latin-1"), max_num_fields=50).get(LANGUAGE_PARAMETER, [""])[0]
    except ValueError:
        return None
    return wish if wish in LANGUAGES else None


def _cookie_value(header: str, name: str) -> str | None:
    if name not in header:
        return None
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return None
    return morsel.value if morsel else None


@router.post("/language", dependencies=[public("Remembers the visitor's language.")])
async def post_language(
    request: Request,
    language: Annotated[str, Form(max_length=8)],
    next_path: Annotated[str, Form(alias="next", max_length=500)] = "/",
) -> Response:
    """Keep the chosen language in a cookie and go back to the page."""
    response = redirect(request, safe_next(next_path))
    if language in LANGUAGES:
        set_cookie(request, response, LANGUAGE_COOKIE, language, max_age=LANGUAGE_AGE)
    return response
