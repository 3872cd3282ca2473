"""Route tables + operations + field tables → one OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from steelyard_common.contracts.api import MAX_MINOR

from ...domain import versions
from ...domain.listings import ASC, DESC, MAX_LIMIT, Listing
from ..routes import Refusal, Route
from .operations import OPERATIONS
from .resources import SCHEMAS, Json
from .shapes import Operation

Tables = Mapping[str, tuple[Sequence[Route], Sequence[Refusal]]]
ERRORS = {
    "400": "The request is wrong; the text says what to change",
    "401": "Not signed in",
    "403": "Not allowed, or the node is protected",
    "404": "There is no such thing, or it is hidden, or newer than the version asked for",
    "405": "Another method is needed",
    "406": "Newer than the version asked for",
    "409": "Somebody else is at work on it, or it exists already",
    "412": "It was changed meanwhile (If-Match)",
    "413": "The body is too large",
    "429": "Too many requests of this project",
    "502": "The BMC refused",
    "503": "A service is away, or everything is busy; try again",
    "504": "The BMC did not answer",
}
VERSION = {
    "name": versions.HEADER,
    "in": "header",
    "description": f"The microversion, 1.1 to 1.{MAX_MINOR}, or latest. Without it: 1.1.",
    "schema": {"type": "string", "pattern": r"^(1\.\d{1,3}|latest)$", "default": f"1.{MAX_MINOR}"},
}
_PART = re.compile(r"<(\w+)>")


def openapi(tables: Tables, version: str) -> Json:
    """The document. ``version``: of the gateway."""
    paths: dict[str, Json] = {}
    for tag, (routes, _) in tables.items():
        for route in routes:
            path = _PART.sub(r"{\1}", f"/v1{route.path}")
            paths.setdefault(path, {})[route.method.lower()] = _operation(tag, route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Steelyard",
            "version": version,
            "description": "The bare-metal API: compatible with OpenStack's (Ironic), and what goes beyond it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "parameters": {"Version": VERSION},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "keystone": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
            },
        },
        "security": [{}, {"basic": []}, {"bearer": []}, {"keystone": []}],
    }


def _operation(tag: str, route: Route) -> Json:
    said = OPERATIONS[f"{route.method} {route.path}"]
    made: Json = {
        "tags": [tag],
        "summary": said.does,
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "x-microversion": f"1.{route.since}",
        "x-policy": route.policy,
        "parameters": [*_in_path(route.path), *_in_query(said.query), {"$ref": "#/components/parameters/Version"}],
        "responses": _responses(route, said),
    }
    if said.body is not None:
        made["requestBody"] = {"required": said.needs_body, "content": _json(_schema(said.body))}
    return made


def _in_path(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PART.findall(path)
    ]


def _in_query(query: Listing | tuple[str, ...]) -> list[Json]:
    if isinstance(query, tuple):
        return [_parameter(name, {"type": "string"}) for name in query]
    made = [_parameter(name, {"type": "string"}, since=each.since) for name, each in query.filters.items()]
    if query.paged:
        made += [
            _parameter("limit", {"type": "integer", "minimum": 1, "description": f"At most {MAX_LIMIT} are shown"}),
            _parameter("marker", {"type": "string"}),
            _parameter("sort_key", {"enum": sorted(query.sortable)}),
            _parameter("sort_dir", {"enum": [ASC, DESC]}),
        ]
    if query.fields:
        made.append(_parameter("fields", {"type": "string"}, since=query.fields_since))
    if query.detail_since:
        made.append(_parameter("detail", {"type": "boolean"}, since=query.detail_since))
    return made


def _parameter(name: str, schema: Json, *, since: int = 1) -> Json:
    made = {"name": name, "in": "query", "required": False, "schema": schema}
    return made | ({"x-microversion": f"1.{since}"} if since > 1 else {})


def _responses(route: Route, said: Operation) -> Json:
    done: Json = {"description": said.does}
    if said.answer is not None:
        answer = _collection(said.many, said.answer) if said.many else _schema(said.answer)
        done["content"] = {said.media: {"schema": answer}}
    refused = {status: {"description": text, "content": _json(_schema("Error"))} for status, text in ERRORS.items()}
    also = {str(status): {"description": said.does} for status in said.also}
    return {str(route.success): done, **also, **refused}


def _collection(many: str, one: str | Json) -> Json:
    return {
        "type": "object",
        "properties": {
            many: {"type": "array", "items": _schema(one)},
            "next": {"type": "string", "description": "The next page; there is one on any full page"},
        },
        "required": [many],
    }


def _schema(named: str | Json) -> Json:
    return {"$ref": f"#/components/schemas/{named}"} if isinstance(named, str) else named


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}
