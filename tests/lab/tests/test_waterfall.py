"""What the lab takes for a boot by IPv6 alone."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_lab.failure import LabError
from steelyard_lab.waterfall import by_ipv6

V6 = {"hop": "dhcp", "address": "2001:db8:1::1b1", "after_s": 3.14}
V4 = {"hop": "dhcp", "address": "192.0.2.101", "after_s": 3.0}
SCRIPT = {"hop": "script", "address": "192.0.2.101", "after_s": 4.0}


def test_its_addresses_are_told_with_the_time_of_the_first() -> None:
    assert by_ipv6([SCRIPT, V6, V6 | {"after_s": 9}]) == "; waterfall: 2001:db8:1::1b1 after 3.1 s"


@pytest.mark.parametrize("hops", [[], [SCRIPT], [V4], [V6, V4], [{"hop": "dhcp", "error": "ignored", "after_s": 1}]])
def test_a_boot_without_dhcpv6_or_with_another_address_is_none(hops: list[dict[str, Any]]) -> None:
    with pytest.raises(LabError, match="DHCPv6"):
        by_ipv6(hops)
