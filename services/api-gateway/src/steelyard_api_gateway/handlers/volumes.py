"""`/v1/volume`: connectors and targets, and those of a node."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from flask import Response
from steelyard_common.contracts.records import VOLUME_SINCE

from ..domain import identifiers
from ..service.records import Records
from . import records
from .answers import document
from .routes import Asked, Route

VOLUME = "/volume"
OF_NODE = "/nodes/<ident>/volume"
POLICIES = {name: f"baremetal:volume:{name}" for name in ("get", "create", "update", "delete")}
ALL = POLICIES | {"list": "baremetal:volume:list_all"}
LIST = "baremetal:volume:list"
_route = partial(Route, method="GET", since=VOLUME_SINCE)


def show(asked: Asked) -> Response:
    asked.no_query()
    return document(orjson.dumps(_volume_document(asked.call.base_url, "volume/")))


def show_of_node(asked: Asked, ident: str) -> Response:
    asked.no_query()
    node = identifiers.from_path("node", ident, asked.call.minor)
    return document(orjson.dumps(_volume_document(asked.call.base_url, f"nodes/{node}/volume/")))


def list_connectors_of_node(asked: Asked, ident: str) -> Response:
    return _list_of_node(asked.services.connectors, asked, ident)


def list_targets_of_node(asked: Asked, ident: str) -> Response:
    return _list_of_node(asked.services.targets, asked, ident)


def _list_of_node(kind: Records, asked: Asked, ident: str) -> Response:
    return document(kind.list_of_node(asked.call, ident, asked.query()))


def _connectors(asked: Asked) -> Records:
    return asked.services.connectors


def _targets(asked: Asked) -> Records:
    return asked.services.targets


def _volume_document(base_url: str, path: str) -> dict[str, Any]:
    def links(below: str) -> list[dict[str, str]]:
        return [
            {"href": f"{base_url}/v1/{path}{below}", "rel": "self"},
            {"href": f"{base_url}/{path}{below}", "rel": "bookmark"},
        ]

    return {"links": links(""), "connectors": links("connectors"), "targets": links("targets")}


def _kind(path: str, pick: Callable[[Asked], Records]) -> list[Route]:
    return records.routes(f"{VOLUME}/{path}", pick, ALL, since=VOLUME_SINCE, has_details=False, is_routed=True)


ROUTES = [
    _route(path=VOLUME, handler=show, policy=POLICIES["get"]),
    *_kind("connectors", _connectors),
    *_kind("targets", _targets),
    _route(path=OF_NODE, handler=show_of_node, policy=POLICIES["get"]),
    _route(path=f"{OF_NODE}/connectors", handler=list_connectors_of_node, policy=LIST, is_routed=True),
    _route(path=f"{OF_NODE}/targets", handler=list_targets_of_node, policy=LIST, is_routed=True),
]
REFUSALS = [
    records.without_ident(f"{VOLUME}/connectors", "connector_uuid"),
    records.without_ident(f"{VOLUME}/targets", "target_uuid"),
    *records.below_another(f"{OF_NODE}/connectors", "/v1/volume/connectors"),
    *records.below_another(f"{OF_NODE}/targets", "/v1/volume/targets"),
]
