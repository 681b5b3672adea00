"""What every answer and request goes through: hosts, sizes, and the headers that bind the browser."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings
from app.kernel.web.problems import problem_bytes
from app.kernel.web.proxies import parse_networks, resolve_client

HEADER_COUNT_MAX = 100
HEADER_BYTES_MAX = 32_000
# Uploads are pictures of at most 2 MB, with the form around them; a manifest names the few paths that take more.
UPLOAD_BYTES_MAX = 2_200_000
# Our own bodies are four levels deep at most; a thousand levels cost a parser its stack.
JSON_DEPTH_MAX = 32
# The name in public_url and what lies below it; ASVS 3.4.1 asks for both.
HSTS = "max-age=31536000; includeSubDomains"
_UTF_8_ONLY = re.compile(rb'^(?:(?!charset).)*;\s*charset="?utf-8"?\s*(?:;(?:(?!charset).)*)?$')

CONTENT_SECURITY_POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    # data: for the small pictures inside the vendored stylesheet.
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "worker-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}

FIXED_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": (
        "camera=(self), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Pages show personal facts; what may be kept says so itself.
    "cache-control": "no-store",
}

_FIXED_HEADERS = tuple((name.encode(), value.encode()) for name, value in FIXED_HEADERS.items())


def content_security_policy(extra: Mapping[str, str]) -> str:
    """Return the policy, with a page's own additions: {"script-src": "'wasm-unsafe-eval'"}."""
    directives = dict(CONTENT_SECURITY_POLICY)
    for name, sources in extra.items():
        assert "'unsafe-inline'" not in sources, "no page may run inline scripts or styles"
        known = directives.get(name, "")
        directives[name] = sources if known in {"", "'none'"} else f"{known} {sources}"
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


class JsonDepth:
    """Follows how deep a JSON text is nested, piece by piece, without reading what it says."""

    _MARKS = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._rest = b""

    def is_too_deep(self, piece: bytes) -> bool:
        """Take the next piece; tell whether the text has become deeper than we take."""
        piece = self._rest + piece
        # A backslash and what it hides may lie in two pieces.
        ends_hidden = (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1
        self._rest = piece[-1:] if ends_hidden else b""
        for match in self._MARKS.finditer(piece[:-1] if ends_hidden else piece):
            mark = match.group()
            if mark == b'"':
                self._in_string = not self._in_string
            elif not self._in_string and len(mark) == 1:
                self._depth += 1 if mark in b"[{" else -1
                if self._depth > JSON_DEPTH_MAX:
                    return True
        return False


def _is_json(scope: Scope) -> bool:
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return bool(kinds) and kinds[0].partition(b";")[0].strip().lower().endswith(b"json")


def names_odd_charset(content_type: bytes) -> bool:
    """Tell whether a multipart body asks to be read with another codec than UTF-8.

    The parser takes any codec of Python's: a megabyte of "punycode" holds the process for half a minute, and
    "unicode_escape" makes lone surrogates. Browsers name none.
    """
    kind = content_type.lower()
    return kind.startswith(b"multipart/") and b"charset" in kind and not _UTF_8_ONLY.search(kind)


def _pattern_of(path: str) -> re.Pattern[str]:
    """Return what matches a path of a manifest, in which {…} is any one part."""
    parts = re.split(r"\{[a-z_]+\}", path)
    return re.compile("[^/]+".join(map(re.escape, parts)))


class SecurityMiddleware:
    """Pure ASGI. A page widens its policy by `request.state.csp_extra = {directive: sources}`."""

    def __init__(self, app: ASGIApp, *, settings: Settings, uploads: Mapping[str, int] | None = None) -> None:
        self.app = app
        self._settings = settings
        self._uploads = [(_pattern_of(path), limit) for path, limit in (uploads or {}).items()]
        self._trusted = parse_networks(settings.trusted_proxies)
        self._hosts = {
            str(urlsplit(settings.public_url).hostname).lower(),
            *(h.lower() for h in settings.allowed_hosts),
        }
        self._policy = content_security_policy({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, serve it, complete the answer's headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        address, scheme = resolve_client(scope, self._trusted)
        state["client_address"] = address
        if scheme is not None:
            scope["scheme"] = scheme
        guard = _BodyGuard(receive, send, scope=scope, finish_headers=self._finish_headers)
        refusal = self._refuse(scope, address)
        if refusal is not None:
            await guard.answer(*refusal)
            return
        guard.limit = self._body_limit(scope)
        guard.depth = JsonDepth() if _is_json(scope) else None
        if guard.declared_length() > guard.limit:
            await guard.answer(413, "too_large")
            return
        await self.app(scope, guard.receive, guard.send)

    def _refuse(self, scope: Scope, address: str) -> tuple[int, str] | None:
        headers = scope["headers"]
        if len(headers) > HEADER_COUNT_MAX or sum(len(n) + len(v) for n, v in headers) > HEADER_BYTES_MAX:
            return 431, "too_large"
        if "\x00" in scope["path"]:
            # PostgreSQL takes no NUL in a text; no address of ours has one.
            return 422, "invalid"
        if any(name == b"content-type" and names_odd_charset(value) for name, value in headers):
            return 415, "unsupported_media_type"
        if scope["path"] == "/metrics" and self._settings.metrics_token:
            # Prometheus asks each container by its address; nobody is told anything without the token.
            return None
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._is_known_host(hosts[0].decode("latin-1"), address):
            return 421, "not_found"
        return None

    def _is_known_host(self, header: str, address: str) -> bool:
        """Tell whether the name is ours: a foreign one ends up in links, or is rebound to us."""
        host = (urlsplit(f"//{header}").hostname or "").lower() if "@" not in header else ""
        if host in self._hosts:
            return True
        is_local_caller = address in {"127.0.0.1", "::1"}
        if host in {"localhost", "127.0.0.1", "::1"}:
            return is_local_caller
        if not self._settings.lan:
            return False
        try:
            return ipaddress.ip_address(host).is_private
        except ValueError:
            return False

    def _body_limit(self, scope: Scope) -> int:
        kinds = [value for name, value in scope["headers"] if name == b"content-type"]
        is_upload = bool(kinds) and kinds[0].lower().startswith(b"multipart/form-data")
        if not is_upload:
            return self._settings.body_limit_bytes
        own = [limit for pattern, limit in self._uploads if pattern.fullmatch(scope["path"])]
        return max(own[0] if own else UPLOAD_BYTES_MAX, self._settings.body_limit_bytes)

    def _finish_headers(self, scope: Scope, message: Message) -> None:
        headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
        there = {name.lower() for name, _value in headers}
        headers += [header for header in _FIXED_HEADERS if header[0] not in there]
        if b"content-security-policy" not in there:
            extra = scope["state"].get("csp_extra")
            policy = content_security_policy(extra) if extra else self._policy
            headers.append((b"content-security-policy", policy.encode("latin-1")))
        if scope["scheme"] == "https" and b"strict-transport-security" not in there:
            headers.append((b"strict-transport-security", HSTS.encode()))
        message["headers"] = headers


class _BodyGuard:
    """Counts the body while it is read; beyond its limits the answer is 413 or 422, whatever the app says."""

    def __init__(
        self, receive: Receive, send: Send, *, scope: Scope, finish_headers: Callable[[Scope, Message], None]
    ) -> None:
        self._receive = receive
        self._send = send
        self._scope = scope
        self._finish_headers = finish_headers
        self.limit = 0
        self.depth: JsonDepth | None = None
        self._read = 0
        self._refusal: tuple[int, str] | None = None
        self._is_answered = False

    def declared_length(self) -> int:
        """Return what Content-Length says; nothing or nonsense is zero, and counted while reading."""
        for name, value in self._scope["headers"]:
            if name == b"content-length" and value.isdigit():
                return int(value[:18])
        return 0

    async def receive(self) -> Message:
        """Pass a piece of the body on; beyond the limit the app is told that the client has gone."""
        if self._refusal is not None:
            # The body was whole and is refused: a second look would wait for a message that never comes.
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            body = message.get("body", b"")
            self._read += len(body)
            if self._read > self.limit:
                self._refusal = (413, "too_large")
            elif self.depth is not None and self.depth.is_too_deep(body):
                self._refusal = (422, "invalid")
            if self._refusal is not None:
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Pass the answer on with its headers complete, or replace it by the refusal of the body."""
        if self._refusal is not None:
            if not self._is_answered:
                await self.answer(*self._refusal)
            return
        if message["type"] == "http.response.start":
            self._finish_headers(self._scope, message)
        await self._send(message)

    async def answer(self, status: int, code: str) -> None:
        """Send a whole problem answer."""
        self._is_answered = True
        body = problem_bytes(code, status=status)
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
        ]
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        self._finish_headers(self._scope, start)
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})
