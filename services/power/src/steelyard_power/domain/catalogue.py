"""The steps that power provides, as announced to inventory: data (contracts.catalogue says what a row means)."""

from __future__ import annotations

from steelyard_common.contracts.catalogue import Offer, StepSpec, args_schema

from .power_plans import PLANS

_SECONDS = {"type": ["number", "null"], "exclusiveMinimum": 0}

STEPS: tuple[StepSpec, ...] = (
    StepSpec(
        interface="power",
        name="set_power",
        description="Bring the node into a power state, or reboot it, and see that it got there.",
        args=args_schema({"target": {"enum": list(PLANS)}, "timeout_s": _SECONDS}, "target"),
        kinds={"power": 0},
        abortable=False,
        core=True,
        alone=True,
        retries=1,
        effects=("changes the power state of the node",),
    ),
    StepSpec(
        interface="power",
        name="verify",
        description="See that driver_info is complete, the BMC answers and its power state can be read.",
        kinds={"verify": 0},
        core=True,
    ),
    StepSpec(
        interface="management",
        name="observe",
        description="Read vendor, boot mode, secure boot and health; what the BMC cannot tell is left out.",
        kinds={"verify": 0},
        core=True,
    ),
    StepSpec(
        interface="management",
        name="set_boot_device",
        description="Set what the node boots from, once or from now on.",
        args=args_schema({"device": {"type": "string"}, "persistent": {"type": "boolean"}}, "device"),
        kinds={"boot-device": 0},
        core=True,
        retries=1,
    ),
    StepSpec(
        interface="management",
        name="set_boot_mode",
        description="Set the firmware's boot mode; it takes effect at the next start of the node.",
        args=args_schema({"target": {"enum": ["bios", "uefi"]}}, "target"),
        kinds={"boot-mode": 0},
        core=True,
        retries=1,
    ),
    StepSpec(
        interface="management",
        name="set_secure_boot",
        description="Switch UEFI secure boot on or off; it takes effect at the next start of the node.",
        args=args_schema({"target": {"type": "boolean"}}, "target"),
        kinds={"secure-boot": 0},
        core=True,
        retries=1,
    ),
    StepSpec(
        interface="vendor",
        name="log_passthrough",
        description="Write a line to the log.",
        implementations=("fake",),
        kinds={"clean": 1, "service": 0},
    ),
)

OFFER = Offer(
    service="power",
    provides={
        "power": ("redfish", "ipmitool", "fake"),
        "management": ("redfish", "ipmitool", "fake", "noop"),
        "vendor": ("fake", "redfish", "ipmitool", "no-vendor"),
    },
    steps=STEPS,
    hardware_types=("redfish", "ipmi", "fake-hardware"),
)
