"""Reverse mode: boot calls the agent, so that a node needs no path to the control plane (architecture §7). Pure.

``driver_info.agent_direction: "reverse"``. Where: ``driver_info.agent_address``, else the first static address of the
node's network_data; with its own port and scheme, or 9999 and https. The agent takes no command without its token, so
that one must travel with the ramdisk: on virtual media, or made into it (``driver_info.agent_token``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from steelyard_common.errors import InvalidRequest

REVERSE, HOME = "reverse", "home"
PORT = 9999


@dataclass(frozen=True, kw_only=True)
class Called:
    """Where an agent is called, and the certificate it must show (PEM; None: as the node's driver_info says)."""

    url: str
    certificate: str | None = None

    @property
    def host(self) -> str:
        return str(urlsplit(self.url).hostname)

    @property
    def has_tls(self) -> bool:
        return self.url.startswith("https:")


def called(node: Mapping[str, Any]) -> Called | None:
    """None: the agent calls home. ``node``: NodeForProvider. Errors: InvalidRequest."""
    info = node.get("driver_info") or {}
    direction = info.get("agent_direction") or HOME
    if direction == HOME:
        return None
    if direction != REVERSE:
        raise InvalidRequest(f"driver_info: agent_direction is '{direction}'; it can be {HOME} or {REVERSE}")
    told = info.get("agent_address") or _static_address(node.get("network_data") or {})
    if not told:
        raise InvalidRequest(
            "nobody says where the agent of this node is to be called: set driver_info agent_address, or give the node "
            "network_data with a static address"
        )
    return Called(url=_url(str(told).rstrip("/")))


def _url(text: str) -> str:
    if "://" in text:
        return text
    try:
        address = ip_address(text)
    except ValueError:
        return f"https://{text}" if ":" in text else f"https://{text}:{PORT}"
    return f"https://[{address}]:{PORT}" if address.version == 6 else f"https://{address}:{PORT}"


def _static_address(network_data: Mapping[str, Any]) -> str | None:
    for network in network_data.get("networks") or ():
        if str(network.get("type", "")) in ("ipv4", "ipv6") and network.get("ip_address"):
            return str(network["ip_address"]).partition("/")[0]
    return None
