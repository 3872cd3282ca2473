"""`/v1/nodes`: records, validation, maintenance, traits."""

from __future__ import annotations

from functools import partial

from flask import Response
from steelyard_common.errors import InvalidRequest, SteelyardError
from werkzeug.exceptions import MethodNotAllowed, NotFound

from ..domain import listings, traits
from ..domain.listings import NODES
from ..domain.values import plain
from .answers import document, empty
from .routes import Asked, Refusal, Route, only
from .trait_lists import Traits, trait_routes

# Below a node, for resources that are not served yet: unknown paths, not misspelt fields.
LATER = frozenset({
    "vendor_passthru", "vmedia",
})  # fmt: skip


def list_nodes(asked: Asked) -> Response:
    return document(asked.services.nodes.list_nodes(asked.call, asked.query(), all_fields=False))


def list_details(asked: Asked) -> Response:
    return document(asked.services.nodes.list_nodes(asked.call, asked.query(), all_fields=True))


def create(asked: Asked) -> Response:
    asked.no_query()
    uuid, body = asked.services.nodes.create(asked.call, asked.json())
    return document(body, 201, f"{asked.call.base_url}/v1/nodes/{uuid}")


def show(asked: Asked, ident: str) -> Response:
    return document(asked.services.nodes.show(asked.call, ident, asked.query()))


def show_field(asked: Asked, ident: str, name: str) -> Response:
    """`/v1/nodes/{n}/{name}`: Ironic reads an unknown sub-path as ``fields=name``."""
    if name in LATER:
        raise NotFound()
    only(asked.query())
    if name not in NODES.fields:
        raise InvalidRequest(f"Field {plain(name)} is not a valid field.")
    return document(asked.services.nodes.show(asked.call, ident, {"fields": [name]}))


def update(asked: Asked, ident: str) -> Response:
    return document(asked.services.nodes.update(asked.call, ident, asked.json(), asked.query()))


def delete(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.nodes.delete(asked.call, ident)
    return empty(204)


def validate(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.nodes.validate(asked.call, ident))


def validate_by_query(asked: Asked) -> Response:
    """The older form, `/v1/nodes/validate?node=…` (or node_uuid)."""
    query = asked.query()
    only(query, "node", "node_uuid")
    given = next((listings.single(name, query) for name in ("node", "node_uuid") if name in query), None)
    if given is None:
        raise InvalidRequest("Missing mandatory parameter: node")
    return document(asked.services.nodes.validate_named(asked.call, given))


def set_maintenance(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.nodes.set_maintenance(asked.call, ident, asked.json())
    return empty(202)


def clear_maintenance(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.nodes.clear_maintenance(asked.call, ident)
    return empty(202)


def no_ident() -> SteelyardError:
    return InvalidRequest("Missing mandatory parameter: node_ident")


def only_put_and_delete(ident: str) -> Exception:
    del ident
    return MethodNotAllowed(["PUT", "DELETE"])


def only_leaves(ident: str) -> Exception:
    del ident
    return MethodNotAllowed([])


NODE = "/nodes/<ident>"
ROUTES = [
    Route(method="GET", path="/nodes", handler=list_nodes, policy="baremetal:node:list_all"),
    Route(method="POST", path="/nodes", handler=create, policy="baremetal:node:create", success=201),
    Route(method="GET", path="/nodes/detail", handler=list_details, policy="baremetal:node:list_all"),
    Route(method="GET", path="/nodes/validate", handler=validate_by_query, policy="baremetal:node:validate"),
    Route(method="GET", path=NODE, handler=show, policy="baremetal:node:get"),
    Route(method="PATCH", path=NODE, handler=update, policy="baremetal:node:update"),
    Route(method="DELETE", path=NODE, handler=delete, policy="baremetal:node:delete", success=204),
    Route(method="GET", path=f"{NODE}/validate", handler=validate, policy="baremetal:node:validate"),
    Route(
        method="PUT",
        path=f"{NODE}/maintenance",
        handler=set_maintenance,
        policy="baremetal:node:set_maintenance",
        success=202,
    ),
    Route(
        method="DELETE",
        path=f"{NODE}/maintenance",
        handler=clear_maintenance,
        policy="baremetal:node:clear_maintenance",
        success=202,
    ),
    *trait_routes(
        partial(Route, since=traits.SINCE, too_old=406),
        Traits(plural="nodes", of=lambda services: services.nodes.traits),
        {
            "GET": "baremetal:node:traits:list",
            "PUT": "baremetal:node:traits:set",
            "DELETE": "baremetal:node:traits:delete",
        },
    ),
    Route(method="GET", path=f"{NODE}/<name>", handler=show_field, policy="baremetal:node:get"),
]
REFUSALS = [
    Refusal(methods=("PATCH", "DELETE"), path="/nodes", error=no_ident),
    # Without these the last route would read the word as a field's name.
    Refusal(methods=("GET",), path=f"{NODE}/maintenance", error=only_put_and_delete),
    Refusal(methods=("GET",), path=f"{NODE}/management", error=only_leaves),
]
