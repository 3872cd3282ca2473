"""What boot reads about the DNS server that gets records of nodes. Without a server there are none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from steelyard_common.errors import InvalidRequest
from steelyard_common.settings import env, one_of, positive, some_seconds

from .domain.dns_records import ALGORITHMS, DnsKey, Zones, absolute

_PLACE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d+))?")
_ZONE = re.compile(r"(?:[A-Za-z0-9_/-]{1,63}\.)*[A-Za-z0-9_/-]{1,63}\.?")


def place(text: str) -> tuple[str, int]:
    """``host[:port]``; IPv6 in brackets when there is a port."""
    if text.count(":") > 1 and not text.startswith("["):
        return text, 53
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError("host[:port] is expected, like 192.0.2.53 or [2001:db8::53]:5353")
    return found.group(1) or found.group(2), int(found.group(3) or 53)


def zone(text: str) -> str:
    """An absolute name."""
    if not _ZONE.fullmatch(text.strip()):
        raise ValueError("the name of a zone is expected, like nodes.example.org")
    return absolute(text)


def zones(text: str) -> tuple[str, ...]:
    """With commas."""
    return tuple(zone(piece) for piece in text.split(",") if piece.strip())


@dataclass(frozen=True, kw_only=True)
class DnsSettings:
    """Records of nodes by RFC 2136."""

    dns_server: tuple[str, int] | None = field(
        default=None,
        metadata=env(
            "STEELYARD_DNS_SERVER",
            "host[:port] of the DNS server that takes updates (RFC 2136) for nodes with an instance; empty = none",
            parse=place,
        ),
    )
    dns_zone: str = field(
        default="",
        metadata=env("STEELYARD_DNS_ZONE", "zone that gets the nodes' names, like nodes.example.org", parse=zone),
    )
    dns_reverse_zones: tuple[str, ...] = field(
        default=(),
        metadata=env(
            "STEELYARD_DNS_REVERSE_ZONES",
            "zones that get PTR records, with commas, like 2.0.192.in-addr.arpa; other addresses get none",
            parse=zones,
        ),
    )
    dns_key_name: str = field(
        default="", metadata=env("STEELYARD_DNS_KEY_NAME", "name of the TSIG key that signs updates")
    )
    dns_key_secret: str = field(
        default="", repr=False, metadata=env("STEELYARD_DNS_KEY_SECRET", "secret of that key, base64")
    )
    dns_key_algorithm: str = field(
        default="hmac-sha256",
        metadata=env("STEELYARD_DNS_KEY_ALGORITHM", f"one of {', '.join(ALGORITHMS)}", parse=one_of(*ALGORITHMS)),
    )
    dns_ttl_s: int = field(
        default=300, metadata=env("STEELYARD_DNS_TTL_S", "how long others may keep the records", parse=positive)
    )
    dns_timeout_s: float = field(
        default=5.0,
        metadata=env("STEELYARD_DNS_TIMEOUT_S", "time the server has for all of a node", parse=some_seconds),
    )

    def dns_key(self) -> DnsKey:
        """Errors: InvalidRequest."""
        if not self.dns_key_name or not self.dns_key_secret or not self.dns_zone:
            raise InvalidRequest(
                "STEELYARD_DNS_SERVER is set: STEELYARD_DNS_ZONE, STEELYARD_DNS_KEY_NAME and STEELYARD_DNS_KEY_SECRET "
                "are needed, too"
            )
        key = DnsKey(name=self.dns_key_name, secret=self.dns_key_secret, algorithm=self.dns_key_algorithm)
        key.check()
        return key

    def dns_zones(self) -> Zones:
        return Zones(forward=self.dns_zone, reverse=self.dns_reverse_zones)
