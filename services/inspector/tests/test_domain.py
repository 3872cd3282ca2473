"""What a fake machine is made of."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_inspector.domain import FAKE_MACHINE, GIB, fake_inventory, fake_properties


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
