"""`/v1/operations`: one verb for many nodes, as one object. An addition to Ironic's API, from 1.1 on."""

from __future__ import annotations

from functools import partial

from flask import Response

from .answers import document
from .routes import MAX_BODY_BYTES, Asked, Route

ONE = "/operations/<uuid>"


def list_all(asked: Asked) -> Response:
    return document(asked.services.operations.list_all(asked.call, asked.query()))


def create(asked: Asked) -> Response:
    asked.no_query()
    uuid, body = asked.services.operations.create(asked.call, asked.json(MAX_BODY_BYTES))
    return document(body, 202, f"{asked.call.base_url}/v1/operations/{uuid}")


def show(asked: Asked, uuid: str) -> Response:
    asked.no_query()
    return document(asked.services.operations.show(asked.call, uuid))


def list_nodes(asked: Asked, uuid: str) -> Response:
    return document(asked.services.operations.nodes(asked.call, uuid, asked.query()))


def retry(asked: Asked, uuid: str) -> Response:
    asked.no_query()
    return document(asked.services.operations.retry(asked.call, uuid, asked.json()), 202)


def abort(asked: Asked, uuid: str) -> Response:
    asked.no_query()
    return document(asked.services.operations.abort(asked.call, uuid, asked.json()), 202)


_get = partial(Route, method="GET", policy="baremetal:operation:get")
_change = partial(Route, method="POST", policy="baremetal:operation:update", success=202)
ROUTES = [
    _get(path="/operations", handler=list_all, policy="baremetal:operation:list_all"),
    _change(path="/operations", handler=create, policy="baremetal:operation:create"),
    _get(path=ONE, handler=show),
    _get(path=f"{ONE}/nodes", handler=list_nodes),
    _change(path=f"{ONE}/retry", handler=retry),
    _change(path=f"{ONE}/abort", handler=abort),
]
