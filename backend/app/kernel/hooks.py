"""The four kinds of extension point. A point is declared once, in its owner's public.py.

A subscription is a value in a module's manifest; the registry binds all of them at start in a fixed order:
by `order`, then by the module's place in INSTALLED.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from app.kernel.outcomes import Refusal


class HookContext(Protocol):
    """What every context carries: the switchable modules that the merchant has switched on."""

    @property
    def modules_on(self) -> frozenset[str]:
        """Return the names of switchable modules in effect for this merchant."""
        ...


C = TypeVar("C", bound=HookContext)
V = TypeVar("V")


@dataclass(frozen=True)
class Bound:
    """A subscriber as the registry bound it."""

    module: str
    switchable: bool
    order: int
    function: Callable[..., Any]

    @property
    def where(self) -> str:
        """Return file and line of the subscriber, for `modules --hooks`."""
        code = inspect.unwrap(self.function).__code__
        return f"{code.co_filename.rpartition('/app/')[2]}:{code.co_firstlineno}"


class Point(Generic[C]):
    """Common part of the four kinds: a name, an owner, and the bound subscribers."""

    kind = "Point"

    def __init__(self, name: str, *, about: str) -> None:
        self.name = name
        self.about = about
        self._bound: tuple[Bound, ...] = ()
        POINTS[name] = self

    @property
    def bound(self) -> tuple[Bound, ...]:
        """Return the subscribers in calling order."""
        return self._bound

    def bind(self, subscribers: Iterable[Bound]) -> None:
        """Replace the subscribers; called by the registry only."""
        self._bound = tuple(subscribers)

    def _active(self, context: C) -> Iterable[Bound]:
        return (b for b in self._bound if not b.switchable or b.module in context.modules_on)


POINTS: dict[str, Point[Any]] = {}


class Veto(Point[C]):
    """Pure functions `(context) -> Refusal | None`; the first refusal wins."""

    kind = "Veto"

    def first_refusal(self, context: C) -> Refusal | None:
        """Ask the subscribers in order and return the first refusal."""
        for subscriber in self._active(context):
            refusal = subscriber.function(context)
            if refusal is not None:
                assert isinstance(refusal, Refusal)
                return refusal
        return None


class Chain(Point[C], Generic[C, V]):
    """Pure functions `(context, value) -> value`, each given what the one before returned."""

    kind = "Chain"

    def apply(self, context: C, value: V) -> V:
        """Pass the value through the subscribers in order."""
        for subscriber in self._active(context):
            value = subscriber.function(context, value)
        return value


class Collect(Point[C], Generic[C, V]):
    """Functions `(context) -> iterable of values`, sync or async, gathered in order."""

    kind = "Collect"

    async def gather(self, context: C) -> list[V]:
        """Return everything the subscribers contribute."""
        values: list[V] = []
        for subscriber in self._active(context):
            result = subscriber.function(context)
            values.extend(await result if inspect.isawaitable(result) else result)
        return values


class Tell(Point[C]):
    """Functions `(context) -> None`, sync or async, inside the caller's transaction; a failure fails the request."""

    kind = "Tell"

    def has_listeners(self, context: HookContext) -> bool:
        """Tell whether anybody would be told; who costs nothing may then be spared the preparations."""
        return any(not b.switchable or b.module in context.modules_on for b in self._bound)

    async def tell(self, context: C) -> None:
        """Tell every subscriber, in order."""
        for subscriber in self._active(context):
            result = subscriber.function(context)
            if inspect.isawaitable(result):
                await result


class Keyed(Generic[V]):
    """A registry by key: what modules offer under a name (reward kinds, channels, exporters, invariants…)."""

    kind = "Registry"

    def __init__(self, name: str, *, about: str) -> None:
        self.name = name
        self.about = about
        self._offers: dict[str, V] = {}
        KEYED[name] = self

    def bind(self, offers: dict[str, V]) -> None:
        """Replace the offers; called by the registry only."""
        self._offers = offers

    def get(self, key: str) -> V:
        """Return the offer under the key; raises KeyError."""
        return self._offers[key]

    def find(self, key: str) -> V | None:
        """Return the offer under the key, or None."""
        return self._offers.get(key)

    def items(self) -> list[tuple[str, V]]:
        """Return all offers in the order of INSTALLED."""
        return list(self._offers.items())


KEYED: dict[str, Keyed[Any]] = {}


@dataclass(frozen=True)
class On:
    """A subscription in a manifest: this function answers that point."""

    point: Point[Any]
    function: Callable[..., Any] | Callable[..., Awaitable[Any]]
    order: int = 100


@dataclass(frozen=True)
class Offer:
    """An entry in a manifest for a registry by key."""

    registry: Keyed[Any]
    key: str
    value: Any
