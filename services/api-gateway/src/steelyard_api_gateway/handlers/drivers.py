"""`/v1/drivers`: the hardware types that live workers serve."""

from __future__ import annotations

from flask import Response
from steelyard_common.errors import InvalidRequest

from ..domain.listings import DRIVERS
from ..domain.values import plain
from ..service.workers import RAID_SINCE
from .answers import document
from .routes import Asked, Route


def list_drivers(asked: Asked) -> Response:
    return document(asked.services.workers.list_drivers(asked.call, asked.query()))


def show(asked: Asked, name: str) -> Response:
    return document(asked.services.workers.show_driver(asked.call, name, asked.query()))


def properties(asked: Asked, name: str) -> Response:
    asked.no_query()
    return document(asked.services.workers.driver_properties(name))


def raid_properties(asked: Asked, name: str) -> Response:
    asked.no_query()
    return document(asked.services.workers.raid_properties(name))


def show_field(asked: Asked, name: str, field: str) -> Response:
    """`/v1/drivers/{d}/{field}`: Ironic reads it as ``fields=field``."""
    asked.no_query()
    if field not in DRIVERS.fields:
        raise InvalidRequest(f'Field(s) "{plain(field)}" are not valid')
    return document(asked.services.workers.show_driver(asked.call, name, {"fields": [field]}))


ROUTES = [
    Route(method="GET", path="/drivers", handler=list_drivers, policy="baremetal:driver:get"),
    Route(method="GET", path="/drivers/<name>", handler=show, policy="baremetal:driver:get"),
    Route(
        method="GET",
        path="/drivers/<name>/properties",
        handler=properties,
        policy="baremetal:driver:get_properties",
    ),
    Route(
        method="GET",
        path="/drivers/<name>/raid/logical_disk_properties",
        handler=raid_properties,
        policy="baremetal:driver:get_raid_logical_disk_properties",
        since=RAID_SINCE,
        too_old=406,
    ),
    Route(method="GET", path="/drivers/<name>/<field>", handler=show_field, policy="baremetal:driver:get"),
]
