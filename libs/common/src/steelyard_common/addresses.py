"""Which addresses may be called for a stranger: none inside one's own network, unless the operator names it. Pure.

A URL that a stranger chooses (a webhook's, an image's) must not make us call what only we can reach: loopback, private
and link-local networks, a cloud's metadata service (169.254.169.254, fd00:ec2::254), BMCs.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from ipaddress import IPv4Network as IPv4Network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_METADATA = frozenset({IPv6Address("fd00:ec2::254"), IPv4Address("100.100.100.200"), IPv4Address("192.0.0.192")})


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


def is_beside(address: Address) -> bool:
    """Whether only this very machine is meant, or its link: loopback, link-local, no address, a metadata service."""
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_beside(inner)
    return address.is_loopback or address.is_link_local or address.is_unspecified or address in _METADATA


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
