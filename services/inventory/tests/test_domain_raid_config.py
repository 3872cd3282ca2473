"""What a target_raid_config may be."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.errors import InvalidRequest
from steelyard_inventory.domain import raid_config

MIRROR = {"raid_level": "1", "size_gb": 100}
SOFT = MIRROR | {"controller": "software"}


def disks(*rows: Any) -> dict[str, Any]:
    return {"logical_disks": list(rows)}


@pytest.mark.parametrize(
    "config",
    [
        disks(MIRROR),
        disks(MIRROR | {"is_root_volume": True, "disk_type": "ssd"}, MIRROR | {"is_root_volume": False}),
        disks({"raid_level": "5+0", "size_gb": "MAX", "number_of_physical_disks": 6, "interface_type": "sas"}),
        disks(MIRROR | {"controller": "RAID.1", "physical_disks": ["Disk.0", "Disk.1"], "share_physical_disks": True}),
        disks(SOFT, {"raid_level": "5", "size_gb": "MAX", "controller": "software", "volume_name": "data"}),
        disks(SOFT | {"physical_disks": [{"size": "> 100"}, {"size": "> 100"}]}),
    ],
)
def test_what_a_machine_can_make_is_taken(config: dict[str, Any]) -> None:
    raid_config.check(config)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"bogus": 1}, "not bogus"),
        ({"logical_disks": []}, "at least one"),
        ({"logical_disks": None}, "at least one"),
        (disks("x"), r"logical_disks\[0\] must be an object"),
        (disks({"raid_level": "1"}), "needs size_gb"),
        (disks(MIRROR, MIRROR | {"colour": "red"}), r"logical_disks\[1\] does not know colour"),
        (disks(MIRROR | {"raid_level": "7"}), "raid_level must be one of JBOD"),
        (disks(MIRROR | {"raid_level": 1}), "raid_level must be one of JBOD"),
        (disks(MIRROR | {"size_gb": -1}), "size_gb must be"),
        (disks(MIRROR | {"size_gb": True}), "size_gb must be"),
        (disks(MIRROR | {"size_gb": "100"}), "size_gb must be"),
        (disks(MIRROR | {"disk_type": "tape"}), "disk_type must be one of hdd, ssd"),
        (disks(MIRROR | {"number_of_physical_disks": 0}), "number_of_physical_disks must be"),
        (disks(MIRROR | {"is_root_volume": "yes"}), "is_root_volume must be true or false"),
        (disks(MIRROR | {"is_root_volume": True}, MIRROR | {"is_root_volume": True}), "Only one"),
        (disks(MIRROR | {"physical_disks": ["a", "b"]}), "needs the controller"),
        (disks(MIRROR | {"controller": "c", "physical_disks": [{"size": 1}, {"size": 2}]}), "hints are for"),
        (disks(SOFT | {"physical_disks": ["a", {"size": 2}]}), "hints are for"),
        (disks(SOFT | {"physical_disks": [{"size": 2}]}), "two disks at least"),
        (disks(SOFT, SOFT, SOFT), "one or two logical disks"),
        (disks(SOFT, MIRROR), "one or two logical disks"),
        (disks(SOFT | {"raid_level": "5"}), "first logical disk"),
        (disks(SOFT, SOFT | {"raid_level": "2"}), "second logical disk"),
        (disks(SOFT, SOFT | {"raid_level": "6", "physical_disks": ["a", "b", "c"]}), "needs 4 physical_disks"),
        (disks(SOFT | {"size_gb": "MAX"}, SOFT | {"size_gb": "MAX"}), "Only one logical disk"),
    ],
)
def test_what_no_machine_can_make_is_refused_and_named(config: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        raid_config.check(config)
