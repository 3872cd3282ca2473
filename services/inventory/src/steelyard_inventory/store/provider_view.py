"""A node as the lifecycle reads it: what the rules look at, and what a step provider is given (NodeForProvider)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import RowMapping

from ..domain.locks import Lock
from ..domain.plans import NodeFacts
from ..domain.projection import NodeView
from ..domain.transitions import State

INTERFACES = (
    "bios", "boot", "console", "deploy", "firmware", "inspect", "management",
    "network", "power", "raid", "rescue", "storage", "vendor",
)  # fmt: skip
_VIEWED = (
    "power_state", "target_power_state", "maintenance", "fault", "disable_power_off", "retired", "automated_clean",
    "boot_mode", "secure_boot", "health", "power_changed_at", "power_corrections", "fence", "protected", "lessee",
    "allocation_uuid", "console_enabled",
)  # fmt: skip
_PLANNED = ("provision_state", "power_state", "boot_mode", "console_enabled")  # what the planner looks at, too
# A config drive may be megabytes: the messages of steps do without; who needs it asks for it.
SEALED_INSTANCE = "(n.sealed -> 'instance_info') - '/configdrive' AS sealed_instance"
# To stand behind SELECT, with nodes as n.
COLUMNS = ", ".join([
    "n.id", "n.uuid::text AS uuid", "n.name", "n.driver", "n.driver_info", "n.properties", "n.conductor_group",
    "n.sealed -> 'driver_info' AS sealed", SEALED_INSTANCE, *(f"n.{name}_interface" for name in INTERFACES),
    "n.provision_state", "n.target_provision_state", "n.instance_info", "n.instance_uuid::text AS instance_uuid",
    "n.target_raid_config", "n.traits", "n.driver_internal_info -> 'automatic_lessee' AS automatic_lessee",
    "n.driver_internal_info ? 'agent_url' AS has_agent",
    *(f"n.{name}" for name in _VIEWED if name != "allocation_uuid"), "n.allocation_uuid::text AS allocation_uuid",
])  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRow:
    """A locked node: ``view`` for the rules, ``facts`` for the planner, ``provider`` for the messages.

    ``group``: its conductor group, which decides whose steps it may use.
    """

    view: NodeView
    facts: NodeFacts
    provider: dict[str, Any]
    group: str = ""


def provider_view(row: RowMapping) -> dict[str, Any]:
    """NodeForProvider from a row that has COLUMNS: the shape of ``StepMessage.node``."""
    return {
        "uuid": row["uuid"],
        "name": row["name"],
        "driver": row["driver"],
        "interfaces": interfaces(row),
        "driver_info": row["driver_info"],
        "sealed": row["sealed"] or {},
        "properties": row["properties"],
        "power_state": row["power_state"],
        "boot_mode": row["boot_mode"],
        "secure_boot": row["secure_boot"],
        "disable_power_off": row["disable_power_off"],
        "provision_state": row["provision_state"],
        "instance_uuid": row["instance_uuid"],
        "instance_info": row["instance_info"],
        "sealed_instance": row["sealed_instance"] or {},
        "target_raid_config": row["target_raid_config"],
    }


def interfaces(row: RowMapping) -> dict[str, str]:
    """Interface type → the node's implementation."""
    return {name: row[f"{name}_interface"] for name in INTERFACES if row[f"{name}_interface"]}


def node_view(row: RowMapping, lock: Lock | None = None) -> NodeView:
    """What the rules look at, from a row that has COLUMNS."""
    target = row["target_provision_state"]
    return NodeView(
        uuid=row["uuid"],
        provision_state=State(row["provision_state"]),
        target_provision_state=State(target) if target else None,
        automatic_lessee=bool(row["automatic_lessee"]),
        has_agent=row["has_agent"],
        network_interface=row["network_interface"],
        lock=lock,
        **{name: row[name] for name in _VIEWED},
    )


def node_facts(row: RowMapping) -> NodeFacts:
    """What the planner looks at, from a row that has COLUMNS; children are asked for apart."""
    return NodeFacts(
        uuid=row["uuid"],
        interfaces=interfaces(row),
        provision_state=State(row["provision_state"]),
        driver=row["driver"],
        power_state=row["power_state"],
        boot_mode=row["boot_mode"],
        disable_power_off=row["disable_power_off"],
        console_enabled=row["console_enabled"],
        traits=frozenset(row["traits"]),
        instance_info=row["instance_info"],
        driver_info=row["driver_info"],
        properties=row["properties"],
    )


def node_row(row: RowMapping, lock: Lock | None = None) -> NodeRow:
    return NodeRow(
        view=node_view(row, lock), facts=node_facts(row), provider=provider_view(row), group=row["conductor_group"]
    )


def after(node: NodeRow, patch: dict[str, Any], lock: Lock | None = None) -> NodeRow:
    """The node as it is once ``patch`` is written, for what comes next in the same transaction."""
    viewed = {name: value for name, value in patch.items() if name in NodeView.__dataclass_fields__}
    seen = {name: value for name, value in patch.items() if name in node.provider}
    instance = {} if patch.get("instance_clear") else dict(node.facts.instance_info)
    instance |= patch.get("instance", {})
    instance = {name: value for name, value in instance.items() if value is not None}
    sealed = {} if patch.get("instance_clear") else dict(node.provider["sealed_instance"])
    sealed |= {name: token for name, token in patch.get("instance_sealed", {}).items() if name != "/configdrive"}
    if "properties" in patch:
        seen["properties"] = node.provider["properties"] | patch["properties"]
    facts = {name: viewed[name] for name in _PLANNED if name in viewed}
    if "properties" in seen:
        facts["properties"] = seen["properties"]
    return replace(
        node,
        view=replace(node.view, lock=lock, **viewed),
        facts=replace(node.facts, instance_info=instance, **facts),
        provider=node.provider | seen | {"instance_info": instance, "sealed_instance": sealed},
    )
