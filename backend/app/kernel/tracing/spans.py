"""What is being timed now, and how to time a part of it. Knows no library: that is the adapter's business."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from app.config import Settings
    from app.kernel.adapters import Resources

Value = str | int | float | bool
Kind = Literal["server", "client", "consumer"]


class Span(Protocol):
    """A piece of work that is being timed."""

    @property
    def is_kept(self) -> bool:
        """Tell whether it will be sent; of one that will not, nothing needs to be noted."""
        ...

    @property
    def trace_id(self) -> str:
        """Return the number of the trace, as logs and collectors write it."""
        ...

    @property
    def traceparent(self) -> str:
        """Return what carries the trace on (W3C Trace Context)."""
        ...

    def begin_part(self, name: str, *, kind: Kind, attributes: Mapping[str, Value]) -> Span:
        """Begin a piece of work that is a part of this one."""
        ...

    def add_part(self, name: str, *, seconds: float, attributes: Mapping[str, Value], error: str) -> None:
        """Note a call to another program that has just ended. error: its kind; empty where it went well."""
        ...

    def rename(self, name: str) -> None:
        """Give it the name that is known only now."""
        ...

    def note(self, name: str, value: Value) -> None:
        """Note a fact: kinds, numbers and ids of ours, never whom it is about."""
        ...

    def fail(self, error: str) -> None:
        """Note that it failed, by the kind of error; messages may quote what somebody typed."""
        ...

    def finish(self) -> None:
        """End it."""
        ...


class Tracing(Protocol):
    """What a process traces with; a resource of it where tracing is on."""

    def begin(
        self,
        name: str,
        *,
        kind: Kind,
        attributes: Mapping[str, Value],
        parent: str = "",
        link: str = "",
    ) -> Span:
        """Begin a piece of work that came from outside. parent, link: the traceparent it belongs to, or follows."""
        ...

    async def aclose(self) -> None:
        """Send what waits, for a moment."""
        ...


CURRENT: ContextVar[Span | None] = ContextVar("stempel_span", default=None)


@contextmanager
def working_on(span: Span) -> Iterator[Span]:
    """Make what is done meanwhile parts of this span, and end it."""
    token = CURRENT.set(span)
    try:
        yield span
    finally:
        CURRENT.reset(token)
        span.finish()


@contextmanager
def outgoing(name: str, attributes: Mapping[str, Value]) -> Iterator[Span | None]:
    """Time a call to the outside as a part of the job that makes it; None where nothing is traced."""
    current = CURRENT.get()
    if current is None or not current.is_kept:
        yield None
        return
    span = current.begin_part(name, kind="client", attributes=attributes)
    try:
        yield span
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.finish()


def start_tracing(settings: Settings, resources: Resources, *, program: str) -> None:
    """Let this process trace what it does, where the operator has named a collector. program: web or worker."""
    if not settings.otlp_endpoint:
        return
    from app.kernel.tracing.opentelemetry_adapter import open_tracing
    from app.kernel.tracing.statements import watch_statements

    resources.put(Tracing, open_tracing(settings, program=program))  # type: ignore[type-abstract]
    watch_statements(resources)
