"""What the records around nodes may be: chassis, volume connectors and targets (api facts §10, §17).

A ``Form`` says which fields a record has, which of them it cannot be without, and what null means for the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.contracts.api import Field
from steelyard_common.contracts.records import CHASSIS_FIELDS, CONNECTOR_FIELDS, TARGET_FIELDS, TARGET_SEALED
from steelyard_common.errors import InvalidRequest

from .transitions import State
from .values import checked, require_uuid

Record = Mapping[str, Any]
POWER_OFF = "power off"
# In these a node's volumes may go whatever its power is: nothing runs on it.
FREE_STATES = (State.MANAGEABLE, State.ENROLL, State.ADOPT_FAILED)


@dataclass(frozen=True, kw_only=True)
class Form:
    """``sealed``: objects that may hold secrets."""

    fields: Mapping[str, Field]
    required: Collection[str] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    sealed: Collection[str] = ()

    @property
    def writable(self) -> tuple[str, ...]:
        return tuple(name for name, each in self.fields.items() if each.create or each.patch)

    @property
    def patchable(self) -> tuple[str, ...]:
        return tuple(name for name, each in self.fields.items() if each.patch)

    def completed(self, record: Record) -> dict[str, Any]:
        """The writable fields in their kept form, all of them. Errors: InvalidRequest."""
        result: dict[str, Any] = {}
        for name in self.writable:
            each = self.fields[name]
            value = checked(each, record.get(name))
            if value is None:
                value = {} if each.kind == "object" else self.defaults.get(name)
            if value is None and name in self.required:
                raise InvalidRequest(f"Schema error: '{name}' is a required property")
            result[name] = value
        if result["uuid"] is not None:
            result["uuid"] = require_uuid("uuid", result["uuid"])
        return result


CHASSIS = Form(fields=CHASSIS_FIELDS)
CONNECTOR = Form(fields=CONNECTOR_FIELDS, required=("type", "connector_id"))
TARGET = Form(fields=TARGET_FIELDS, required=("volume_type", "boot_index", "volume_id"), sealed=TARGET_SEALED)


def check_powered_off(node: Record, what: str) -> None:
    """Volumes do not change under a running machine. Errors: InvalidRequest."""
    if node["power_state"] != POWER_OFF:
        raise InvalidRequest(
            f'The requested action "{what} update" can not be performed on node "{node["uuid"]}" while it is in state '
            f'"{node["power_state"]}".'
        )


def check_volume_may_go(node: Record, what: str) -> None:
    """Errors: InvalidRequest."""
    if node["provision_state"] not in FREE_STATES and node["power_state"] != POWER_OFF:
        raise InvalidRequest(
            f'The requested action "{what} deletion" can not be performed on node "{node["uuid"]}" while it is in '
            f'state "{node["power_state"]}".'
        )
