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
