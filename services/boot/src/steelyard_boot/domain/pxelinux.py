"""PXELINUX configurations. Pure.

A value goes to the end of its line and is taken as it is: a model has no line ends. ``initrd=`` is given by INITRD.
"""

from __future__ import annotations

from collections.abc import Callable

from steelyard_common.errors import Unsupported

from .boot_model import BootModel, File, Kind
from .kernel_arguments import command_line
from .naming import as_mac

Place = Callable[[File], str]
CANNOT = (
    "{what} cannot be booted by PXELINUX: set the node's boot interface to 'ipxe'"
    " (or, for an ISO, to 'redfish-virtual-media')"
)


def config(model: BootModel, place: Place) -> str:
    """For one node. Errors: Unsupported for an ISO or a volume."""
    if model.kind is Kind.DISK:
        return LOCAL
    if model.kernel is None:
        raise Unsupported(CANNOT.format(what="an ISO" if model.kind is Kind.ISO else "a volume"))
    label = model.purpose.value
    lines = [
        f"# {label}, boot {model.boot_id}",
        "PROMPT 0",
        "TIMEOUT 10",
        f"DEFAULT {label}",
        f"LABEL {label}",
        f"  KERNEL {place(model.kernel)}",
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
