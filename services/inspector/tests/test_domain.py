"""What a fake machine is made of."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.errors import InvalidRequest
from steelyard_inspector.domain import FAKE_MACHINE, GIB, fake_inventory, fake_properties
from steelyard_inspector.domain.findings import learn

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


def test_what_the_record_says_is_kept_and_the_rest_is_found() -> None:
    found = fake_properties({"memory_mb": 16, "capabilities": "a:b"})

    assert found == FAKE_MACHINE | {"memory_mb": 16, "capabilities": "a:b"}


def test_the_inventory_is_of_the_size_that_the_properties_say() -> None:
    inventory = fake_inventory({"cpus": "8", "memory_mb": 1024, "local_gb": 5, "cpu_arch": "aarch64"})

    assert (inventory["cpu"]["count"], inventory["cpu"]["architecture"]) == (8, "aarch64")
    assert inventory["memory"] == {"physical_mb": 1024, "total": 1 << 30}
    assert inventory["disks"][0]["size"] == 5 * GIB


@pytest.mark.parametrize("value", ["many", None, [], float("inf")])
def test_a_size_that_is_no_number_is_a_fake_machines(value: Any) -> None:
    assert fake_inventory({"cpus": value})["cpu"]["count"] == FAKE_MACHINE["cpus"]


LO = {"name": "lo", "mac_address": "52:54:00:00:00:03", "ipv4_address": "127.0.0.1"}


def _findings(*interfaces: dict[str, Any], pxe: str | None = MAC) -> dict[str, Any]:
    return {"inventory": {"interfaces": list(interfaces), "boot": {"pxe_interface": pxe}}, "logs": "x" * 100}


NICS = (
    {"name": "eth0", "mac_address": MAC, "ipv6_address": "fe80::1%eth0"},
    {"name": "eth1", "mac_address": OTHER, "ipv4_address": "192.0.2.8"}, {"name": "eth2", "mac_address": "odd"},
    {"mac_address": OTHER}, {"name": "eth3", "mac_address": "52:54:00:00:00:04"}, LO,
)  # fmt: skip


@pytest.mark.parametrize(
    ("add", "pxe", "names"),
    [
        ("pxe", MAC, ["eth0"]), ("pxe", None, ["eth0", "eth1", "eth3"]), ("active", MAC, ["eth0", "eth1"]),
        ("all", MAC, ["eth0", "eth1", "eth3"]), ("disabled", MAC, ["eth0", "eth1", "eth3"]),
    ],
)  # fmt: skip
def test_which_nics_count(add: str, pxe: str | None, names: list[str]) -> None:
    learnt = learn(_findings(*NICS, pxe=pxe), add)

    assert list(learnt.plugin_data["valid_interfaces"]) == names
    assert len(learnt.ports) == (0 if add == "disabled" else len(names))
    assert "logs" not in learnt.plugin_data
    assert learnt.plugin_data["all_interfaces"]["eth0"]["ipv6_address"] == "fe80::1"


def test_a_machine_without_a_usable_nic_is_no_node() -> None:
    for found in (_findings(), _findings(LO), _findings({"name": "eth0", "mac_address": "odd"})):
        with pytest.raises(InvalidRequest, match="interface"):
            learn(found)
