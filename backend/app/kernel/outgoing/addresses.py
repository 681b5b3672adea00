"""Which addresses a merchant's URL may lead to: https, a plain name, and only hosts of the public internet."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

URL_LENGTH_MAX = 2_000
PORTS = frozenset({443, 8443})

# Networks that the registry calls global and that lead to somebody's inside all the same: an IPv4 address hides in
# NAT64, 6to4, Teredo and the old "compatible" form, and is delivered by whoever runs the translator.
# Source: RFC 6052, 3056, 4380, 4291, read November 2026.
_HIDING = tuple(
    ipaddress.ip_network(text)
    for text in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "::/96",
        "192.88.99.0/24",
        "fec0::/10",
    )
)


class AddressRefused(ValueError):
    """The URL is not one we open; it will not get better by trying again."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL, in the parts a request is made of."""

    host: str
    port: int
    path: str


def parse_target(url: str) -> Target:
    """Return the parts of a URL that we may open; raises AddressRefused."""
    if (
        len(url) > URL_LENGTH_MAX
        or any(ord(letter) <= 32 or ord(letter) == 127 for letter in url)
        or "\\" in url
    ):
        raise AddressRefused("the address is too long or holds blanks")
    try:
        parts = urlsplit(url)
        port = parts.port or 443
        host = (parts.hostname or "").encode("idna").decode().lower()
    except ValueError:
        raise AddressRefused("the address cannot be read") from None
    if parts.scheme != "https":
        raise AddressRefused("the address must begin with https://")
    if not host or "@" in parts.netloc:
        raise AddressRefused("the address must name a host, without user or password")
    if port not in PORTS:
        raise AddressRefused("the address must use the port 443 or 8443")
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    if not target.isascii():
        raise AddressRefused("the path must be percent-encoded")
    return Target(host, port, target)


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet, whatever dress it wears."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    if any(parsed in network for network in _HIDING if network.version == parsed.version):
        return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)
