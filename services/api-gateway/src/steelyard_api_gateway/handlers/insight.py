"""Additions to Ironic's API below `/v1/nodes/{n}`: timeline, explain, steps, workflows, boots, plans."""

from __future__ import annotations

from functools import partial

import orjson
from flask import Response

from .answers import document
from .routes import Asked, Route

NODE = "/nodes/<ident>"


def show_timeline(asked: Asked, ident: str) -> Response:
    return document(asked.services.insight.timeline(asked.call, ident, asked.query()))


def explain(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.insight.explain(asked.call, ident))


def list_steps(asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(asked.services.insight.steps(asked.call, ident))


def list_workflows(asked: Asked, ident: str) -> Response:
    return document(asked.services.insight.workflows(asked.call, ident, asked.query()))


def show_workflow(asked: Asked, uuid: str) -> Response:
    asked.no_query()
    return document(asked.services.insight.workflow(asked.call, uuid))


def list_boots(asked: Asked, ident: str) -> Response:
    return document(asked.services.insight.boots(asked.call, ident, asked.query()))


def show_boot(asked: Asked, ident: str, attempt: str) -> Response:
    asked.no_query()
    return document(asked.services.insight.boot(asked.call, ident, attempt))


def make_plan(asked: Asked, ident: str) -> Response:
    asked.no_query()
    body = asked.services.insight.make_plan(asked.call, ident, asked.json())
    location = f"{asked.call.base_url}/v1/nodes/{ident}/plans/{orjson.loads(body).get('uuid')}"
    return document(body, 201, location)


def show_plan(asked: Asked, ident: str, plan: str) -> Response:
    asked.no_query()
    return document(asked.services.insight.plan(asked.call, ident, plan))


def apply_plan(asked: Asked, ident: str, plan: str) -> Response:
    """409 with the list of differences when the plan is not what would happen now."""
    asked.no_query()
    asked.json()
    body = asked.services.insight.apply_plan(asked.call, ident, plan)
    return document(body, 202 if orjson.loads(body).get("applied", True) else 409)


_get = partial(Route, method="GET", policy="baremetal:node:get")
_change = partial(Route, method="POST", policy="baremetal:node:set_provision_state")
ROUTES = [
    _get(path=f"{NODE}/timeline", handler=show_timeline, policy="baremetal:node:history:get"),
    _get(path=f"{NODE}/explain", handler=explain),
    _get(path=f"{NODE}/steps", handler=list_steps),
    _get(path=f"{NODE}/workflows", handler=list_workflows),
    _get(path=f"{NODE}/boots", handler=list_boots),
    _get(path=f"{NODE}/boots/<attempt>", handler=show_boot),
    _get(path="/workflows/<uuid>", handler=show_workflow),
    _change(path=f"{NODE}/plans", handler=make_plan, success=201),
    _get(path=f"{NODE}/plans/<plan>", handler=show_plan),
    _change(path=f"{NODE}/plans/<plan>/apply", handler=apply_plan, success=202),
]
