"""`/v1/allocations` and `/v1/nodes/{n}/allocation`."""

from __future__ import annotations

from functools import partial

from flask import Response
from steelyard_common.contracts.recipes import ALLOCATION_PATCH_SINCE, ALLOCATIONS_SINCE
from steelyard_common.errors import InvalidRequest, SteelyardError

from ..domain.recipe_listings import ALLOCATIONS
from ..domain.values import plain
from .answers import document, empty
from .routes import Asked, Refusal, Route

ALLOCATION = "/allocations/<ident>"
OF_NODE = "/nodes/<ident>/allocation"


def list_all(asked: Asked) -> Response:
    return document(asked.services.allocations.list_all(asked.call, asked.query()))


def create(asked: Asked) -> Response:
    asked.no_query()
    uuid, body = asked.services.allocations.create(asked.call, asked.json())
    return document(body, 201, f"{asked.call.base_url}/v1/allocations/{uuid}")


def show(asked: Asked, ident: str) -> Response:
    return document(asked.services.allocations.show(asked.call, ident, asked.query()))


def show_field(asked: Asked, ident: str, name: str) -> Response:
    """`…/{ident}/{name}`: Ironic reads it as ``fields=name``."""
    asked.no_query()
    if name not in ALLOCATIONS.fields:
        raise InvalidRequest(f'Field(s) "{plain(name)}" are not valid')
    return document(asked.services.allocations.show(asked.call, ident, {"fields": [name]}))


def update(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.allocations.update(asked.call, ident, asked.json()))


def delete(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.allocations.delete(asked.call, ident)
    return empty(204)


def show_of_node(asked: Asked, ident: str) -> Response:
    return document(asked.services.allocations.show_of_node(asked.call, ident, asked.query()))


def delete_of_node(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.allocations.delete_of_node(asked.call, ident)
    return empty(204)


def no_ident() -> SteelyardError:
    return InvalidRequest("Missing mandatory parameter: allocation_ident")


_read = partial(Route, method="GET", since=ALLOCATIONS_SINCE)
_write = partial(Route, since=ALLOCATIONS_SINCE, too_old=405)
ROUTES = [
    _read(path="/allocations", handler=list_all, policy="baremetal:allocation:list_all"),
    _write(method="POST", path="/allocations", handler=create, policy="baremetal:allocation:create", success=201),
    _read(path=ALLOCATION, handler=show, policy="baremetal:allocation:get"),
    Route(
        method="PATCH",
        path=ALLOCATION,
        handler=update,
        policy="baremetal:allocation:update",
        since=ALLOCATION_PATCH_SINCE,
        too_old=405,
    ),
    _write(method="DELETE", path=ALLOCATION, handler=delete, policy="baremetal:allocation:delete", success=204),
    _read(path=f"{ALLOCATION}/<name>", handler=show_field, policy="baremetal:allocation:get"),
    _read(path=OF_NODE, handler=show_of_node, policy="baremetal:allocation:get", is_routed=True),
    Route(
        method="DELETE",
        path=OF_NODE,
        handler=delete_of_node,
        policy="baremetal:allocation:delete",
        since=ALLOCATIONS_SINCE,
        success=204,
        is_routed=True,
    ),
]
REFUSALS = [Refusal(methods=("PATCH", "DELETE"), path="/allocations", error=no_ident)]
