"""The steps that inspector provides, as announced to inventory, and what a fake machine is made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.contracts.catalogue import Offer, StepSpec

STEPS: tuple[StepSpec, ...] = (
    StepSpec(
        interface="inspect",
        name="inspect_hardware",
        description="Learn what hardware the node has: processors, memory, disks, network interfaces.",
        implementations=("fake", "agent"),
        kinds={"inspect": 0},
        core=True,
        timeout_s=300,
        effects=("writes the node's properties",),
    ),
    StepSpec(
        interface="inspect",
        name="abort",
        description="End an inspection that waits for the node.",
        implementations=("fake", "agent"),
        kinds={"tidy": 0},
        core=True,
    ),
)

OFFER = Offer(service="inspector", provides={"inspect": ("fake", "agent", "no-inspect")}, steps=STEPS)

# What a fake machine has where its record says nothing.
FAKE_MACHINE = {"cpu_arch": "x86_64", "cpus": 4, "memory_mb": 8192, "local_gb": 100}
GIB = 1024**3


def fake_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The node's properties; those that every inspection finds are there."""
    return FAKE_MACHINE | dict(properties)


def fake_inventory(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A machine as an inventory tells it (lifecycle facts §13), of the size that the properties say."""
    cpus, memory_mb, local_gb = (_whole(properties, name) for name in ("cpus", "memory_mb", "local_gb"))
    return {
        "cpu": {"count": cpus, "architecture": str(properties.get("cpu_arch")), "model_name": "fake", "flags": []},
        "memory": {"physical_mb": memory_mb, "total": memory_mb * 1024 * 1024},
        "disks": [{"name": "/dev/fake", "model": "fake", "size": local_gb * GIB, "rotational": False}],
        "interfaces": [],
        "system_vendor": {"manufacturer": "fake", "product_name": "fake-hardware", "serial_number": None},
        "boot": {"current_boot_mode": "uefi", "pxe_interface": None},
    }


def _whole(properties: Mapping[str, Any], name: str) -> int:
    """Properties are anybody's words: a number may be its digits, or no number at all."""
    try:
        return max(0, int(properties[name]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return int(str(FAKE_MACHINE[name]))
