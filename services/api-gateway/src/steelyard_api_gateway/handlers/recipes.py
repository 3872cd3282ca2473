"""`/v1/deploy_templates`, `/v1/runbooks`, `/v1/inspection_rules`: one set of rows for each, and runbooks' traits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Response
from steelyard_common.contracts.recipes import (
    DEPLOY_TEMPLATES_SINCE,
    INSPECTION_RULES_SINCE,
    RUNBOOK_TRAITS_SINCE,
    RUNBOOKS_SINCE,
)
from steelyard_common.errors import InvalidRequest, SteelyardError

from ..domain.values import plain
from ..service.recipes import Recipes
from .answers import document, empty
from .routes import Asked, Refusal, Route, Services, bound
from .trait_lists import Traits, trait_routes

Of = Callable[[Services], Recipes]


def list_all(of: Of, asked: Asked) -> Response:
    return document(of(asked.services).list_all(asked.call, asked.query()))


def create(of: Of, asked: Asked) -> Response:
    asked.no_query()
    recipes = of(asked.services)
    uuid, body = recipes.create(asked.call, asked.json())
    return document(body, 201, f"{asked.call.base_url}/v1/{recipes.kind.plural}/{uuid}")


def show(of: Of, asked: Asked, ident: str) -> Response:
    return document(of(asked.services).show(asked.call, ident, asked.query()))


def update(of: Of, asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(of(asked.services).update(asked.call, ident, asked.json()))


def delete(of: Of, asked: Asked, ident: str) -> Response:
    asked.no_query()
    of(asked.services).delete(asked.call, ident)
    return empty(204)


def show_field(of: Of, asked: Asked, ident: str, name: str) -> Response:
    """`…/{ident}/{name}`: Ironic reads it as ``fields=name``."""
    asked.no_query()
    if name not in of(asked.services).kind.listing.fields:
        raise InvalidRequest(f'Field(s) "{plain(name)}" are not valid')
    return document(of(asked.services).show(asked.call, ident, {"fields": [name]}))


def _rows(plural: str, of: Of, since: int, *, lists: str, is_routed: bool = False) -> list[Route]:
    """Below ``since`` a GET finds nothing, and a write is not a method that exists (facts §4)."""
    one, policy = f"/{plural}/<ident>", f"baremetal:{plural.removesuffix('s')}"
    read = partial(Route, since=since, is_routed=is_routed)
    write = partial(read, too_old=405)
    return [
        read(method="GET", path=f"/{plural}", handler=bound(list_all, of), policy=f"{policy}:{lists}"),
        write(method="POST", path=f"/{plural}", handler=bound(create, of), policy=f"{policy}:create", success=201),
        read(method="GET", path=one, handler=bound(show, of), policy=f"{policy}:get"),
        write(method="PATCH", path=one, handler=bound(update, of), policy=f"{policy}:update"),
        write(method="DELETE", path=one, handler=bound(delete, of), policy=f"{policy}:delete", success=204),
        read(method="GET", path=f"{one}/<name>", handler=bound(show_field, of), policy=f"{policy}:get"),
    ]


def _no_ident(name: str) -> SteelyardError:
    return InvalidRequest(f"Missing mandatory parameter: {name}")


def _no_idents(plural: str, name: str) -> Refusal:
    return Refusal(methods=("PATCH", "DELETE"), path=f"/{plural}", error=partial(_no_ident, name))


ROUTES = [
    *_rows(
        "deploy_templates", lambda services: services.deploy_templates, DEPLOY_TEMPLATES_SINCE, lists="get",
        is_routed=True,
    ),
    *_rows("runbooks", lambda services: services.runbooks, RUNBOOKS_SINCE, lists="list_all", is_routed=True),
    *_rows("inspection_rules", lambda services: services.inspection_rules, INSPECTION_RULES_SINCE, lists="get"),
    *trait_routes(
        partial(Route, since=RUNBOOK_TRAITS_SINCE, is_routed=True),
        Traits(plural="runbooks", of=lambda services: services.runbooks.traits),
        {"GET": "baremetal:runbook:get"} | dict.fromkeys(("PUT", "DELETE"), "baremetal:runbook:update"),
    ),
]  # fmt: skip
REFUSALS = [
    _no_idents("deploy_templates", "template_ident"),
    _no_idents("runbooks", "runbook_ident"),
    _no_idents("inspection_rules", "inspection_rule_uuid"),
]
