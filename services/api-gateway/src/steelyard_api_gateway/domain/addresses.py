"""Which addresses a webhook may have: none inside one's own network, unless the operator names it. Pure.

A URL that a stranger chooses must not make us call what only we can reach: loopback, private and link-local networks,
a cloud's metadata service (169.254.169.254, fd00:ec2::254), BMCs.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from ipaddress import IPv4Network as IPv4Network
from urllib.parse import SplitResult, urlsplit

from steelyard_common.errors import InvalidRequest

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
MOST_CHARACTERS = 2048
PORTS = {"http": 80, "https": 443}
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


def networks(text: str) -> tuple[Network, ...]:
    """Networks, with commas: 10.20.0.0/16,fd12::/32."""
    return tuple(ip_network(piece.strip()) for piece in text.split(",") if piece.strip())


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether it may be called."""
    if any(address.version == each.version and address in each for each in allowed):
        return True
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_allowed(inner, allowed)
    return address.is_global and not address.is_multicast and not address.is_reserved


def parse(url: str, allowed: Sequence[Network]) -> SplitResult:
    """A URL that may be a webhook's, as far as that can be told without asking for its name. Errors: InvalidRequest."""
    if len(url) > MOST_CHARACTERS or any(ord(each) <= 32 or ord(each) == 127 for each in url):
        raise InvalidRequest(f"url has {MOST_CHARACTERS} characters at most, and neither blanks nor control characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidRequest("url is malformed") from None
    if parts.scheme not in PORTS or not host:
        raise InvalidRequest("url must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest("url must not hold a user or password; receivers know us by the signature")
    try:
        address = ip_address(host)
    except ValueError:
        return parts
    if not is_allowed(address, allowed):
        raise InvalidRequest(refusal(host))
    return parts


def refusal(host: str) -> str:
    return (
        f"url: {host} is an address of an internal network; who runs the service may allow it"
        " (STEELYARD_WEBHOOK_NETWORKS)"
    )


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address is another spelling of, or leads to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
