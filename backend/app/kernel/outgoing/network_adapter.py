"""The network below the one client for foreign URLs: it connects to nothing but checked, public addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import httpcore2

from app.kernel.outgoing.addresses import AddressRefused, is_public
from app.kernel.outgoing.client import FetchFailed, Resolve

ADDRESSES_MAX = 20
ADDRESSES_TRIED_MAX = 2
CONNECT_SECONDS = 4.0


class PublicOnlyBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections: the name is resolved here and nowhere else, so that what was checked is what is used."""

    def __init__(self, resolve: Resolve, inner: httpcore2.AsyncNetworkBackend) -> None:
        self._resolve = resolve
        self._inner = inner

    async def connect_tcp(  # noqa: PLR0917 (the library's signature)
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first checked address that answers; raises AddressRefused when one is not public."""
        addresses = await self._resolve(host, port)
        if not addresses or len(addresses) > ADDRESSES_MAX:
            raise FetchFailed("the name has no address, or too many")
        # All must be public, not only the first: a name with one of each is somebody's attempt.
        if not all(is_public(address) for address in addresses):
            raise AddressRefused("the address is not on the public internet")
        failure: Exception | None = None
        for address in addresses[:ADDRESSES_TRIED_MAX]:
            try:
                return await self._inner.connect_tcp(address, port, timeout=CONNECT_SECONDS)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise FetchFailed("the host does not answer") from failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: no URL leads to a socket file."""
        raise AddressRefused("no address leads to a file")

    async def sleep(self, seconds: float) -> None:
        """Wait between tries; the pool is told to make none."""
        await asyncio.sleep(seconds)
