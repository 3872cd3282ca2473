"""`/v1/nodes/{n}/management`: direct calls to the node's BMC."""

from __future__ import annotations

from flask import Response

from ..domain.listings import single
from .answers import document, empty
from .routes import Asked, Route, only

MANAGEMENT = "/nodes/<ident>/management"
NMI_SINCE = 29
INDICATORS_SINCE = 63


def show_boot_device(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.management.show_boot_device(asked.call, ident))


def supported_boot_devices(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.management.supported_boot_devices(asked.call, ident))


def set_boot_device(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.management.set_boot_device(asked.call, ident, asked.json())
    return empty(204)


def inject_nmi(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.management.inject_nmi(asked.call, ident, asked.json())
    return empty(204)


def list_indicators(asked: Asked, ident: str) -> Response:
    query = asked.query()
    only(query, "component")
    component = single("component", query) if query else None
    return document(asked.services.management.list_indicators(asked.call, ident, component))


def show_indicator(asked: Asked, ident: str, name: str) -> Response:
    asked.no_query()
    return document(asked.services.management.show_indicator(asked.call, ident, name))


def set_indicator(asked: Asked, ident: str, name: str) -> Response:
    asked.no_query()
    asked.services.management.set_indicator(asked.call, ident, name, asked.json())
    return empty(204)


ROUTES = [
    Route(
        method="GET",
        path=f"{MANAGEMENT}/boot_device",
        handler=show_boot_device,
        policy="baremetal:node:get_boot_device",
    ),
    Route(
        method="PUT",
        path=f"{MANAGEMENT}/boot_device",
        handler=set_boot_device,
        policy="baremetal:node:set_boot_device",
        success=204,
    ),
    Route(
        method="GET",
        path=f"{MANAGEMENT}/boot_device/supported",
        handler=supported_boot_devices,
        policy="baremetal:node:get_boot_device",
    ),
    Route(
        method="PUT",
        path=f"{MANAGEMENT}/inject_nmi",
        handler=inject_nmi,
        policy="baremetal:node:inject_nmi",
        since=NMI_SINCE,
        success=204,
    ),
    Route(
        method="GET",
        path=f"{MANAGEMENT}/indicators",
        handler=list_indicators,
        policy="baremetal:node:get_indicator_state",
        since=INDICATORS_SINCE,
    ),
    Route(
        method="GET",
        path=f"{MANAGEMENT}/indicators/<name>",
        handler=show_indicator,
        policy="baremetal:node:get_indicator_state",
        since=INDICATORS_SINCE,
    ),
    Route(
        method="PUT",
        path=f"{MANAGEMENT}/indicators/<name>",
        handler=set_indicator,
        policy="baremetal:node:set_indicator_state",
        since=INDICATORS_SINCE,
        success=204,
    ),
]
