"""Hardware types and the interfaces they may use, by Ironic's names, best default first (lifecycle facts §8)."""

from __future__ import annotations

_NETWORK = ("noop", "flat")
_STORAGE = ("noop", "external")
_DEPLOY = ("direct", "ramdisk", "custom-agent", "anaconda")
_PXE = ("ipxe", "pxe", "http-ipxe", "http")

NETWORK_BOOTS = frozenset(_PXE)
RAMDISK_BOOTS = NETWORK_BOOTS | {"redfish-virtual-media", "redfish-https"}
# Interface → those of its implementations whose work an agent does on the node itself.
AGENT_INTERFACES: dict[str, frozenset[str]] = {
    "deploy": frozenset({"direct", "custom-agent", "anaconda"}),
    "inspect": frozenset({"agent"}),
    "raid": frozenset({"agent"}),
    "rescue": frozenset({"agent"}),
}

HARDWARE_TYPES: dict[str, dict[str, tuple[str, ...]]] = {
    "redfish": {
        "bios": ("redfish", "no-bios"),
        "boot": (*_PXE, "redfish-virtual-media", "redfish-https"),
        "console": ("no-console",),
        "deploy": _DEPLOY,
        "firmware": ("redfish", "no-firmware"),
        "inspect": ("redfish", "agent", "no-inspect"),
        "management": ("redfish", "noop"),
        "network": _NETWORK,
        "power": ("redfish",),
        "raid": ("redfish", "no-raid", "agent"),
        "rescue": ("no-rescue", "agent"),
        "storage": _STORAGE,
        "vendor": ("redfish", "no-vendor"),
    },
    "ipmi": {
        "bios": ("no-bios",),
        "boot": _PXE,
        "console": ("no-console", "ipmitool-socat"),
        "deploy": _DEPLOY,
        "firmware": ("no-firmware",),
        "inspect": ("agent", "no-inspect"),
        "management": ("ipmitool", "noop"),
        "network": _NETWORK,
        "power": ("ipmitool",),
        "raid": ("no-raid", "agent"),
        "rescue": ("no-rescue", "agent"),
        "storage": _STORAGE,
        "vendor": ("ipmitool", "no-vendor"),
    },
    "fake-hardware": {
        "bios": ("fake", "no-bios"),
        "boot": ("fake", *_PXE),
        "console": ("fake", "no-console"),
        "deploy": ("fake", *_DEPLOY, "noop"),
        "firmware": ("fake", "no-firmware"),
        "inspect": ("fake", "agent", "no-inspect"),
        "management": ("fake", "noop"),
        "network": _NETWORK,
        "power": ("fake",),
        "raid": ("fake", "agent", "no-raid"),
        "rescue": ("fake", "agent", "no-rescue"),
        "storage": (*_STORAGE, "fake"),
        "vendor": ("fake", "no-vendor"),
    },
}
