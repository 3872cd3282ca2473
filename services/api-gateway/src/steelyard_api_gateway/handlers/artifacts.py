"""`/v1/artifacts`: kernels, ramdisks and images that boot has, or fetches. An addition to Ironic's API, from 1.1 on."""

from __future__ import annotations

from flask import Response

from .answers import document, empty
from .routes import Asked, Route

ONE = "/artifacts/<sha256>"


def list_all(asked: Asked) -> Response:
    return document(asked.services.artifacts.list_all(asked.call, asked.query()))


def fetch(asked: Asked) -> Response:
    asked.no_query()
    return document(asked.services.artifacts.fetch(asked.call, asked.json()), 202)


def show(asked: Asked, sha256: str) -> Response:
    asked.no_query()
    return document(asked.services.artifacts.show(asked.call, sha256))


def delete(asked: Asked, sha256: str) -> Response:
    asked.no_query()
    asked.services.artifacts.delete(asked.call, sha256)
    return empty(204)


ROUTES = [
    Route(method="GET", path="/artifacts", handler=list_all, policy="baremetal:artifact:get"),
    Route(method="POST", path="/artifacts", handler=fetch, policy="baremetal:artifact:create", success=202),
    Route(method="GET", path=ONE, handler=show, policy="baremetal:artifact:get"),
    Route(method="DELETE", path=ONE, handler=delete, policy="baremetal:artifact:delete", success=204),
]
