"""The page docs/reference/compatibility.md: what Ironic's reference lists, against our route and field tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from steelyard_api_gateway.domain.listings import Listing
from steelyard_api_gateway.domain.verbs import PARAMETERS, POWER_TARGETS, PROVISION_VERBS
from steelyard_api_gateway.handlers.openapi.operations import OPERATIONS
from steelyard_api_gateway.handlers.routes import Route
from steelyard_api_gateway.main import TABLES
from steelyard_common.contracts.api import MAX_MINOR, MIN_MINOR, NODE_FIELDS, NODE_SUBLINKS, PORT_FIELDS, Field
from steelyard_common.contracts.recipes import (
    ALLOCATION_FIELDS,
    ALLOCATIONS_SINCE,
    DEPLOY_TEMPLATE_FIELDS,
    DEPLOY_TEMPLATES_SINCE,
    INSPECTION_RULE_FIELDS,
    INSPECTION_RULES_SINCE,
    RUNBOOK_FIELDS,
    RUNBOOKS_SINCE,
)
from steelyard_common.contracts.records import (
    CHASSIS_FIELDS,
    CHASSIS_SUBLINKS,
    CONNECTOR_FIELDS,
    PORTGROUP_FIELDS,
    PORTGROUP_SUBLINKS,
    PORTGROUPS_SINCE,
    TARGET_FIELDS,
    VOLUME_SINCE,
)

from . import ironic_api


class Resource(NamedTuple):
    """``since``: the minor version it came with; ``links``: what only whole documents show."""

    since: int
    fields: Mapping[str, Field]
    links: Mapping[str, int]


RESOURCES: dict[str, Resource] = {
    "nodes": Resource(MIN_MINOR, NODE_FIELDS, NODE_SUBLINKS),
    "ports": Resource(MIN_MINOR, PORT_FIELDS, {}),
    "portgroups": Resource(PORTGROUPS_SINCE, PORTGROUP_FIELDS, PORTGROUP_SUBLINKS),
    "chassis": Resource(MIN_MINOR, CHASSIS_FIELDS, CHASSIS_SUBLINKS),
    "volume/connectors": Resource(VOLUME_SINCE, CONNECTOR_FIELDS, {}),
    "volume/targets": Resource(VOLUME_SINCE, TARGET_FIELDS, {}),
    "allocations": Resource(ALLOCATIONS_SINCE, ALLOCATION_FIELDS, {}),
    "deploy_templates": Resource(DEPLOY_TEMPLATES_SINCE, DEPLOY_TEMPLATE_FIELDS, {}),
    "runbooks": Resource(RUNBOOKS_SINCE, RUNBOOK_FIELDS, {}),
    "inspection_rules": Resource(INSPECTION_RULES_SINCE, INSPECTION_RULE_FIELDS, {}),
}
DEFECTS = "api-differences.md#defects-that-are-not-copied"
STRICT = "api-differences.md#refused-earlier-or-more-strictly"
# "METHOD path" or "resource.field" → what is meant to differ, and where it is told.
DIFFERENT = {
    "GET /nodes": f"[`fields=` with an unknown name: 400]({DEFECTS})",
    "GET /nodes/{}/ports": f"[names work; `next` stays below the node]({DEFECTS})",
    "GET /nodes/{}/children": f"[404 below 1.83]({DEFECTS})",
    "GET /nodes/{}/management/indicators": f"[404 below 1.63]({STRICT})",
    "GET /portgroups/{}/ports": f"[names work]({DEFECTS})",
    "PUT /nodes/{}/states/provision": f"[the verb's version and parameters are judged first]({STRICT})",
    "PUT /nodes/{}/maintenance": f"[a body that is no object: 400]({STRICT})",
    "GET /nodes/{}/traits": f"[406 below 1.37 for every method]({STRICT})",
    "PATCH /portgroups/{}": f"[may move while it has no ports]({DEFECTS})",
    "PATCH /ports/{}": f"[may move to a node without ports; `node_ident` is taken]({DEFECTS})",
    "POST /continue_inspection": "served at 1.1 too, as the agent sends no version; not in between",
    "nodes.conductor_group": f"[may be removed]({DEFECTS})",
    "nodes.automated_clean": f"[may be removed]({DEFECTS})",
    "nodes.chassis_uuid": f"[removal below 1.25 is 406 whatever the node has]({STRICT})",
    "nodes.parent_node": f"[null is taken in a patch]({DEFECTS})",
    "nodes.network_data": f"[`{{}}` is taken in a patch]({DEFECTS})",
    "nodes.maintenance": f"[null means the default]({DEFECTS})",
    "nodes.owner": f"[≤ 255; taken without sign-in]({STRICT})",
    "nodes.lessee": f"[≤ 255]({STRICT})",
    "nodes.shard": f"[≤ 255]({STRICT})",
    "nodes.retired_reason": f"[needs `retired` on create, too]({STRICT})",
    "ports.name": f"[must be a name that a path can hold; 406 in a patch below 1.88]({STRICT})",
    "ports.category": f"[406 in a patch below 1.101]({STRICT})",
    "ports.available_for_dynamic_portgroup": f"[words such as `no` are taken]({DEFECTS})",
    "portgroups.physical_network": f"[may be removed]({DEFECTS})",
    "deploy_templates.description": "shown; Ironic takes it and never shows it",
}


def plain(path: str) -> str:
    """``/nodes/<ident>`` → ``/nodes/{}``"""
    return re.sub(r"<[^>]+>", "{}", path)


def served() -> dict[tuple[str, str], Route]:
    """(method, plain path) → the row that serves it."""
    return {(route.method, plain(route.path)): route for routes, _ in TABLES.values() for route in routes}


def page() -> str:
    return "\n".join(
        [
            _HEAD.format(count=len(ironic_api.routes())),
            *_routes(),
            *_queries(),
            *_verbs(),
            *_fields(),
            *_versions(),
            _BEYOND,
        ]
    )


def _routes() -> list[str]:
    ours = served()
    lines = [
        "\n## Routes\n",
        "| call | Ironic since | here since | below it | differs on purpose |",
        "|---|---|---|---|---|",
    ]
    for (method, path), since in ironic_api.routes().items():
        route = ours.get((method, path))
        here = "not served" if route is None else f"1.{since if path == '/continue_inspection' else route.since}"
        below = "–" if route is None or since == MIN_MINOR else str(route.too_old)
        lines.append(
            f"| `{method} /v1{path}` | 1.{since} | {here} | {below} | {DIFFERENT.get(f'{method} {path}', '')} |"
        )
    return lines


def _fields() -> list[str]:
    lines = ["\n## Fields\n", _FIELDS_HEAD]
    for name, fields in ironic_api.fields().items():
        resource = RESOURCES[name]
        lines += [
            f"\n### {name}, since 1.{resource.since}\n",
            "| field | Ironic since | here since | use | differs on purpose |",
        ]
        lines.append("|---|---|---|---|---|")
        for field, since in fields.items():
            cells = (f"`{field}`", _minor(since, resource), _here(field, resource), _use(field, resource))
            lines.append(f"| {' | '.join(cells)} | {DIFFERENT.get(f'{name}.{field}', '')} |")
    return lines


def _minor(since: int, resource: Resource) -> str:
    return f"1.{max(since, resource.since)}"


def _here(name: str, resource: Resource) -> str:
    if name == "links":
        return _minor(MIN_MINOR, resource)
    if name in resource.links:
        return _minor(resource.links[name], resource)
    return _minor(resource.fields[name].since, resource) if name in resource.fields else "not served"


def _use(name: str, resource: Resource) -> str:
    field = resource.fields.get(name)
    if field is None:
        return "links"
    return " ".join([*(["create"] if field.create else []), *(["patch"] if field.patch else [])]) or "read"


def asked_here(resource: str) -> dict[str, int]:
    """What the list may be asked for, and since when, by the table that reads the request."""
    query = OPERATIONS[f"GET /{resource}"].query
    assert isinstance(query, Listing)
    known = {name: each.since for name, each in query.filters.items()}
    known |= {"fields": query.fields_since} if query.fields else {}
    return known | ({"detail": query.detail_since} if query.detail_since else {})


def _queries() -> list[str]:
    lines = ["\n## What lists may be asked for\n", _QUERIES_HEAD]
    lines += ["| list | parameter | Ironic since | here since |", "|---|---|---|---|"]
    for resource, names in ironic_api.queries().items():
        floor = ironic_api.routes()["GET", f"/{resource}"]
        here = asked_here(resource)
        for name, since in names.items():
            ours = f"1.{max(here[name], floor)}" if name in here else "not served"
            lines.append(f"| `GET /v1/{resource}` | `{name}` | 1.{max(since, floor)} | {ours} |")
    return lines


def _verbs() -> list[str]:
    lines = ["\n## What `states/provision` and `states/power` take\n", "| target | with | Ironic since | here since |"]
    lines.append("|---|---|---|---|")
    rows = [(name, "", since, PROVISION_VERBS.get(name)) for name, since in ironic_api.verbs().items()]
    for parameter, targets in ironic_api.PARAMETERS.items():
        here = PARAMETERS.get(parameter, {})
        rows += [(target, f"`{parameter}`", since, here.get(target)) for target, since in targets.items()]
    rows += [(name, "", since, POWER_TARGETS.get(name)) for name, since in ironic_api.POWER.items()]
    return [*lines, *(f"| `{name}` | {beside} | 1.{since} | {_served(here)} |" for name, beside, since, here in rows)]


def _served(since: int | None) -> str:
    return "not served" if since is None else f"1.{since}"


def _versions() -> list[str]:
    lines = ["\n## Microversions\n", "| version | adds | here |", "|---|---|---|"]
    for minor, what in ironic_api.microversions().items():
        lines.append(f"| 1.{minor} | {what} | {ironic_api.NOT_OURS.get(minor, 'yes')} |")
    return lines


_FIELDS_HEAD = """\
Below the version a field is left out of answers, and asking for it (`fields=`) or writing it is 406. *Use*: in which
bodies it is taken; `read` is only shown."""
_QUERIES_HEAD = """\
Beside `limit`, `marker`, `sort_key` and `sort_dir`. Below the version it is 406; what nobody knows is 400.
"""
_BEYOND = """
## Beyond Ironic

Steelyard's own routes (timeline, plans, workflows, operations, tags, quotas …) have no microversion: they are served in
every one. They stand in [the API](api.md). No field was added to what Ironic's resources show without asking (a node's
`tags` come with `fields=tags`).
"""
_HEAD = f"""# Compatibility with Ironic 39, microversions 1.{MIN_MINOR} to 1.{MAX_MINOR}

Every route and field of Ironic's API reference, the version that Ironic has it from, and the version that this service
has it from. Made by `make docs` from what Ironic documents (`tests/contract/ironic_api.py`) and from the tables that
serve the requests. `tests/contract/test_compatibility.py` asks a running API for each row: one version too early it is
refused with the status that stands here, at its version it is served. All {{count}} calls are served. What differs on
purpose is told in [api-differences.md](api-differences.md), which `make differential` holds against a real Ironic; what
differs in who may do what, in [policy.md](policy.md).

What a served route cannot do yet says so itself: hardware interfaces that come later refuse with 400 and name what the
node has instead; fake hardware has no BIOS settings, firmware list or virtual media, as Ironic's has none.
Ironic's own inspector service (`/v1/introspection`, openstacksdk's `baremetal_introspection`) is not part of `/v1` and
not served: inspection is a verb of the node, its result `/v1/nodes/{{{{node}}}}/inventory`."""
