"""Where a request comes from: forwarded headers are believed from configured proxies only."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from fastapi import Request
from starlette.types import Scope

IPV6_PREFIX = 64
UNKNOWN_ADDRESS = "unknown"
# Read anew at each request, twice; a few thousand are a few hundred kilobytes, in memory only.
ADDRESSES_KEPT = 4_096
ADDRESS_LENGTH_MAX = 100

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_networks(values: Sequence[str]) -> tuple[Network, ...]:
    """Return the configured proxies as networks."""
    return tuple(ipaddress.ip_network(value, strict=False) for value in values)


def parse_address(text: str) -> Address | None:
    """Return an address without port, zone or IPv4-in-IPv6 dress; None for anything else."""
    return _parse_address(text) if len(text) <= ADDRESS_LENGTH_MAX else None


@lru_cache(maxsize=ADDRESSES_KEPT)
def _parse_address(text: str) -> Address | None:
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _is_trusted(address: Address | None, trusted: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in trusted)


def comes_from_proxy(scope: Scope, trusted: Sequence[Network]) -> bool:
    """Tell whether a proxy of ours hands this request over, so that its headers are believed."""
    return _is_believed(_peer_of(scope), trusted)


def _peer_of(scope: Scope) -> Address | None:
    return parse_address(scope["client"][0]) if scope.get("client") else None


def _is_believed(peer: Address | None, trusted: Sequence[Network]) -> bool:
    # A local socket has no address; whoever may open it was let in by the file system.
    return bool(trusted) if peer is None else _is_trusted(peer, trusted)


def resolve_client(scope: Scope, trusted: Sequence[Network]) -> tuple[str, str | None]:
    """Return the client's address, and the forwarded scheme when a trusted proxy named one.

    X-Forwarded-For is read from its end: each proxy appends what it saw, so everything before the first
    address that no proxy of ours wrote is the stranger's own invention.
    """
    peer = _peer_of(scope)
    if not _is_believed(peer, trusted):
        return (str(peer) if peer else UNKNOWN_ADDRESS), None
    schemes = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-proto"]
    client = peer
    for part in reversed(_all_forwarded(scope)):
        address = parse_address(part)
        if address is None:
            break
        client = address
        if not _is_trusted(address, trusted):
            break
    scheme = schemes[-1].strip().lower() if schemes else ""
    return (str(client) if client else UNKNOWN_ADDRESS), scheme if scheme in {"http", "https"} else None


def _all_forwarded(scope: Scope) -> list[str]:
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [part for value in values for part in value.split(",") if part.strip()]


def client_address(request: Request) -> str:
    """Return the address the request came from, after trusted proxies; "unknown" when there is none."""
    address: str = getattr(request.state, "client_address", UNKNOWN_ADDRESS)
    return address


def address_key(address: str) -> str:
    """Return what limits count an address by: itself, or for IPv6 its /64, which one household owns."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
    return str(parsed) if parsed else UNKNOWN_ADDRESS
