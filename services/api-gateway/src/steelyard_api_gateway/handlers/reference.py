"""The reference page of the routes, made from the tables (docs/reference/routes.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from steelyard_common.contracts.api import MAX_MINOR

from .routes import Refusal, Route

HEAD = f"""# Routes

Made from the route tables of the API gateway:
`.venv/bin/python -m steelyard_api_gateway routes > docs/reference/routes.md`.

Every path is served with and without `/v1`, and with a trailing slash. *Since* is the first microversion (of 1.1 to
1.{MAX_MINOR}) that has the route, *below* the status before that. *Policy* is the rule that guards it, by Ironic's
name. `GET /` and `GET /v1` need no sign-in; `HEAD` works on them alone; `OPTIONS` works everywhere.
"""
COLUMNS = "| method | path | since | below | success | policy | does |\n|---|---|---|---|---|---|---|\n"


def routes_page(tables: Mapping[str, tuple[Sequence[Route], Sequence[Refusal]]]) -> str:
    parts = [HEAD]
    for name, (routes, _) in tables.items():
        parts.append(f"\n## {name.replace('_', ' ')}\n\n{COLUMNS}{''.join(map(_row, routes))}")
    return "".join(parts)


def _row(route: Route) -> str:
    path = re.sub(r"<(\w+)>", r"{\1}", f"/v1{route.path}")
    below = str(route.too_old) if route.since > 1 else "–"
    does = route.handler.__name__.replace("_", " ")
    return f"| {route.method} | `{path}` | 1.{route.since} | {below} | {route.success} | `{route.policy}` | {does} |\n"
