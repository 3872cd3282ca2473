"""The OpenAPI document for people: docs/reference/api.md."""

from __future__ import annotations

from typing import Any

from .document import Tables, openapi
from .resources import SCHEMAS, Json

HEAD = """# The API

Made from the OpenAPI document (`make docs`), which the gateway serves at `/v1/openapi.json`, without sign-in. *Since*
is the first microversion that knows it; *body* is what is sent, and what has a question mark may be left out.
Which rule guards a route stands in [routes](routes.md), what errors look like in [errors](errors.md).
"""


def api_page(tables: Tables) -> str:
    document = openapi(tables, "")
    parts = [HEAD]
    for tag in tables:
        rows = [
            _row(method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if operation["tags"] == [tag]
        ]
        parts.append(f"\n## {tag.replace('_', ' ').capitalize()}\n\n| call | since | does | query | body | answers |\n")
        parts.append(f"|---|---|---|---|---|---|\n{''.join(rows)}")
    parts.append("\n## Fields\n")
    parts += [_fields(name, schema) for name, schema in SCHEMAS.items() if name.startswith("New") or _is_shown(name)]
    return "".join(parts)


def _is_shown(name: str) -> bool:
    return f"New{name}" in SCHEMAS


def _row(method: str, path: str, operation: Json) -> str:
    asked = [each["name"] for each in operation["parameters"] if each.get("in") == "query"]
    query = " ".join(f"`{name}`" for name in asked)
    answers = next(status for status in operation["responses"] if status.startswith("2"))
    cells = (
        f"`{method.upper()} {path}`", operation["x-microversion"], operation["summary"], query,
        _body(operation.get("requestBody")), answers,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _body(body: Json | None) -> str:
    if body is None:
        return ""
    schema = body["content"]["application/json"]["schema"]
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return "any object" if name == "Document" else f"[{name}](#{name.lower()})" if name != "Patch" else "JSON Patch"
    required = schema.get("required", ())
    return " ".join(f"`{name}`{'' if name in required else '?'}" for name in schema.get("properties", {}))


def _fields(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"| `{field}`{' *' if field in required else ''} | {_type(each)} | {each.get('x-microversion', '1.1')} |\n"
        for field, each in schema["properties"].items()
    )
    return f"\n### {name}\n\n| field | type | since |\n|---|---|---|\n{rows}"


def _type(schema: Json) -> str:
    kinds = schema.get("type", "any")
    words = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if kind != "null"]
    text = "time" if schema.get("format") == "date-time" else " or ".join(words)
    return f"{text}, ≤ {schema['maxLength']}" if "maxLength" in schema else text
