"""Below `/v1/nodes/{n}`: VIFs, children, BIOS, firmware, history, inspection data; `/v1/shards` and `/v1/events`."""

from __future__ import annotations

from functools import partial

from flask import Response
from steelyard_common.errors import InvalidRequest, SteelyardError

from ..domain import external_events
from .answers import document, empty
from .routes import Asked, Refusal, Route

NODE = "/nodes/<ident>"
VIFS_SINCE = 28


def list_shards(asked: Asked) -> Response:
    asked.no_query()
    return document(asked.services.node_parts.shards(asked.call))


def take_events(asked: Asked) -> Response:
    asked.no_query()
    asked.services.node_parts.take_events(asked.json())
    return empty(204)


def list_vifs(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.node_parts.vifs(asked.call, ident))


def attach_vif(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.node_parts.attach_vif(asked.call, ident, asked.json())
    return empty(204)


def detach_vif(asked: Asked, ident: str, vif: str) -> Response:
    asked.no_query()
    asked.services.node_parts.detach_vif(asked.call, ident, vif)
    return empty(204)


def list_children(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.node_parts.children(asked.call, ident))


def list_bios(asked: Asked, ident: str) -> Response:
    return document(asked.services.node_parts.bios(asked.call, ident, asked.query()))


def show_bios_setting(asked: Asked, ident: str, setting: str) -> Response:
    asked.no_query()
    return document(asked.services.node_parts.bios_setting(asked.call, ident, setting))


def list_firmware(asked: Asked, ident: str) -> Response:
    return document(asked.services.node_parts.firmware(asked.call, ident, asked.query()))


def list_history(asked: Asked, ident: str) -> Response:
    return document(asked.services.node_parts.history(asked.call, ident, asked.query()))


def show_history_entry(asked: Asked, ident: str, entry: str) -> Response:
    asked.no_query()
    return document(asked.services.node_parts.history_entry(asked.call, ident, entry))


def show_inventory(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.node_parts.inventory(asked.call, ident))


def no_vif(ident: str) -> SteelyardError:
    del ident
    return InvalidRequest("Missing mandatory parameter: vif_id")


_vifs = partial(Route, since=VIFS_SINCE, is_routed=True)
_get = partial(Route, method="GET")
_written = partial(_get, is_routed=True)
ROUTES = [
    _get(path="/shards", handler=list_shards, policy="baremetal:shards:get", since=82),
    Route(
        method="POST", path="/events", handler=take_events, policy="baremetal:events:post",
        since=external_events.SINCE, success=204,
    ),
    _vifs(method="GET", path=f"{NODE}/vifs", handler=list_vifs, policy="baremetal:node:vif:list"),
    _vifs(method="POST", path=f"{NODE}/vifs", handler=attach_vif, policy="baremetal:node:vif:attach", success=204),
    _vifs(
        method="DELETE", path=f"{NODE}/vifs/<vif>", handler=detach_vif, policy="baremetal:node:vif:detach", success=204
    ),
    _get(path=f"{NODE}/children", handler=list_children, policy="baremetal:node:get", since=83),
    _written(path=f"{NODE}/bios", handler=list_bios, policy="baremetal:node:bios:get", since=40),
    _written(path=f"{NODE}/bios/<setting>", handler=show_bios_setting, policy="baremetal:node:bios:get", since=40),
    _written(path=f"{NODE}/firmware", handler=list_firmware, policy="baremetal:node:firmware:get", since=86),
    _written(path=f"{NODE}/history", handler=list_history, policy="baremetal:node:history:get", since=78),
    _written(
        path=f"{NODE}/history/<entry>", handler=show_history_entry, policy="baremetal:node:history:get", since=78
    ),
    _written(path=f"{NODE}/inventory", handler=show_inventory, policy="baremetal:node:inventory:get", since=81),
]  # fmt: skip
REFUSALS = [Refusal(methods=("DELETE",), path=f"{NODE}/vifs", error=no_vif)]
