"""The bodies that create nodes and ports: marshmallow schemas made from the shared field tables (facts §6, §8).

Unknown fields are refused. A message names the field and the remedy, never the value: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate
from steelyard_common.contracts.api import NODE_FIELDS, PORT_FIELDS, Field
from steelyard_common.contracts.recipes import (
    ALLOCATION_ASKED_FIELDS,
    ALLOCATION_FIELDS,
    ALLOCATION_NODE,
    DEPLOY_TEMPLATE_FIELDS,
    INSPECTION_RULE_FIELDS,
    RUNBOOK_FIELDS,
)
from steelyard_common.contracts.records import CHASSIS_FIELDS, CONNECTOR_FIELDS, PORTGROUP_FIELDS, TARGET_FIELDS
from steelyard_common.errors import InvalidRequest

from ..domain import identifiers, links, network_data, values

MESSAGES_SHOWN = 5
_IN_RANGE = validate.Range(-(2**31), 2**31 - 1, error="must be between {min} and {max}")


class _Checked(fields.Field[Any]):
    """A field read by a function of the domain: ``read(name, value)`` returns it or raises InvalidRequest."""

    def __init__(self, read: Callable[[str, Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._read = read

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Any:
        del data
        try:
            return self._read(attr or "value", value)
        except InvalidRequest as error:
            raise ValidationError(error.message) from error


class _Whole(fields.Integer):
    """A JSON integer: no boolean, no text, nothing with a fraction."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> Any:
        if isinstance(value, (bool, str)) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **more)


def _a_list(_name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidRequest("must be a list")
    return value


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "uuid": identifiers.uuid,
    "instance_uuid": identifiers.uuid,
    "chassis_uuid": identifiers.uuid,
    "node_uuid": identifiers.uuid,
    "portgroup_uuid": identifiers.uuid,
    "address": values.mac_address,
    "network_data": network_data.check,
    "local_link_connection": links.check,
    "available_for_dynamic_portgroup": values.boolean,
}
_MIN_LENGTH = {"instance_name": 1, "physical_network": 1}


def _field(field: Field, mandatory: Collection[str]) -> fields.Field[Any]:
    is_mandatory = field.name in mandatory
    options: dict[str, Any] = {"allow_none": not is_mandatory, "required": is_mandatory}
    options["error_messages"] = {"required": "is a required property; give it", "null": "must not be null"}
    if field.name in _READERS:
        return _Checked(_READERS[field.name], **options)
    if field.kind == "bool":
        return _Checked(values.boolean, **options)
    if field.kind == "integer":
        options["error_messages"]["invalid"] = "must be a whole number"
        return _Whole(validate=[_IN_RANGE], **options)
    if field.kind == "list":
        return _Checked(_a_list, **options)
    if field.kind == "object":
        options["error_messages"]["invalid"] = "must be an object"
        return fields.Dict(keys=fields.String(), **options)
    options["error_messages"]["invalid"] = "must be a string"
    length = validate.Length(
        min=_MIN_LENGTH.get(field.name, 0), max=field.max_length, error="must have between {min} and {max} characters"
    )
    is_limited = field.max_length is not None or field.name in _MIN_LENGTH
    return fields.String(validate=[length] if is_limited else [], **options)


def _schema(name: str, table: dict[str, Field], *mandatory: str, **extra: fields.Field[Any]) -> Schema:
    accepted = {field.name: _field(field, mandatory) for field in table.values() if field.create}
    made = Schema.from_dict(accepted | extra, name=name)
    made.error_messages = {
        "unknown": "cannot be set here; remove it",
        "type": "the body must be a JSON object",
    }
    return made(unknown=RAISE)


_NODE_IDENT = Field("node_ident", "string", 94, create=True, patch=True, max_length=255)
PORT_BODY_FIELDS = PORT_FIELDS | {"node_ident": _NODE_IDENT}
NODE = _schema("NodeSchema", NODE_FIELDS, "driver")
PORT = _schema("PortSchema", PORT_BODY_FIELDS, "address")
CHASSIS = _schema("ChassisSchema", CHASSIS_FIELDS)
PORTGROUP = _schema("PortgroupSchema", PORTGROUP_FIELDS, "node_uuid")
CONNECTOR = _schema("ConnectorSchema", CONNECTOR_FIELDS, "node_uuid", "type", "connector_id")
TARGET = _schema("TargetSchema", TARGET_FIELDS, "node_uuid", "volume_type", "boot_index", "volume_id")
# What a step, a condition or an action may be is inventory's to judge: a patch has to pass there, too.
DEPLOY_TEMPLATE = _schema("DeployTemplateSchema", DEPLOY_TEMPLATE_FIELDS, "name", "steps")
RUNBOOK = _schema("RunbookSchema", RUNBOOK_FIELDS, "name", "steps")
INSPECTION_RULE = _schema("InspectionRuleSchema", INSPECTION_RULE_FIELDS, "actions")
ALLOCATION_BODY_FIELDS = ALLOCATION_FIELDS | ALLOCATION_ASKED_FIELDS | {"node": ALLOCATION_NODE}
ALLOCATION = _schema("AllocationSchema", ALLOCATION_BODY_FIELDS)
# Fields of a patch are those of a create and these, which only a patch may set.
_PATCH_ONLY = {
    name: _field(field, ())
    for name, field in (NODE_FIELDS | PORT_BODY_FIELDS).items()
    if field.patch and not field.create
}


def load(schema: Schema, resource: str, body: Any) -> dict[str, Any]:
    """The body with every value in its one form (UUIDs, booleans, MACs). Errors: InvalidRequest."""
    try:
        loaded: dict[str, Any] = schema.load(body)
    except ValidationError as error:
        raise InvalidRequest(f"Schema error for {resource}: {_readable(error.messages)}") from error
    return loaded


def load_value(schema: Schema, resource: str, name: str, value: Any) -> Any:
    """One value that a patch gives to a root field. Errors: InvalidRequest."""
    field = schema.fields.get(name) or _PATCH_ONLY[name]
    try:
        return field.deserialize(value, name)
    except ValidationError as error:
        raise InvalidRequest(f"Schema error for {resource}: {_readable({name: error.messages})}") from error


def _readable(messages: Any) -> str:
    """``{"name": ["must be a string"]}`` → ``name must be a string``; at most a few."""
    said: list[str] = []
    for name, problems in messages.items() if isinstance(messages, dict) else [("", messages)]:
        text = problems if isinstance(problems, str) else "; ".join(map(str, _flat(problems)))
        is_named = name in ("", "_schema") or str(name) in text.split(":")[0].split()
        said.append(text if is_named else f"'{values.plain(str(name))}' {text}")
    more = f" (and {len(said) - MESSAGES_SHOWN} more)" if len(said) > MESSAGES_SHOWN else ""
    return "; ".join(said[:MESSAGES_SHOWN]) + more


def _flat(problems: Any) -> list[Any]:
    if isinstance(problems, dict):
        return [f"'{values.plain(str(key))}' {part}" for key, inner in problems.items() for part in _flat(inner)]
    return list(problems) if isinstance(problems, list) else [problems]
