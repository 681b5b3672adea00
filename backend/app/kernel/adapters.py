"""What a process holds besides the database: outside services behind Protocols, each with a stand-in."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


class Resources:
    """Long-lived objects of a process (mail transport, HTTP clients, key ring), by type."""

    def __init__(self) -> None:
        self._objects: dict[type[Any], Any] = {}

    def put(self, kind: type[T], value: T) -> None:
        """Register the object that serves this kind."""
        self._objects[kind] = value

    def get(self, kind: type[T]) -> T:
        """Return the object of this kind; raises KeyError where none was registered."""
        return cast("T", self._objects[kind])

    def find(self, kind: type[T]) -> T | None:
        """Return the object of this kind, or None where this process has none."""
        return cast("T | None", self._objects.get(kind))

    async def close(self) -> None:
        """Close everything that knows how to, last registered first."""
        for value in reversed(self._objects.values()):
            close = getattr(value, "aclose", None)
            if close is not None:
                await close()
        self._objects.clear()


def resources_of(session: AsyncSession) -> Resources:
    """Return the resources of the process that opened the session."""
    resources: Resources = session.info["resources"]
    return resources
