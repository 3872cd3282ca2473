"""`/v1/portgroups`, their ports, and the port groups of a node."""

from __future__ import annotations

from functools import partial

from flask import Response
from steelyard_common.contracts.records import PORTGROUPS_SINCE

from . import records
from .answers import document
from .routes import Asked, Route

PORTS = "/portgroups/<ident>/ports"
OF_NODE = "/nodes/<ident>/portgroups"
BELOW_SINCE = 24
LIST = "baremetal:portgroup:list"
LIST_PORTS = "baremetal:port:list"
POLICIES = {name: f"baremetal:portgroup:{name}" for name in ("get", "create", "update", "delete")}


def list_ports(asked: Asked, ident: str) -> Response:
    ports = asked.services.ports
    return document(ports.list_ports_of_portgroup(asked.call, ident, asked.query(), all_fields=False))


def list_port_details(asked: Asked, ident: str) -> Response:
    ports = asked.services.ports
    return document(ports.list_ports_of_portgroup(asked.call, ident, asked.query(), all_fields=True))


def list_of_node(asked: Asked, ident: str) -> Response:
    return document(asked.services.portgroups.list_of_node(asked.call, ident, asked.query()))


def list_details_of_node(asked: Asked, ident: str) -> Response:
    return document(asked.services.portgroups.list_of_node(asked.call, ident, asked.query(), all_fields=True))


_below = partial(Route, method="GET", since=BELOW_SINCE, is_routed=True)
ROUTES = [
    *records.routes(
        "/portgroups",
        lambda asked: asked.services.portgroups,
        POLICIES | {"list": "baremetal:portgroup:list_all"},
        since=PORTGROUPS_SINCE,
        has_details=True,
    ),
    _below(path=PORTS, handler=list_ports, policy=LIST_PORTS),
    _below(path=f"{PORTS}/detail", handler=list_port_details, policy=LIST_PORTS),
    Route(
        method="GET",
        path="/portgroups/<ident>/<name>",
        handler=records.show_field(lambda asked: asked.services.portgroups),
        policy=POLICIES["get"],
        since=PORTGROUPS_SINCE,
    ),
    _below(path=OF_NODE, handler=list_of_node, policy=LIST),
    _below(path=f"{OF_NODE}/detail", handler=list_details_of_node, policy=LIST),
]
REFUSALS = [
    records.without_ident("/portgroups", "portgroup_ident"),
    *records.below_another(PORTS, "/v1/ports"),
    *records.below_another(OF_NODE, "/v1/portgroups"),
]
