"""Drivers and conductors: what our live workers can do (facts §11, §12). Read only."""

from __future__ import annotations

import orjson
from steelyard_common.bmc.driver_info import PROPERTIES
from steelyard_common.contracts.hardware import HARDWARE_TYPES
from steelyard_common.errors import NotFound

from ..domain import listings, values
from ..domain.listings import CONDUCTORS, DRIVERS, Query
from ..drivers import Upstream
from .call import Call


def _properties(hardware_type: str) -> dict[str, str]:
    """What the interfaces that speak to the BMC read from driver_info: key → description."""
    interfaces = HARDWARE_TYPES[hardware_type]
    spoken = {name: None for kind in ("power", "management") for name in interfaces[kind]}
    return {key: text for name in spoken for key, text in PROPERTIES.get(name, {}).items()}


# Hardware type → finished answer; the drivers' texts do not change while we run.
_PROPERTIES = {name: orjson.dumps(_properties(name)) for name in HARDWARE_TYPES}


RAID_SINCE = 12
LOGICAL_DISK = {
    "raid_level": "RAID level: JBOD, 0, 1, 2, 5, 6, 1+0, 5+0 or 6+0. Required.",
    "size_gb": "Size in GiB, a whole number, or MAX for all the space that is left. Required.",
    "volume_name": "Name of the volume; made up when it is not given. Optional.",
    "is_root_volume": "Whether the operating system goes here; false by default. Optional.",
    "share_physical_disks": "Whether other logical disks may use the same disks; false by default. Optional.",
    "disk_type": "hdd or ssd; any disk when it is not given. Optional.",
    "interface_type": "sata, scsi or sas; any disk when it is not given. Optional.",
    "number_of_physical_disks": "How many disks to use; by default the fewest that the level allows. Optional.",
    "controller": "RAID controller to use; chosen by the driver when it is not given. Optional.",
    "physical_disks": "Disks to use, together with controller; chosen by the driver when not given. Optional.",
}
_LOGICAL_DISK = orjson.dumps(LOGICAL_DISK)


class Workers:
    """Questions on `/v1/drivers` and `/v1/conductors`."""

    def __init__(self, inventory: Upstream) -> None:
        self._inventory = inventory

    def list_drivers(self, call: Call, query: Query) -> bytes:
        body = listings.parse_list(DRIVERS, query, call.minor)
        wanted = body.pop("filters").get("type")
        return self._inventory.query("drivers", body | {"api": call.api(), "type": wanted}, call.headers())

    def show_driver(self, call: Call, name: str, query: Query) -> bytes:
        listings.refuse_unknown(query, frozenset({"fields"}))
        fields = listings.parse_fields(DRIVERS, query, call.minor)
        body = {"api": call.api(), "name": values.text("driver", name), "fields": fields}
        return self._inventory.query("driver", body, call.headers())

    def driver_properties(self, name: str) -> bytes:
        found = _PROPERTIES.get(name)
        if found is None:
            raise NotFound(f"The driver '{values.plain(name)}' is unknown.")
        return found

    def raid_properties(self, name: str) -> bytes:
        """What a logical disk of a RAID configuration may say. Errors: NotFound."""
        interfaces = HARDWARE_TYPES.get(name)
        if interfaces is None:
            raise NotFound(f"The driver '{values.plain(name)}' is unknown.")
        if interfaces["raid"][0] == "no-raid":
            raise NotFound(f"Driver {name} does not support raid (disabled or not implemented).")
        return _LOGICAL_DISK

    def list_conductors(self, call: Call, query: Query) -> bytes:
        body = listings.parse_list(CONDUCTORS, query, call.minor)
        del body["filters"]
        body |= {"api": call.api(), "resource_url": "conductors"}
        return self._inventory.query("conductors", body, call.headers())

    def show_conductor(self, call: Call, hostname: str, query: Query) -> bytes:
        listings.refuse_unknown(query, frozenset({"fields"}))
        fields = listings.parse_fields(CONDUCTORS, query, call.minor)
        body = {"api": call.api(), "hostname": values.text("conductor", hostname), "fields": fields}
        return self._inventory.query("conductor", body, call.headers())
