"""Whether an image is too large for the disk it will be written to, as far as that is certain beforehand. Pure.

Rule 1  The agent chooses the disk: of those that ``root_device`` fits, without a hint the smallest of 4 GiB or more
        (ironic-python-agent 13, hardware.get_os_install_device and utils.guess_root_disk).
Rule 2  A hint with an operator is not judged here: what it may fit stays in. Then the largest counts.
Rule 3  What is not known is no reason: no disks, no size, no disk that fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steelyard_common.errors import InvalidRequest

from .images import Image, partition_sizes

GIB = 1 << 30
LEAST = 4 * GIB
Disk = Mapping[str, Any]
# Hints whose plain value stands in an inspection's inventory under the same name.
_PLAIN = ("name", "wwn", "serial", "model", "vendor", "hctl", "by_path")


def check(node: Mapping[str, Any], made: Image, virtual_size: int, disks: Sequence[Disk]) -> None:
    """``virtual_size``: bytes of the disk (or partition) that the image makes; ``disks``: as the node's inspection by
    an agent found them, empty if nobody knows. Errors: InvalidRequest."""
    needs, what = virtual_size, "The image makes a disk"
    if made.is_partition:
        root, rest = partition_sizes(node)
        if virtual_size > root:
            raise InvalidRequest(
                f"The image makes a partition of {_size(virtual_size)}, and root_gb allows {_size(root)}: "
                "set instance_info root_gb to at least that, and deploy again"
            )
        needs, what = root + rest, "The partitions that instance_info asks for (root_gb, swap_mb, ephemeral_gb) need"
    chosen = _chosen(node, disks)
    if chosen is not None and needs > _bytes(chosen):
        raise InvalidRequest(
            f"{what} {'' if made.is_partition else 'of '}{_size(needs)}, and {_which(node, chosen)} has "
            f"{_size(_bytes(chosen))}, as its last inspection found: name a larger disk by properties.root_device, "
            "take a smaller image, or inspect the node again if its disks were changed"
        )


def _chosen(node: Mapping[str, Any], disks: Sequence[Disk]) -> Disk | None:
    """The disk that will be written to; of several that may be, the largest."""
    known = [disk for disk in disks if _bytes(disk) > 0]
    if len(known) != len(disks):
        return None
    hints = _hints(node)
    if not hints:
        return min((disk for disk in known if _bytes(disk) >= LEAST), key=_bytes, default=None)
    return max((disk for disk in known if _may_fit(disk, hints)), key=_bytes, default=None)


def _hints(node: Mapping[str, Any]) -> Mapping[str, Any]:
    for place in ("instance_info", "properties"):
        found = (node.get(place) or {}).get("root_device")
        if found:
            return found if isinstance(found, Mapping) else {"": found}
    return {}


def _may_fit(disk: Disk, hints: Mapping[str, Any]) -> bool:
    return all(_matches(disk, name, wanted) for name, wanted in hints.items())


def _matches(disk: Disk, name: str, wanted: Any) -> bool:
    if name == "size" and str(wanted).isdecimal():
        return _bytes(disk) // GIB == int(wanted)
    if name == "rotational" and isinstance(wanted, bool):
        return disk.get("rotational") is wanted
    if name in _PLAIN and isinstance(wanted, str) and " " not in wanted.strip():
        return str(disk.get(name) or "").strip().lower() == wanted.strip().lower()
    return True


def _bytes(disk: Disk) -> int:
    size = disk.get("size")
    return size if isinstance(size, int) and not isinstance(size, bool) else 0


def _which(node: Mapping[str, Any], disk: Disk) -> str:
    name = str(disk.get("name") or "the disk")
    return f"{name}, the largest disk that root_device may mean," if _hints(node) else f"{name}, its smallest disk,"


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB ({count} bytes)"
