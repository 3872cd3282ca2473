"""Additions to Ironic's API for fleets that are shared: tags of nodes, usage and quotas of projects. From 1.1 on."""

from __future__ import annotations

from functools import partial

from flask import Response

from .answers import document, empty
from .routes import Asked, Route

TAGS = "/nodes/<ident>/tags"


def show_tags(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.tenancy.tags(asked.call, ident))


def replace_tags(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.tenancy.replace_tags(asked.call, ident, asked.json()))


def clear_tags(asked: Asked, ident: str) -> Response:
    asked.no_query()
    asked.services.tenancy.clear_tags(asked.call, ident)
    return empty(204)


def show_tag(asked: Asked, ident: str, tag: str) -> Response:
    asked.no_query()
    asked.services.tenancy.require_tag(asked.call, ident, tag)
    return empty(204)


def add_tag(asked: Asked, ident: str, tag: str) -> Response:
    """201 when the tag is new, 204 when it was there."""
    asked.no_query()
    if asked.services.tenancy.add_tag(asked.call, ident, tag, asked.json()):
        return empty(201, f"{asked.call.base_url}/v1/nodes/{ident}/tags/{tag}")
    return empty(204)


def remove_tag(asked: Asked, ident: str, tag: str) -> Response:
    asked.no_query()
    asked.services.tenancy.remove_tag(asked.call, ident, tag)
    return empty(204)


def show_usage(asked: Asked) -> Response:
    return document(asked.services.tenancy.usage(asked.call, asked.query()))


def show_quotas(asked: Asked, project: str) -> Response:
    asked.no_query()
    return document(asked.services.tenancy.quotas(asked.call, project))


def set_quotas(asked: Asked, project: str) -> Response:
    asked.no_query()
    return document(asked.services.tenancy.set_quotas(asked.call, project, asked.json()))


def delete_quotas(asked: Asked, project: str) -> Response:
    asked.no_query()
    asked.services.tenancy.delete_quotas(asked.call, project)
    return empty(204)


_quotas = partial(Route, path="/quotas/<project>")
_tags = partial(Route, path=TAGS)
_tag = partial(Route, path=f"{TAGS}/<tag>")
ROUTES = [
    Route(method="GET", path="/usage", handler=show_usage, policy="baremetal:usage:list_all"),
    _quotas(method="GET", handler=show_quotas, policy="baremetal:quota:get"),
    _quotas(method="PUT", handler=set_quotas, policy="baremetal:quota:set"),
    _quotas(method="DELETE", handler=delete_quotas, policy="baremetal:quota:delete", success=204),
    _tags(method="GET", handler=show_tags, policy="baremetal:node:tags:list"),
    _tags(method="PUT", handler=replace_tags, policy="baremetal:node:tags:set"),
    _tags(method="DELETE", handler=clear_tags, policy="baremetal:node:tags:delete", success=204),
    _tag(method="GET", handler=show_tag, policy="baremetal:node:tags:list", success=204),
    _tag(method="PUT", handler=add_tag, policy="baremetal:node:tags:set", success=201),
    _tag(method="DELETE", handler=remove_tag, policy="baremetal:node:tags:delete", success=204),
]
