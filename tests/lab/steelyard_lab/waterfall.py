"""What boot has seen of a machine's way, as its API tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_lab import api
from steelyard_lab.boot_machine import Firmware
from steelyard_lab.failure import LabError


def shown(node: str, firmware: Firmware, clients: Mapping[str, str]) -> str:
    """Of the newest boot, where that is to be by IPv6 alone. Errors: LabError."""
    if not firmware.boots_by_ipv6:
        return ""
    (boot,) = api.get(f"/v1/nodes/{node}/boots?limit=1", clients)["boots"]
    return by_ipv6(boot["hops"])


def by_ipv6(hops: list[dict[str, Any]]) -> str:
    """Errors: LabError."""
    seen = [each for each in hops if each["hop"] == "dhcp"]
    addresses = {str(each.get("address")) for each in seen}
    if not seen or not all(":" in address for address in addresses):
        raise LabError(f"the waterfall shows no address by DHCPv6 alone, but {sorted(addresses) or 'none at all'}")
    return f"; waterfall: {', '.join(sorted(addresses))} after {seen[0]['after_s']:.1f} s"
