"""`/v1/webhooks`: who is told what happens, instead of asking. An addition to Ironic's API, from 1.1 on."""

from __future__ import annotations

from functools import partial

from flask import Response

from .answers import document, empty
from .routes import Asked, Route

ONE = "/webhooks/<uuid>"


def list_all(asked: Asked) -> Response:
    return document(asked.services.webhooks.list_all(asked.call, asked.query()))


def create(asked: Asked) -> Response:
    asked.no_query()
    uuid, body = asked.services.webhooks.create(asked.call, asked.json())
    return document(body, 201, f"{asked.call.base_url}/v1/webhooks/{uuid}")


def show(asked: Asked, uuid: str) -> Response:
    asked.no_query()
    return document(asked.services.webhooks.show(asked.call, uuid))


def update(asked: Asked, uuid: str) -> Response:
    asked.no_query()
    return document(asked.services.webhooks.update(asked.call, uuid, asked.json()))


def delete(asked: Asked, uuid: str) -> Response:
    asked.no_query()
    asked.services.webhooks.delete(asked.call, uuid)
    return empty(204)


def list_deliveries(asked: Asked, uuid: str) -> Response:
    return document(asked.services.webhooks.deliveries(asked.call, uuid, asked.query()))


def redeliver(asked: Asked, uuid: str, delivery: str) -> Response:
    asked.no_query()
    return document(asked.services.webhooks.redeliver(asked.call, uuid, delivery), 202)


def test(asked: Asked, uuid: str) -> Response:
    asked.no_query()
    return document(asked.services.webhooks.test(asked.call, uuid), 202)


_get = partial(Route, method="GET", policy="baremetal:webhook:get")
_change = partial(Route, policy="baremetal:webhook:update")
ROUTES = [
    _get(path="/webhooks", handler=list_all, policy="baremetal:webhook:list_all"),
    Route(method="POST", path="/webhooks", handler=create, policy="baremetal:webhook:create", success=201),
    _get(path=ONE, handler=show),
    _change(method="PATCH", path=ONE, handler=update),
    Route(method="DELETE", path=ONE, handler=delete, policy="baremetal:webhook:delete", success=204),
    _get(path=f"{ONE}/deliveries", handler=list_deliveries),
    _change(method="POST", path=f"{ONE}/deliveries/<delivery>/redeliver", handler=redeliver, success=202),
    _change(method="POST", path=f"{ONE}/test", handler=test, success=202),
]
