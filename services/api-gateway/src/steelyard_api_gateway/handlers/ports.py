"""`/v1/ports` and `/v1/nodes/{n}/ports`."""

from __future__ import annotations

from flask import Response
from steelyard_common.errors import InvalidRequest, SteelyardError

from ..domain.listings import PORTS
from ..domain.values import plain
from .answers import document, empty
from .routes import Asked, Refusal, Route

PORT = "/ports/<ident>"
NODE_PORTS = "/nodes/<ident>/ports"


def list_ports(asked: Asked) -> Response:
    return document(asked.services.ports.list_ports(asked.call, asked.query(), all_fields=False))


def list_details(asked: Asked) -> Response:
    return document(asked.services.ports.list_ports(asked.call, asked.query(), all_fields=True))


def list_of_node(asked: Asked, ident: str) -> Response:
    ports = asked.services.ports
    return document(ports.list_ports_of_node(asked.call, ident, asked.query(), all_fields=False))


def list_details_of_node(asked: Asked, ident: str) -> Response:
    ports = asked.services.ports
    return document(ports.list_ports_of_node(asked.call, ident, asked.query(), all_fields=True))


def create(asked: Asked) -> Response:
    asked.no_query()
    uuid, body = asked.services.ports.create(asked.call, asked.json())
    return document(body, 201, f"{asked.call.base_url}/v1/ports/{uuid}")


def show(asked: Asked, ident: str) -> Response:
    return document(asked.services.ports.show(asked.call, ident, asked.query()))


def show_field(asked: Asked, ident: str, name: str) -> Response:
    """`/v1/ports/{p}/{name}`: Ironic reads it as ``fields=name``."""
    asked.no_query()
    if name not in PORTS.fields:
        raise InvalidRequest(f'Field(s) "{plain(name)}" are not valid')
    return document(asked.services.ports.show(asked.call, ident, {"fields": [name]}))


def update(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.ports.update(asked.call, ident, asked.json()))


def delete(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.ports.delete(asked.call, ident)
    return empty(204)


def no_ident() -> SteelyardError:
    return InvalidRequest("Missing mandatory parameter: port_ident")


def below_a_node(ident: str, name: str = "") -> SteelyardError:
    del ident, name
    return InvalidRequest("Malformed request URI. Ports are created, changed and deleted at /v1/ports.")


ROUTES = [
    Route(method="GET", path="/ports", handler=list_ports, policy="baremetal:port:list_all"),
    Route(method="POST", path="/ports", handler=create, policy="baremetal:port:create", success=201),
    Route(method="GET", path="/ports/detail", handler=list_details, policy="baremetal:port:list_all"),
    Route(method="GET", path=PORT, handler=show, policy="baremetal:port:get"),
    Route(method="PATCH", path=PORT, handler=update, policy="baremetal:port:update"),
    Route(method="DELETE", path=PORT, handler=delete, policy="baremetal:port:delete", success=204),
    Route(method="GET", path=f"{PORT}/<name>", handler=show_field, policy="baremetal:port:get"),
    Route(method="GET", path=NODE_PORTS, handler=list_of_node, policy="baremetal:port:list"),
    Route(method="GET", path=f"{NODE_PORTS}/detail", handler=list_details_of_node, policy="baremetal:port:list"),
]
REFUSALS = [
    Refusal(methods=("PATCH", "DELETE"), path="/ports", error=no_ident),
    Refusal(methods=("POST", "PATCH", "DELETE"), path=NODE_PORTS, error=below_a_node),
    Refusal(methods=("GET", "POST", "PATCH", "DELETE"), path=f"{NODE_PORTS}/<name>", error=below_a_node),
]
