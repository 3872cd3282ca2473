"""Images that are too large for the disk they will be written to: told when it is certain, and not otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_boot.domain.fitting import GIB, check
from steelyard_boot.domain.images import Image
from steelyard_common.errors import InvalidRequest

WHOLE = Image(source="http://images.example/i", by="local", is_partition=False)
PARTITION = Image(source="http://images.example/i", by="local", is_partition=True)
STICK = {"name": "/dev/sdc", "size": 2 * GIB, "model": "Stick"}
SMALL = {"name": "/dev/sda", "size": 8 * GIB, "model": "Fast", "serial": "S1", "wwn": "0xAB", "rotational": False}
LARGE = {"name": "/dev/sdb", "size": 100 * GIB, "model": "Slow", "serial": "S2", "rotational": True}
DISKS = [LARGE, SMALL, STICK]


def node(hints: Any = None, where: str = "properties", **instance: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"properties": {}, "instance_info": instance}
    if hints is not None:
        made[where]["root_device"] = hints
    return made


@pytest.mark.parametrize(
    ("hints", "disk"),
    [
        (None, "/dev/sda, its smallest disk,"),
        ({"name": "/dev/sda"}, "/dev/sda"),
        ({"serial": "s1"}, "/dev/sda"),
        ({"wwn": "0xab"}, "/dev/sda"),
        ({"size": 8}, "/dev/sda"),
        ({"size": "8", "rotational": False}, "/dev/sda"),
        ({"serial": "S1", "hctl": "<or> 1 <or> 2"}, "/dev/sda"),
    ],
)
def test_it_is_refused_with_numbers_when_the_disk_is_known(hints: Any, disk: str) -> None:
    for where in ("properties", "instance_info"):
        check(node(hints, where), WHOLE, 8 * GIB, DISKS)
        with pytest.raises(InvalidRequest) as caught:
            check(node(hints, where), WHOLE, 8 * GIB + 1, DISKS)

        assert disk in caught.value.message
        for words in (f"{8 * GIB} bytes", f"{8 * GIB + 1} bytes", "properties.root_device", "inspect the node again"):
            assert words in caught.value.message


@pytest.mark.parametrize(
    ("hints", "disks"),
    [
        (None, []),
        (None, [STICK]),
        (None, [SMALL, {"name": "/dev/sdx"}]),
        ({"size": ">= 50"}, DISKS),
        ({"model": "s== slow"}, DISKS),
        ({"name": "/dev/disk/by-id/wwn-0xab"}, DISKS),
        ({"serial": "S2"}, DISKS),
        ("/dev/sda", DISKS),
    ],
)
def test_nothing_is_said_when_it_is_not_certain(hints: Any, disks: list[dict[str, Any]]) -> None:
    check(node(hints), WHOLE, 50 * GIB, disks)


def test_what_no_disk_that_a_hint_may_mean_can_hold_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="the largest disk that root_device may mean"):
        check(node({"size": ">= 1"}), WHOLE, 101 * GIB, DISKS)


def test_a_partition_image_is_held_against_its_partition_and_all_partitions_against_the_disk() -> None:
    check(node(root_gb=4), PARTITION, 4 * GIB, [SMALL])
    with pytest.raises(InvalidRequest, match="set instance_info root_gb to at least that"):
        check(node(root_gb=4), PARTITION, 4 * GIB + 1, [])
    with pytest.raises(InvalidRequest, match="swap_mb, ephemeral_gb"):
        check(node(root_gb=4, swap_mb=1024, ephemeral_gb=4), PARTITION, GIB, [SMALL])
