"""Google's REST API over HTTP: tokens, requests, and what an answer means. The only place that calls Google.

Never called inside a transaction. Nothing is retried here except a refused token, once; the job decides the rest.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from app.config import Settings
from app.kernel.adapters import Resources
from app.kernel.observability import get_logger
from app.kernel.tracing.spans import outgoing
from app.modules.wallets.google_wallet.accounts import GoogleAccount, sign_jwt
from app.modules.wallets.google_wallet.stand_in import StandIn, make_stand_in_app

if TYPE_CHECKING:
    import httpx2

SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_AGE = timedelta(minutes=55)
ASSERTION_AGE = timedelta(hours=1)
TOKENS_KEPT = 1_000
ANSWER_BYTES_MAX = 1_000_000
USER_AGENT = "Stempel (gzip)"
# Not reading for this long means that nobody is there: an unanswered request is one that is asked again.
ANSWER_SECONDS_MAX, CONNECT_SECONDS_MAX = 10.0, 5.0

log = get_logger("stempel.google_wallet")


def _no_headers() -> httpx2.Headers:
    import httpx2

    return httpx2.Headers()


class Fault(Exception):
    """Google did not do it. code: what the dashboard puts into words.

    is_temporary: the same request may work later. retry_after: what Google asked for.
    """

    def __init__(
        self, code: str, *, is_temporary: bool = False, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.is_temporary = is_temporary
        self.retry_after = retry_after


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the JSON and the headers that matter."""

    status: int
    body: dict[str, Any]
    headers: httpx2.Headers = field(default_factory=_no_headers)

    @property
    def message(self) -> str:
        """Return Google's sentence, for telling faults apart; never shown or logged as it is."""
        error = self.body.get("error")
        if isinstance(error, dict):
            return f"{error.get('status', '')} {error.get('message', '')}"
        return f"{error or ''} {self.body.get('error_description', '')}"

    @property
    def reasons(self) -> set[str]:
        """Return the machine-readable reasons of an error."""
        error = self.body.get("error")
        if not isinstance(error, dict):
            return set()
        rows = [*(error.get("errors") or []), *(error.get("details") or [])]
        return {str(row["reason"]) for row in rows if isinstance(row, dict) and "reason" in row}


class Google(Protocol):
    """What the rest of the module asks of Google; tests and the demo answer it themselves."""

    async def call(
        self,
        account: GoogleAccount,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        now: datetime,
    ) -> Answer:
        """Send one request and return the answer, whatever its status; raises Fault without one."""
        ...


class GoogleClient:
    """One connection pool of the process; tokens are kept in memory until shortly before they end."""

    def __init__(self, settings: Settings, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._http: httpx2.AsyncClient | None = None
        self._stand_in: httpx2.AsyncClient | None = None
        self._stand_in_folder = settings.data_dir / "google-stand-in"
        self._tokens: dict[tuple[str, str], tuple[str, datetime]] = {}
        self._fetching = asyncio.Lock()

    async def call(
        self,
        account: GoogleAccount,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        now: datetime,
    ) -> Answer:
        """Send one request; a refused token is replaced once."""
        answer = await self._send(account, method, path, body, token=await self._token(account, now=now))
        if answer.status == 401:
            self._tokens.pop(_key_of(account), None)
            answer = await self._send(account, method, path, body, token=await self._token(account, now=now))
        return answer

    async def _token(self, account: GoogleAccount, *, now: datetime) -> str:
        kept = self._kept_token(account, now=now)
        if kept is not None:
            return kept
        async with self._fetching:  # many jobs at once ask for one token
            return self._kept_token(account, now=now) or await self._fetch_token(account, now=now)

    def _kept_token(self, account: GoogleAccount, *, now: datetime) -> str | None:
        token, good_until = self._tokens.get(_key_of(account), ("", now))
        return token if now < good_until else None

    async def _fetch_token(self, account: GoogleAccount, *, now: datetime) -> str:
        claims = {
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": account.token_uri,
            "iat": int(now.timestamp()),
            "exp": int((now + ASSERTION_AGE).timestamp()),
        }
        assertion = sign_jwt(account, claims)
        form = {"grant_type": GRANT, "assertion": assertion}
        answer = await self._request(account, "POST", account.token_uri, data=form)
        token = answer.body.get("access_token")
        if answer.status != 200 or not isinstance(token, str):
            raise token_fault(answer)
        if len(self._tokens) >= TOKENS_KEPT:
            self._tokens.clear()
        lifetime = answer.body.get("expires_in")
        age = timedelta(seconds=max(0, int(lifetime) - 120)) if isinstance(lifetime, int) else TOKEN_AGE
        self._tokens[_key_of(account)] = (token, now + min(age, TOKEN_AGE))
        return token

    async def _send(
        self,
        account: GoogleAccount,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        *,
        token: str,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{account.api_url}{path}"
        if body is None:
            return await self._request(account, method, url, headers=headers)
        return await self._request(account, method, url, headers=headers, json=body)

    async def _request(self, account: GoogleAccount, method: str, url: str, **parts: Any) -> Answer:
        # Only the worker calls Google: a web process is spared the 18 MB of it.
        import httpx2

        place = {"http.request.method": method, "server.address": urlsplit(url).hostname or ""}
        try:
            with outgoing(f"{method} Google", place) as span:
                response = await self._client(account).request(method, url, **parts)
                if span is not None:
                    span.note("http.response.status_code", response.status_code)
        except httpx2.HTTPError as error:
            raise Fault("unreachable", is_temporary=True) from error
        if len(response.content) > ANSWER_BYTES_MAX:
            raise Fault("unexpected", is_temporary=True)
        try:
            data = response.json()
        except ValueError:
            data = {}
        return Answer(response.status_code, data if isinstance(data, dict) else {}, response.headers)

    def _client(self, account: GoogleAccount) -> httpx2.AsyncClient:
        import httpx2

        if account.is_stand_in:
            if self._stand_in is None:
                inside = httpx2.ASGITransport(app=make_stand_in_app(StandIn(self._stand_in_folder)))
                self._stand_in = httpx2.AsyncClient(transport=inside)
            return self._stand_in
        if self._http is None:
            self._http = httpx2.AsyncClient(
                timeout=httpx2.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
                transport=self._transport,
                headers={"User-Agent": USER_AGENT},
                follow_redirects=False,
            )
        return self._http

    async def fetch(self, url: str) -> Answer:
        """Return a public JSON document (the callback keys); raises Fault."""
        account = _NOBODY
        return await self._request(account, "GET", url)

    async def aclose(self) -> None:
        """Close the connections."""
        for client in (self._http, self._stand_in):
            if client is not None:
                await client.aclose()


_NOBODY = GoogleAccount("", "", "", "", "", "", "operator")


def _key_of(account: GoogleAccount) -> tuple[str, str]:
    return account.client_email, account.private_key


def token_fault(answer: Answer) -> Fault:
    """Return what a refused token means."""
    text = answer.message.lower()
    if answer.status >= 500 or answer.status == 429:
        return Fault("unreachable", is_temporary=True, retry_after=retry_after(answer))
    if "iat" in text or "exp" in text or "timeframe" in text or "short-lived" in text:
        return Fault("clock_skew")
    if "scope" in text:
        return Fault("wrong_scope")
    if "account not found" in text or "invalid_client" in text:
        return Fault("unknown_account")
    return Fault("key_refused")


def fault_of(answer: Answer) -> Fault:
    """Return what an answer that is no success means."""
    text, reasons = answer.message.lower(), answer.reasons
    if answer.status == 429 or reasons & {
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "RATE_LIMIT_EXCEEDED",
    }:
        return Fault("too_fast", is_temporary=True, retry_after=retry_after(answer))
    if answer.status >= 500 or answer.status == 408:
        return Fault("unreachable", is_temporary=True, retry_after=retry_after(answer))
    if answer.status == 401:
        return Fault("key_refused")
    if answer.status == 403:
        if reasons & {"quotaExceeded"} or "quota exceeded" in text:
            return Fault("quota", is_temporary=True)
        if reasons & {"SERVICE_DISABLED", "accessNotConfigured"} or "has not been used in project" in text:
            return Fault("api_off")
        if reasons & {"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"} or "scope" in text:
            return Fault("wrong_scope")
        return Fault("not_a_user")
    if answer.status == 404:
        return Fault("not_found")
    return Fault("refused")


def retry_after(answer: Answer) -> timedelta | None:
    """Return the wait that Google asked for, where it gave seconds; at most five minutes."""
    text = answer.headers.get("retry-after", "")
    return timedelta(seconds=min(int(text), 300)) if text.isascii() and text.isdigit() else None


def prepare_google(resources: Resources) -> None:
    """Put the client into the process."""
    resources.put(GoogleClient, GoogleClient(resources.get(Settings)))
