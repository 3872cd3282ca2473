"""`/v1/conductors`: our live workers, as Ironic's clients expect to see them."""

from __future__ import annotations

from flask import Response

from .answers import document
from .routes import Asked, Route

SINCE = 49


def list_conductors(asked: Asked) -> Response:
    return document(asked.services.workers.list_conductors(asked.call, asked.query()))


def show(asked: Asked, hostname: str) -> Response:
    return document(asked.services.workers.show_conductor(asked.call, hostname, asked.query()))


ROUTES = [
    Route(method="GET", path="/conductors", handler=list_conductors, policy="baremetal:conductor:get", since=SINCE),
    Route(method="GET", path="/conductors/<hostname>", handler=show, policy="baremetal:conductor:get", since=SINCE),
]
