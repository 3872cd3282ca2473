"""Events that a network service tells (facts §19): checked, and taken note of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steelyard_common.errors import InvalidRequest

from . import identifiers, values

SINCE = 54
NAMES = ("network.bind_port", "network.unbind_port", "network.delete_port")


def _event(name: str, value: Any) -> str:
    if value not in NAMES:
        raise InvalidRequest(f"{name} must be one of {', '.join(NAMES)}")
    return str(value)


def _or_null(read: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: None if value is None else read(name, value)


_REQUIRED: dict[str, Callable[[str, Any], Any]] = {
    "event": _event,
    "port_id": identifiers.uuid,
    "mac_address": values.mac_address,
    "status": values.text,
}
_OPTIONAL = {
    "device_id": _or_null(identifiers.uuid),
    "binding:host_id": _or_null(identifiers.uuid),
    "binding:vnic_type": _or_null(values.text),
}


def check(name: str, events: Any) -> list[dict[str, Any]]:
    """The events in their one form. Errors: InvalidRequest, naming the event by its place."""
    if not isinstance(events, list) or not events:
        raise InvalidRequest(f"'{name}' must be a list of at least one event")
    return [_checked(f"{name}[{place}]", event) for place, event in enumerate(events)]


def _checked(where: str, event: Any) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise InvalidRequest(f"{where} must be an object")
    if missing := [name for name in _REQUIRED if name not in event]:
        raise InvalidRequest(f"{where}: '{missing[0]}' is a required property")
    readers = _REQUIRED | _OPTIONAL
    if unknown := sorted(event.keys() - readers.keys()):
        raise InvalidRequest(f"{where}: remove '{values.plain(unknown[0])}', it is not part of an event")
    return {name: readers[name](f"{where}: {name}", value) for name, value in event.items()}
