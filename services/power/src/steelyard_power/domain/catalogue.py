"""The steps that power provides, as announced to inventory: data.

``args`` is a JSON schema; ``kinds`` maps a kind of workflow to the step's default priority there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .power_change import PLANS


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """One row of the catalogue."""

    interface: str
    name: str
    description: str
    args: dict[str, Any] = field(default_factory=lambda: _args({}))
    kinds: dict[str, int] = field(default_factory=dict)
    requires_ramdisk: bool = False
    abortable: bool = True

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _args(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_SECONDS = {"type": ["number", "null"], "exclusiveMinimum": 0}

STEPS: tuple[StepSpec, ...] = (
    StepSpec(
        interface="power",
        name="set_power",
        description="Bring the node into a power state, or reboot it, and see that it got there.",
        args=_args({"target": {"enum": list(PLANS)}, "timeout_s": _SECONDS}, "target"),
        kinds={"power": 0},
        abortable=False,
    ),
    StepSpec(
        interface="power",
        name="verify",
        description="See that driver_info is complete, the BMC answers and its power state can be read.",
        kinds={"verify": 0},
    ),
    StepSpec(
        interface="management",
        name="observe",
        description="Read vendor, boot mode, secure boot and health; what the BMC cannot tell is left out.",
        kinds={"verify": 0},
    ),
    StepSpec(
        interface="management",
        name="set_boot_device",
        description="Set what the node boots from, once or from now on.",
        args=_args({"device": {"type": "string"}, "persistent": {"type": "boolean"}}, "device"),
        kinds={"boot-device": 0},
    ),
    StepSpec(
        interface="management",
        name="set_boot_mode",
        description="Set the firmware's boot mode; it takes effect at the next start of the node.",
        args=_args({"target": {"enum": ["bios", "uefi"]}}, "target"),
        kinds={"boot-mode": 0},
    ),
    StepSpec(
        interface="management",
        name="set_secure_boot",
        description="Switch UEFI secure boot on or off; it takes effect at the next start of the node.",
        args=_args({"target": {"type": "boolean"}}, "target"),
        kinds={"secure-boot": 0},
    ),
)

# What this service implements, by interface, and the hardware types that use it.
PROVIDES: dict[str, list[str]] = {
    "power": ["redfish", "ipmitool", "fake"],
    "management": ["redfish", "ipmitool", "fake", "noop"],
}
HARDWARE_TYPES: tuple[str, ...] = ("redfish", "ipmi", "fake-hardware")
