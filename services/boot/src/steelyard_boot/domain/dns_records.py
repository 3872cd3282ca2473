"""The DNS records of a node that has an instance: its name, its addresses, and who says so. Pure.

NAME is the first that is told of: instance_name, instance_info hostname or display_name, the node's name. A name with
dots stands as it is when it lies in the forward zone; else its first part stands there. ADDRESSES are the first kind
that is told of: the config drive's network_data, the node's own network_data, ``extra.ip_address`` (one, or a list) of
its ports, what the DHCP server gave to its NICs.
A TXT record beside the addresses says whose they are: a name that is somebody else's is never touched.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from steelyard_common.errors import InvalidRequest

ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1")
_NAME = re.compile(r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_UNFIT = re.compile(r"[^a-z0-9-]+")
MOST_LABEL, MOST_ADDRESSES = 63, 16
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, kw_only=True)
class Record:
    """``zone`` and ``name`` are absolute, with the last dot. ``type``: A, AAAA or PTR."""

    zone: str
    name: str
    type: str
    value: str

    @property
    def is_reverse(self) -> bool:
        return self.type == "PTR"


@dataclass(frozen=True, kw_only=True)
class DnsKey:
    """A key of TSIG. ``secret``: base64, as it stands in the server's configuration."""

    name: str
    secret: str = field(repr=False)
    algorithm: str = "hmac-sha256"

    def check(self) -> None:
        """Errors: InvalidRequest."""
        try:
            is_good = bool(base64.b64decode(self.secret, validate=True)) and bool(_NAME.fullmatch(self.name))
        except ValueError:
            is_good = False
        if not is_good:
            raise InvalidRequest("STEELYARD_DNS_KEY_NAME or STEELYARD_DNS_KEY_SECRET is no TSIG key")


@dataclass(frozen=True, kw_only=True)
class Zones:
    """``reverse``: those that PTR records may be written to; an address outside of them gets none."""

    forward: str
    reverse: tuple[str, ...] = ()


def marker(node_uuid: str) -> str:
    """What the TXT record says."""
    return f"steelyard node {node_uuid}"


def absolute(name: str) -> str:
    return f"{name.strip().rstrip('.').lower()}."


def name_of(node: Mapping[str, Any], zones: Zones) -> str | None:
    """The absolute name, if any is told of."""
    info = node.get("instance_info") or {}
    told = (node.get("instance_name"), info.get("hostname"), info.get("display_name"), node.get("name"))
    for each in told:
        text = str(each or "").strip().rstrip(".").lower()
        zone = zones.forward.rstrip(".")
        label = text.removesuffix(f".{zone}") if text.endswith(f".{zone}") else text.partition(".")[0]
        parts = [_UNFIT.sub("-", part).strip("-")[:MOST_LABEL].strip("-") for part in label.split(".")]
        if all(parts):
            return f"{'.'.join(parts)}.{zones.forward}"
    return None


def addresses_of(
    drive: Any, node: Mapping[str, Any], leased: Iterable[str]
) -> tuple[Address, ...]:  # fmt: skip
    """``drive``: the config drive, where it is an object; ``leased``: what DHCP gave to the node's NICs."""
    ports: Iterable[Mapping[str, Any]] = node.get("ports") or ()
    sources: tuple[Iterable[Any], ...] = (
        _of_networks(drive.get("network_data") if isinstance(drive, Mapping) else None),
        _of_networks(node.get("network_data")),
        [each for port in ports for each in _listed((port.get("extra") or {}).get("ip_address"))],
        leased,
    )
    for source in sources:
        found = [each for each in map(_address, source) if each is not None]
        if found:
            return tuple(sorted(dict.fromkeys(found), key=lambda each: (each.version, int(each))))[:MOST_ADDRESSES]
    return ()


def records(name: str, addresses: Sequence[Address], zones: Zones) -> tuple[Record, ...]:
    """Forward and, where a zone is told of, reverse."""
    made: list[Record] = []
    for each in addresses:
        kind = "A" if each.version == 4 else "AAAA"
        made.append(Record(zone=zones.forward, name=name, type=kind, value=str(each)))
        pointer = f"{each.reverse_pointer}."
        fitting = [zone for zone in zones.reverse if pointer.endswith(f".{zone}")]
        if fitting:
            made.append(Record(zone=max(fitting, key=len), name=pointer, type="PTR", value=name))
    return tuple(made)


def _of_networks(network_data: Any) -> Iterable[Any]:
    """Static addresses of Nova's network_data (lifecycle facts §10)."""
    listed = network_data.get("networks") if isinstance(network_data, Mapping) else None
    for network in listed if isinstance(listed, list) else ():
        if isinstance(network, Mapping):
            yield network.get("ip_address")


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else (value,)


def _address(value: Any) -> Address | None:
    """None for what nobody else could call."""
    try:
        found = ip_address(str(value or "").partition("/")[0].strip())
    except ValueError:
        return None
    return None if found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast else found
