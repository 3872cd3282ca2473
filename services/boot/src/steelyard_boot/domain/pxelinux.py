"""PXELINUX configurations. Pure.

A value goes to the end of its line and is taken as it is: a model has no line ends. ``initrd=`` is given by INITRD.
"""

from __future__ import annotations

from .boot_model import BootModel, Kind, Place, kernel_for
from .kernel_arguments import command_line
from .naming import as_mac


def config(model: BootModel, place: Place) -> str:
    """For one node. Errors: Unsupported for an ISO or a volume."""
    if model.kind is Kind.DISK:
        return LOCAL
    kernel = kernel_for(model, "PXELINUX", "'ipxe'")
    label = model.purpose.value
    lines = [
        f"# {label}, boot {model.boot_id}",
        "PROMPT 0",
        "TIMEOUT 10",
        f"DEFAULT {label}",
        f"LABEL {label}",
        f"  KERNEL {place(kernel)}",
    ]
    if model.ramdisk:
        lines.append(f"  INITRD {place(model.ramdisk)}")
    if model.arguments:
        lines.append(f"  APPEND {command_line(model.arguments)}")
    if model.names_nic:
        lines.append("  SYSAPPEND 2")  # BOOTIF=01-…
    return "\n".join(lines) + "\n"


LOCAL = """\
# nothing to do here: the node's own disk
PROMPT 0
TIMEOUT 1
DEFAULT local
LABEL local
  LOCALBOOT 0
"""
UNKNOWN = """\
SAY No boot configuration is kept for this machine: enrol it, and give it something to do.
PROMPT 0
TIMEOUT 1800
ONTIMEOUT again
DEFAULT again
LABEL again
  LOCALBOOT 0
"""


def names(macs: tuple[str, ...]) -> tuple[str, ...]:
    """Files below ``pxelinux.cfg/`` that PXELINUX looks for by itself: hardware type 1, then the MAC."""
    return tuple(f"01-{mac.replace(':', '-')}" for mac in map(as_mac, macs) if mac)
