"""What guards a route: the object in its path, and who may see it; rules of the fields that a patch names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from steelyard_common.contracts.api import INTERFACES

SEE_NODE = "baremetal:node:get"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What stands in a path, as ``part``. ``name``: for ``qry.access``; ``word``: in errors; ``sees``: who may know."""

    name: str
    word: str
    sees: str = SEE_NODE
    has_names: bool = True
    part: str = "ident"


NODE = Kind(name="node", word="Node")
RUNBOOK = Kind(name="runbook", word="Runbook", sees="baremetal:runbook:get")
_KINDS = {
    "/nodes/<ident>/allocation": Kind(name="node-allocation", word="Node"),
    "/nodes/<ident>": NODE,
    "/ports/<ident>": Kind(name="port", word="Port"),
    "/portgroups/<ident>": Kind(name="portgroup", word="Portgroup"),
    "/volume/connectors/<ident>": Kind(name="volume-connector", word="Volume connector", has_names=False),
    "/volume/targets/<ident>": Kind(name="volume-target", word="Volume target", has_names=False),
    "/allocations/<ident>": Kind(name="allocation", word="Allocation", sees="baremetal:allocation:get"),
    "/runbooks/<ident>": RUNBOOK,
    "/workflows/<uuid>": Kind(name="workflow", word="Workflow", has_names=False, part="uuid"),
    "/operations/<uuid>": Kind(
        name="operation", word="Operation", sees="baremetal:operation:get", has_names=False, part="uuid"
    ),
    "/webhooks/<uuid>": Kind(
        name="webhook", word="Webhook", sees="baremetal:webhook:get", has_names=False, part="uuid"
    ),
}
# A rule that is not met → the rule that will do for one's own.
OR_OWN = {
    "baremetal:node:create": "baremetal:node:create:self_owned_node",
    "baremetal:node:delete": "baremetal:node:delete:self_owned_node",
}
# The node that these are about stands in the body or the query: whoever reads that asks for the rule.
ABOUT_NAMED_NODE = frozenset({
    "baremetal:port:create", "baremetal:portgroup:create", "baremetal:volume:create", "baremetal:node:validate",
})  # fmt: skip
# Which rules a patch of these needs depends on the fields that it names: whoever reads it asks for them.
BY_FIELD = frozenset({"baremetal:node:update", "baremetal:runbook:update"})
# Shown only to whom the rule allows it.
REDACTED = {
    name: f"baremetal:node:get:{name}" for name in ("last_error", "reservation", "driver_internal_info", "driver_info")
}
SEES_EVERY_FIELD = "baremetal:node:get:filter_threshold"
SEES_TARGET_PROPERTIES = "baremetal:volume:view_target_properties"
_FIELD_RULES = {
    "instance_info": "baremetal:node:update_instance_info",
    "instance_name": "baremetal:node:update_instance_info",
    "extra": "baremetal:node:update_extra",
    "driver": "baremetal:node:update:driver_interfaces",
    "retired_reason": "baremetal:node:update:retired",
    "maintenance": "baremetal:node:set_maintenance",
    **{f"{interface}_interface": "baremetal:node:update:driver_interfaces" for interface in INTERFACES},
    **{
        name: f"baremetal:node:update:{name}"
        for name in (
            "driver_info", "properties", "chassis_uuid", "instance_uuid", "lessee", "owner", "network_data",
            "conductor_group", "name", "retired", "shard", "parent_node", "disable_power_off",
        )
    },
}  # fmt: skip
_RUNBOOK_RULES = {name: f"baremetal:runbook:update:{name}" for name in ("owner", "public")}


def kind_of(path: str) -> Kind | None:
    """What the path names first. None: nothing that belongs to a project."""
    return next((kind for start, kind in _KINDS.items() if path == start or path.startswith(f"{start}/")), None)


def node_rules(operations: Iterable[tuple[str, Any]]) -> list[str]:
    """The rules of a patch of a node, of (field, value) each; an empty one is an update, too."""
    rules = {_node_rule(field, value): None for field, value in operations}
    return list(rules) or ["baremetal:node:update"]


def runbook_rules(fields: Iterable[str]) -> list[str]:
    """The rules of a patch of a runbook."""
    return list({_RUNBOOK_RULES.get(field, "baremetal:runbook:update"): None for field in fields}) or [
        "baremetal:runbook:update"
    ]


def _node_rule(field: str, value: Any) -> str:
    if field == "automated_clean" and value is False:
        return "baremetal:node:disable_cleaning"
    return _FIELD_RULES.get(field, "baremetal:node:update")


def shown_to(owner: bool, lessee: bool) -> list[str]:
    """Whom a field is shown to, as inventory takes it."""
    relations: Mapping[str, bool] = {"owner": owner, "lessee": lessee}
    return [name for name, is_shown in relations.items() if is_shown]
