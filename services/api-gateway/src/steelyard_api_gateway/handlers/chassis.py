"""`/v1/chassis` and the nodes of a chassis."""

from __future__ import annotations

from flask import Response

from . import records
from .answers import document
from .routes import Asked, Route

NODES = "/chassis/<ident>/nodes"
LIST_NODES = "baremetal:node:list_all"
POLICIES = {name: f"baremetal:chassis:{name}" for name in ("get", "create", "update", "delete")}


def list_nodes(asked: Asked, ident: str) -> Response:
    nodes = asked.services.nodes
    return document(nodes.list_nodes_of_chassis(asked.call, ident, asked.query(), all_fields=False))


def list_node_details(asked: Asked, ident: str) -> Response:
    nodes = asked.services.nodes
    return document(nodes.list_nodes_of_chassis(asked.call, ident, asked.query(), all_fields=True))


ROUTES = [
    *records.routes(
        "/chassis",
        lambda asked: asked.services.chassis,
        POLICIES | {"list": POLICIES["get"]},
        since=1,
        has_details=True,
    ),
    Route(method="GET", path=NODES, handler=list_nodes, policy=LIST_NODES),
    Route(method="GET", path=f"{NODES}/detail", handler=list_node_details, policy=LIST_NODES),
    Route(
        method="GET",
        path="/chassis/<ident>/<name>",
        handler=records.show_field(lambda asked: asked.services.chassis),
        policy=POLICIES["get"],
    ),
]
REFUSALS = [records.without_ident("/chassis", "chassis_uuid"), *records.below_another(NODES, "/v1/nodes")]
