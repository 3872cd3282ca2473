"""JSON schemas of what the API shows and takes, made from the field tables (contracts.api, records, recipes).

``x-microversion`` is the minor version from which a field exists. Values may be null: Ironic shows what is not set so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from steelyard_common.contracts.api import NODE_FIELDS, NODE_SUBLINKS, PORT_FIELDS, Field
from steelyard_common.contracts.recipes import (
    ALLOCATION_FIELDS,
    DEPLOY_TEMPLATE_FIELDS,
    INSPECTION_RULE_FIELDS,
    RUNBOOK_FIELDS,
)
from steelyard_common.contracts.records import (
    CHASSIS_FIELDS,
    CHASSIS_SUBLINKS,
    CONNECTOR_FIELDS,
    PORTGROUP_FIELDS,
    PORTGROUP_SUBLINKS,
    TARGET_FIELDS,
)

from ...service.schemas import ALLOCATION_BODY_FIELDS, PORT_BODY_FIELDS

Json = dict[str, Any]
_KINDS: dict[str, Json] = {
    "string": {"type": ["string", "null"]},
    "bool": {"type": ["boolean", "null"]},
    "object": {"type": ["object", "null"]},
    "list": {"type": ["array", "null"]},
    "integer": {"type": ["integer", "null"]},
    "time": {"type": ["string", "null"], "format": "date-time"},
}
# What a body may say instead of true and false, besides the two themselves (facts §3).
_LOOSE_BOOLEAN: Json = {"type": ["boolean", "string", "integer", "null"]}
LINKS: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"href": {"type": "string"}, "rel": {"type": "string"}, "type": {"type": "string"}},
        "required": ["href", "rel"],
    },
}
ERROR: Json = {
    "type": "object",
    "description": "error_message is a JSON text: {faultcode, faultstring, debuginfo} or {code, title, description}.",
    "properties": {
        "error_message": {"type": "string"},
        "faultcode": {"type": "string"},
        "faultstring": {"type": "string"},
    },
}
PATCH: Json = {
    "type": "array",
    "description": "A JSON Patch (RFC 6902) with add, replace, remove and test.",
    "items": {
        "type": "object",
        "properties": {
            "op": {"enum": ["add", "replace", "remove", "test"]},
            "path": {"type": "string", "pattern": "^(/[^/]+)+$"},
            "value": {},
        },
        "required": ["op", "path"],
    },
}


def shown(table: Mapping[str, Field], sublinks: Mapping[str, Json] | None = None) -> Json:
    """An answer: any of the fields, with links."""
    properties = {name: _KINDS[field.kind] | _since(field) for name, field in table.items()}
    return {"type": "object", "properties": {**properties, "links": LINKS, **(sublinks or {})}}


def _links(names: Collection[str]) -> dict[str, Json]:
    return dict.fromkeys(names, LINKS)


def taken(table: Mapping[str, Field], *mandatory: str) -> Json:
    """The body that makes one: nothing else is taken."""
    properties = {name: _written(field) for name, field in table.items() if field.create}
    return {
        "type": "object",
        "properties": properties,
        "required": list(mandatory),
        "additionalProperties": False,
    }


def _since(field: Field) -> Json:
    return {"x-microversion": f"1.{field.since}"} if field.since > 1 else {}


def _written(field: Field) -> Json:
    schema = _LOOSE_BOOLEAN if field.kind == "bool" else _KINDS[field.kind]
    length = {"maxLength": field.max_length} if field.max_length is not None else {}
    return schema | length | _since(field)


# Ironic puts the links of a chassis' nodes into a list of their own.
_CHASSIS_LINKS: dict[str, Json] = {name: {"type": "array", "items": LINKS} for name in CHASSIS_SUBLINKS}
SCHEMAS: dict[str, Json] = {
    "Error": ERROR,
    "Patch": PATCH,
    "Node": shown(NODE_FIELDS, _links(NODE_SUBLINKS)),
    "NewNode": taken(NODE_FIELDS, "driver"),
    "Port": shown(PORT_FIELDS),
    "NewPort": taken(PORT_BODY_FIELDS, "address"),
    "Portgroup": shown(PORTGROUP_FIELDS, _links(PORTGROUP_SUBLINKS)),
    "NewPortgroup": taken(PORTGROUP_FIELDS, "node_uuid"),
    "Chassis": shown(CHASSIS_FIELDS, _CHASSIS_LINKS),
    "NewChassis": taken(CHASSIS_FIELDS),
    "VolumeConnector": shown(CONNECTOR_FIELDS),
    "NewVolumeConnector": taken(CONNECTOR_FIELDS, "node_uuid", "type", "connector_id"),
    "VolumeTarget": shown(TARGET_FIELDS),
    "NewVolumeTarget": taken(TARGET_FIELDS, "node_uuid", "volume_type", "boot_index", "volume_id"),
    "DeployTemplate": shown(DEPLOY_TEMPLATE_FIELDS),
    "NewDeployTemplate": taken(DEPLOY_TEMPLATE_FIELDS, "name", "steps"),
    "Runbook": shown(RUNBOOK_FIELDS),
    "NewRunbook": taken(RUNBOOK_FIELDS, "name", "steps"),
    "InspectionRule": shown(INSPECTION_RULE_FIELDS),
    "NewInspectionRule": taken(INSPECTION_RULE_FIELDS, "actions"),
    "Allocation": shown(ALLOCATION_FIELDS),
    "NewAllocation": taken(ALLOCATION_BODY_FIELDS),
    "Document": {"type": "object"},
}
