"""A node as the lifecycle reads it: what the rules look at, and what a step provider is given (NodeForProvider)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from ..domain.locks import Lock
from ..domain.projection import NodeView
from ..domain.transitions import State

INTERFACES = (
    "bios", "boot", "console", "deploy", "firmware", "inspect", "management",
    "network", "power", "raid", "rescue", "storage", "vendor",
)  # fmt: skip
# To stand behind SELECT, with nodes as n.
COLUMNS = ", ".join([
    "n.id", "n.uuid::text AS uuid", "n.name", "n.driver", "n.driver_info", "n.properties",
    "n.sealed -> 'driver_info' AS sealed", *(f"n.{name}_interface" for name in INTERFACES),
    "n.provision_state", "n.target_provision_state", "n.power_state", "n.target_power_state", "n.maintenance",
    "n.fault", "n.disable_power_off", "n.retired", "n.automated_clean", "n.boot_mode", "n.secure_boot", "n.health",
    "n.power_changed_at", "n.power_corrections", "n.fence",
])  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRow:
    """A locked node: ``view`` for the rules, ``provider`` for the messages."""

    view: NodeView
    provider: dict[str, Any]


def provider_view(row: RowMapping) -> dict[str, Any]:
    """NodeForProvider from a row that has COLUMNS: the shape of ``StepMessage.node``."""
    return {
        "uuid": row["uuid"],
        "name": row["name"],
        "driver": row["driver"],
        "interfaces": {name: row[f"{name}_interface"] for name in INTERFACES if row[f"{name}_interface"]},
        "driver_info": row["driver_info"],
        "sealed": row["sealed"] or {},
        "properties": row["properties"],
        "power_state": row["power_state"],
        "boot_mode": row["boot_mode"],
        "secure_boot": row["secure_boot"],
        "disable_power_off": row["disable_power_off"],
    }


def node_view(row: RowMapping, lock: Lock | None = None) -> NodeView:
    """What the rules look at, from a row that has COLUMNS."""
    target = row["target_provision_state"]
    return NodeView(
        uuid=row["uuid"],
        provision_state=State(row["provision_state"]),
        target_provision_state=State(target) if target else None,
        power_state=row["power_state"],
        target_power_state=row["target_power_state"],
        maintenance=row["maintenance"],
        fault=row["fault"],
        disable_power_off=row["disable_power_off"],
        retired=row["retired"],
        automated_clean=row["automated_clean"],
        boot_mode=row["boot_mode"],
        secure_boot=row["secure_boot"],
        health=row["health"],
        power_changed_at=row["power_changed_at"],
        power_corrections=row["power_corrections"],
        fence=row["fence"],
        lock=lock,
    )


def node_row(row: RowMapping, lock: Lock | None = None) -> NodeRow:
    return NodeRow(view=node_view(row, lock), provider=provider_view(row))
