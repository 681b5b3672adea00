"""Logs and metrics that say what happened and never about whom: no addresses, PINs, tokens or names."""

from __future__ import annotations

import logging.config
import platform
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from time import perf_counter
from typing import Any, Literal
from uuid import UUID, uuid4

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kernel.metrics_folder import shared_files
from app.kernel.release import RELEASE

REMOVED = "[removed]"
TEXT_LENGTH_MAX = 8_000
NESTING_MAX = 6
SLOW_JOB_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

# Whole values under such a name are never written, whatever they look like.
SECRET_NAMES = re.compile(
    r"pin$|^pin_|password|passwd|secret|token|cookie|authorization|api_?key|e_?mail|phone|birthday|"
    r"^name$|_name_of_|totp|signature|idempotency",
    re.IGNORECASE,
)
# Made by us, and long enough to look like a token.
OUR_NAMES = frozenset({"request_id", "trace_id"})

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Before the address pattern, which would else eat a part of it: user:password@host in a database address.
    (re.compile(r"(://[^\s/:@]*):[^\s@/]+@"), r"\1:[removed]@"),
    # What SQLAlchemy, PostgreSQL and pydantic quote in their messages.
    (re.compile(r"\[parameters: .*?\](?=\n|$)", re.DOTALL), "[parameters removed]"),
    (re.compile(r"Key \(([^)]*)\)=\(.*?\)(?= |\.|$)"), r"Key (\1)=([removed])"),
    (re.compile(r"(?i)failing row contains \(.*\)"), "Failing row contains ([removed])"),
    (re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL), "input_value=[removed]"),
    (re.compile(r"[A-Za-z0-9._%+\-]+(?:@|%40)[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*"), "[address]"),
    (
        re.compile(
            r"""(?i)(["']?\b(?:staff_)?(?:pin|password|token|totp|secret|api_key|code)["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s"',}&]+)"""
        ),
        r"\1[removed]",
    ),
    (re.compile(r"(?i)\b(bearer|basic|applepass)\s+[A-Za-z0-9._~+/=\-]+"), r"\1 [removed]"),
    (re.compile(r"(?<![\w+\-.:])\+\d[\d ()/\-]{6,}\d"), "[number]"),
)
_LONG = re.compile(r"[A-Za-z0-9_\-]{22,}(?:\.[A-Za-z0-9_\-]{10,})*")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def scrub_text(text: str) -> str:
    """Return the text without e-mail addresses, phone numbers, PINs, passwords and tokens; ids stay."""
    text = text[:TEXT_LENGTH_MAX]
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _LONG.sub(_scrub_long, text)


def _scrub_long(match: re.Match[str]) -> str:
    word = match.group()
    if _UUID.fullmatch(word):
        return word
    has_digit = any(letter.isdigit() for letter in word)
    has_letter = any(letter.isalpha() for letter in word)
    # Names of functions and files are long as well, but are words joined by underscores without digits.
    return "[token]" if has_digit and has_letter else word


def scrub_value(value: object, depth: int = 0) -> object:
    """Return a log value without secrets, following lists and mappings."""
    if isinstance(value, str):
        return scrub_text(value)
    if value is None or isinstance(value, bool | int | float | UUID):
        return value
    if depth >= NESTING_MAX:
        return REMOVED
    if isinstance(value, Mapping):
        return {str(name): _scrub_named(str(name), inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [scrub_value(inner, depth + 1) for inner in value]
    if isinstance(value, BaseException):
        return describe_exception(value)
    return scrub_text(str(value))


def _scrub_named(name: str, value: object, depth: int = 0) -> object:
    if name in OUR_NAMES or isinstance(value, bool):
        return value
    if SECRET_NAMES.search(name):
        return REMOVED
    return scrub_value(value, depth)


def describe_exception(error: BaseException) -> str:
    """Return type and scrubbed message, for a log line or a job's reason."""
    message = scrub_text(str(error)).strip()
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def scrub_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Scrub a log event; the last processor before the line is written."""
    for name, value in event.items():
        event[name] = _scrub_named(name, value)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure_logging(log_format: Literal["json", "console"], log_level: str) -> None:
    """Send structlog's and the standard library's lines to stderr in one shape, scrubbed."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _SHARED,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            scrub_event,
            renderer,
        ],
    }
    quiet = {"handlers": [], "propagate": True, "level": "WARNING"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"stempel": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "stempel"}},
            "root": {"handlers": ["stderr"], "level": log_level},
            # uvicorn's access lines hold paths and queries, pgqueuer's hold tracebacks: ours replace both.
            "loggers": {
                "uvicorn.access": quiet,
                "uvicorn.error": quiet,
                "pgqueuer": quiet,
                "alembic": quiet,
                "httpx2": quiet,
            },
        }
    )


# Set at import: a process that forgot to configure its logs must not fall back to structlog's own way, which
# prints the local variables of a failed function.
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; events are short facts in the past tense with ids and numbers as fields."""
    return structlog.stdlib.get_logger(name)


METRICS = CollectorRegistry()
REQUESTS = Histogram(
    "stempel_request_seconds",
    "Time to answer a request, by route template.",
    ("method", "route", "status"),
    buckets=REQUEST_BUCKETS,
    registry=METRICS,
)
JOBS = Histogram(
    "stempel_job_seconds",
    "Time a job took, by name and result.",
    ("name", "result"),
    buckets=SLOW_JOB_BUCKETS,
    registry=METRICS,
)
POOL = Gauge(
    "stempel_pool_connections_in_use",
    "Pooled database connections in use now, by login; the size is STEMPEL_DATABASE_POOL_SIZE a process.",
    ("login",),
    registry=METRICS,
    multiprocess_mode="livesum",
)
LIMITED = Counter(
    "stempel_rate_limited_total", "Requests refused by a rate limit.", ("limit",), registry=METRICS
)
LIMIT_FALLBACKS = Counter(
    "stempel_limit_fallbacks_total",
    "Times Redis did not answer and PostgreSQL counted instead.",
    registry=METRICS,
)


BUILD = Gauge(
    "stempel_build_info",
    "Always 1; the release and the Python that run, as labels.",
    ("release", "python"),
    registry=METRICS,
    multiprocess_mode="livemax",
)
BUILD.labels(RELEASE, platform.python_version()).set(1)


class _EveryProcess(Collector):
    """Adds up what all processes of this machine have written."""

    def collect(self) -> Iterable[Metric]:
        """Return every metric once, over all processes."""
        found: Iterable[Metric] = MultiProcessCollector.merge(shared_files() or [], accumulate=True)  # type: ignore[no-untyped-call]
        return found


def render_metrics() -> bytes:
    """Return all metrics in Prometheus' text format: of every process of this machine where they are shared."""
    if shared_files() is None:
        return generate_latest(METRICS)
    every_process = CollectorRegistry()
    every_process.register(_EveryProcess())
    return generate_latest(every_process)


def route_template(scope: Scope) -> str:
    """Return the path template of the route that answered, never the path itself."""
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else "(none)"


class ObserveMiddleware:
    """Give each request an id, a log line and a measurement. Pure ASGI and outermost."""

    # Asked every few seconds by machines; a line each would bury the rest.
    QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics", "/static/{digest}/{path:path}"})

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._log = get_logger("stempel.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, observed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500
        started = perf_counter()

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self.app(scope, receive, send_observed)
        finally:
            self._observe(scope, status, perf_counter() - started)
            structlog.contextvars.unbind_contextvars("request_id", "trace_id")

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_template(scope)
        # Only methods of ours become labels: a stranger's invented ones would grow the metrics without end.
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        REQUESTS.labels(method, route, str(status)).observe(seconds)
        if not self._log.isEnabledFor(logging.INFO) or (route in self.QUIET_ROUTES and status < 400):
            return
        self._log.info(
            "request", method=method, route=route, status=status, milliseconds=round(seconds * 1000, 1)
        )
