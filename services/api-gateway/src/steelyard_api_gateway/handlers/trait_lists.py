"""`…/traits` of nodes and of runbooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Response

from ..service.trait_lists import TraitLists
from .answers import document, empty
from .routes import Asked, Handler, Route, Services, bound


@dataclass(frozen=True, kw_only=True)
class Traits:
    """Whose they are; ``plural``: as paths name them."""

    plural: str
    of: Callable[[Services], TraitLists]


def show_traits(whose: Traits, asked: Asked, ident: str) -> Response:
    asked.no_query()
    return document(whose.of(asked.services).show(asked.call, ident))


def replace_traits(whose: Traits, asked: Asked, ident: str) -> Response:
    asked.no_query()
    whose.of(asked.services).replace(asked.call, ident, asked.json())
    return empty(204)


def add_trait(whose: Traits, asked: Asked, ident: str, trait: str) -> Response:
    asked.no_query()
    whose.of(asked.services).add(asked.call, ident, trait, asked.json())
    return empty(204, f"{asked.call.base_url}/v1/{whose.plural}/{ident}/traits/{trait}")


def remove_trait(whose: Traits, asked: Asked, ident: str, trait: str) -> Response:
    asked.no_query()
    whose.of(asked.services).remove(asked.call, ident, trait)
    return empty(204)


def clear_traits(whose: Traits, asked: Asked, ident: str) -> Response:
    asked.no_query()
    whose.of(asked.services).clear(asked.call, ident)
    return empty(204)


def trait_routes(route: Callable[..., Route], whose: Traits, policies: Mapping[str, str]) -> list[Route]:
    """``route`` knows what all have in common; ``policies``: the rule of GET, PUT and DELETE."""
    several = f"/{whose.plural}/<ident>/traits"
    rows: list[tuple[str, str, Handler, int]] = [
        ("GET", several, show_traits, 200),
        ("PUT", several, replace_traits, 204),
        ("DELETE", several, clear_traits, 204),
        ("PUT", f"{several}/<trait>", add_trait, 204),
        ("DELETE", f"{several}/<trait>", remove_trait, 204),
    ]
    return [
        route(method=method, path=path, handler=bound(handler, whose), policy=policies[method], success=success)
        for method, path, handler, success in rows
    ]
