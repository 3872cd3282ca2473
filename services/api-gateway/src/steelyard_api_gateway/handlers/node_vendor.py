"""Vendor passthru of nodes and drivers, and a node's virtual media (facts §7.3, §11)."""

from __future__ import annotations

from functools import partial

from flask import Response, request

from ..domain.listings import single
from .answers import document, empty
from .routes import Asked, Handler, Route, only

NODE, DRIVER = "/nodes/<ident>/vendor_passthru", "/drivers/<name>/vendor_passthru"
VMEDIA = "/nodes/<ident>/vmedia"
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
VMEDIA_SINCE, SHOWN_SINCE = 89, 93


def node_methods(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.vendor.methods(asked.call, ident))


def call_node(asked: Asked, ident: str, method: str | None = None) -> Response:
    name = _method(asked, method)
    answer = asked.services.vendor.call_method(asked.call, ident, name, request.method, asked.json())
    return empty(202) if answer is None else document(answer)


def driver_methods(asked: Asked, name: str) -> Response:
    asked.no_query()
    return document(asked.services.vendor.driver_methods(name))


def call_driver(asked: Asked, name: str, method: str | None = None) -> Response:
    asked.services.vendor.call_driver_method(name, _method(asked, method), asked.json())
    return empty(202)


def show_media(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.vendor.media(asked.call, ident))


def attach_media(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.vendor.attach_media(asked.call, ident, asked.json())
    return empty(204)


def detach_media(asked: Asked, ident: str) -> Response:
    query = asked.query()
    only(query, "device_types")
    types = single("device_types", query) if "device_types" in query else None
    asked.services.vendor.detach_media(asked.call, ident, types)
    return empty(204)


def _method(asked: Asked, in_path: str | None) -> str | None:
    """The method's name, from the path or the query."""
    query = asked.query()
    only(query, *(() if in_path else ("method",)))
    return in_path or (single("method", query) if query else None)


def _any_verb(base: str, handler: Handler, policy: str) -> list[Route]:
    return [
        Route(method=verb, path=path, handler=handler, policy=policy, success=202)
        for path in (base, f"{base}/<method>")
        for verb in VERBS
    ]


_media = partial(Route, path=VMEDIA, since=VMEDIA_SINCE, success=204, is_routed=True)
ROUTES = [
    Route(method="GET", path=f"{NODE}/methods", handler=node_methods, policy="baremetal:node:vendor_passthru"),
    *_any_verb(NODE, call_node, "baremetal:node:vendor_passthru"),
    Route(method="GET", path=f"{DRIVER}/methods", handler=driver_methods, policy="baremetal:driver:vendor_passthru"),
    *_any_verb(DRIVER, call_driver, "baremetal:driver:vendor_passthru"),
    Route(
        method="GET", path=VMEDIA, handler=show_media, policy="baremetal:node:vmedia:get", since=SHOWN_SINCE,
    ),
    _media(method="POST", handler=attach_media, policy="baremetal:node:vmedia:attach"),
    _media(method="DELETE", handler=detach_media, policy="baremetal:node:vmedia:detach"),
]  # fmt: skip
