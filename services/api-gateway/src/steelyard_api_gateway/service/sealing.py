"""Secrets leave the gateway sealed: in bodies, in patch values, and where the patch's path names the secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import MASK, PREFIX, SECRET_NAME, Sealer

from ..domain.patches import Operation

Sealed = Mapping[str, frozenset[str]]
# Field → its members that are secret whatever their name (facts §3: they never leave the API in clear).
SEALED_FIELDS: Sealed = {
    "driver_info": frozenset(),
    "instance_info": frozenset({"configdrive", "image_url"}),
}


def seal_document(document: dict[str, Any], sealer: Sealer, fields: Sealed = SEALED_FIELDS) -> dict[str, Any]:
    """A resource's body with the secrets of ``fields`` sealed. Errors: InvalidRequest (a value like a token)."""
    return document | {
        name: _seal_field(fields[name], document[name], sealer) for name in fields.keys() & document.keys()
    }


def seal_operation(operation: Operation, sealer: Sealer, fields: Sealed = SEALED_FIELDS) -> dict[str, Any]:
    """The operation as it goes on the bus. Errors: InvalidRequest (a value like a token)."""
    body = operation.to_dict()
    if operation.root in fields and "value" in body:
        body["value"] = _seal_value(operation, sealer, fields[operation.root])
    return body


def _seal_value(operation: Operation, sealer: Sealer, members: frozenset[str]) -> Any:
    below = operation.segments[1:]
    if not below:
        return _seal_field(members, operation.value, sealer)
    is_secret = below[0] in members or any(SECRET_NAME.search(name) for name in below)
    return seal(operation.value, sealer, under_secret=is_secret)


def _seal_field(members: frozenset[str], value: Any, sealer: Sealer) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        name: seal(item, sealer, under_secret=name in members or SECRET_NAME.search(name) is not None)
        for name, item in value.items()
    }


def seal(value: Any, sealer: Sealer, *, under_secret: bool = False) -> Any:
    """``value`` with every text and number sealed that stands anywhere below a secret's name.

    Booleans, null, the empty text and the mask (it means: keep) stay. Errors: InvalidRequest.
    """
    if isinstance(value, dict):
        return {
            name: seal(item, sealer, under_secret=under_secret or SECRET_NAME.search(name) is not None)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [seal(item, sealer, under_secret=under_secret) for item in value]
    if under_secret:
        return _seal_one(value, sealer)
    if isinstance(value, str) and value.startswith(PREFIX):
        raise InvalidRequest(f"A value must not begin with {PREFIX!r}: that marks what this service has sealed itself")
    return value


def _seal_one(value: Any, sealer: Sealer) -> Any:
    if value is None or isinstance(value, bool) or value in ("", MASK):
        return value
    return sealer.seal(value if isinstance(value, str) else str(value))
