"""A node as the agent is told of it: Ironic's fields, no secret, and what operators set for erasing (facts §12).

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.secrets import MASK, SECRET_NAME

# What the generic hardware manager reads of driver_internal_info before it erases.
ERASING: dict[str, Any] = {
    "agent_erase_devices_iterations": 1, "agent_erase_devices_zeroize": True,
    "agent_continue_if_secure_erase_failed": False, "agent_continue_if_ata_erase_failed": False,
    "agent_enable_nvme_secure_erase": True, "agent_enable_ata_secure_erase": True,
    "disk_erasure_concurrency": 4, "agent_erase_skip_read_only": False,
}  # fmt: skip
_COPIED = (
    "uuid", "name", "driver", "properties", "extra", "instance_uuid", "instance_name", "provision_state", "power_state",
    "network_data", "target_raid_config", "disable_power_off",
)  # fmt: skip
_SEALED = "sealed:"


def node_for_agent(node: Mapping[str, Any], erasing: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """``node``: NodeForProvider. ``erasing``: of ERASING, what is otherwise."""
    told = {name: node.get(name) for name in _COPIED}
    told["driver_info"] = without_secrets(node.get("driver_info") or {})
    told["instance_info"] = without_secrets(node.get("instance_info") or {})
    told["driver_internal_info"] = {**ERASING, **(erasing or {})}
    told |= {f"{name}_interface": each for name, each in (node.get("interfaces") or {}).items()}
    return told


def ports_for_agent(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [dict(port) for port in node.get("ports") or ()]


def without_secrets(value: Any) -> Any:
    """``value`` with ****** for what is sealed and for what is named like a secret."""
    if isinstance(value, Mapping):
        return {
            key: MASK if isinstance(item, str) and item and SECRET_NAME.search(str(key)) else without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return MASK if isinstance(value, str) and value.startswith(_SEALED) else value
