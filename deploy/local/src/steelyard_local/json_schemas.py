"""JSON schemas (draft 7) of what travels on the bus, made from the marshmallow schemas and the dataclasses in use."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema, fields, missing, validate
from steelyard_common.errors import SteelyardError

Json = dict[str, Any]
_KINDS: Mapping[type[fields.Field[Any]], Json] = {
    fields.UUID: {"type": "string", "format": "uuid"},
    fields.AwareDateTime: {"type": "string", "format": "date-time"},
    fields.DateTime: {"type": "string", "format": "date-time"},
    fields.String: {"type": "string"},
    fields.Integer: {"type": "integer"},
    fields.Float: {"type": "number"},
    fields.Boolean: {"type": "boolean"},
    fields.Dict: {"type": "object"},
    fields.Raw: {},
}
PYTHONS_END = r"\Z"
_PLAIN: Mapping[Any, Json] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
    type(None): {"type": "null"}, Any: {},
}  # fmt: skip


def of_request(schema: type[Schema] | None) -> Json:
    """What a service takes. What is unknown is ignored, so more fields are allowed."""
    return {"type": "object"} if schema is None else _of_schema(schema())


def _of_schema(schema: Schema) -> Json:
    taken = {field.data_key or name: field for name, field in schema.fields.items() if not field.dump_only}
    return {
        "type": "object",
        "properties": {name: _of_field(field) for name, field in taken.items()},
        "required": [name for name, field in taken.items() if field.required],
    }


def _of_field(field: fields.Field[Any]) -> Json:
    if isinstance(field, fields.Nested):
        made = _of_schema(field.schema)
        if field.many:
            made = {"type": "array", "items": made}
    elif isinstance(field, fields.List):
        made = {"type": "array", "items": _of_field(field.inner)}
    else:
        made = dict(next(made for kind, made in _KINDS.items() if isinstance(field, kind)))
    for rule in field.validators:
        made |= _of_rule(rule, made)
    if field.load_default is not missing and not callable(field.load_default):
        made["default"] = field.load_default
    return _or_null(made) if field.allow_none else made


def _of_rule(rule: Callable[[Any], Any], made: Json) -> Json:
    """Errors: TypeError for a rule that a JSON schema cannot say: it must not be lost without a word."""
    match rule:
        case validate.OneOf(choices=choices) if type(rule) is validate.OneOf:  # others inherit from it
            return {"enum": [str(choice) if isinstance(choice, str) else choice for choice in choices]}
        case validate.Range(min=least, max=most):
            return _given(minimum=least, maximum=most)
        case validate.Length(min=least, max=most, equal=exactly):
            least, most = (exactly, exactly) if exactly is not None else (least, most)
            if made.get("type") == "array":
                return _given(minItems=least, maxItems=most)
            return _given(minLength=least, maxLength=most)
        case validate.Regexp(regex=re.Pattern(pattern=str(pattern))):  # it is matched from the beginning
            return {"pattern": f"^(?:{pattern.replace(PYTHONS_END, '$')})"}
        case _:
            raise TypeError(f"no JSON schema is known for {rule!r}")


def _given(**limits: Any) -> Json:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _or_null(schema: Json) -> Json:
    if "type" not in schema:
        return schema
    return schema | {"type": [schema["type"], "null"]} | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def of_dataclass(shape: type[Any]) -> Json:
    """What a frozen dataclass looks like as JSON; what has a default may be missing."""
    hints = typing.get_type_hints(shape)
    known = dataclasses.fields(shape)
    return {
        "type": "object",
        "description": " ".join((shape.__doc__ or "").replace("``", "`").split()),
        "properties": {each.name: _of_type(hints[each.name]) for each in known},
        "required": [each.name for each in known if _is_required(each)],
    }


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def of_value(sample: Mapping[str, Any]) -> Json:
    """The schema of an object with the fields of ``sample``, all required."""
    return {
        "type": "object",
        "properties": {name: _of_type(type(value)) for name, value in sample.items()},
        "required": list(sample),
    }


def _of_type(hint: Any) -> Json:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if hint is SteelyardError:
        return of_value(SteelyardError().to_dict())
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return of_dataclass(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return {"type": "array", "items": _of_type(args[0])}
    if origin is dict:
        return {"type": "object"}
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_of_type(each) for each in args]}
    raise TypeError(f"no JSON schema is known for {hint!r}")
