"""What a node is to boot from, and in which mode (lifecycle facts §9). Pure.

instance_info wins over properties. Nobody asked for a mode: the one that the firmware has stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from .plans import NodeFacts
from .workflows import BOOT_MODES

# boot interface → how a ramdisk is booted by it, in the words of boot devices (url: as uefihttp, from the URL that the
# BMC was told). Others boot nothing.
DEVICES = {
    "pxe": "pxe", "ipxe": "pxe", "http": "uefihttp", "http-ipxe": "uefihttp", "redfish-https": "url",
    "redfish-virtual-media": "cdrom",
}  # fmt: skip
IMAGE_KEYS = ("image_source", "boot_iso", "kernel", "image_ref")
VOLUMES = frozenset({"external", "cinder"})  # storage interfaces whose nodes may boot from a volume
VIRTUAL_MEDIA = "redfish-virtual-media"
DISK = "disk"
_YES, _NO = ("always", "true"), ("never",)


class Asking(Protocol):
    """A node with what is asked of its boot."""

    @property
    def interfaces(self) -> Mapping[str, str | None]: ...
    @property
    def instance_info(self) -> Mapping[str, Any]: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...


def capabilities(value: Any) -> dict[str, str]:
    """Of an object, or of ``k:v,k:v``; anything else has none."""
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    pairs = (part.partition(":") for part in value.split(",")) if isinstance(value, str) else ()
    return {key.strip(): item.strip() for key, colon, item in pairs if colon and key.strip()}


def wanted_boot_mode(node: NodeFacts) -> str | None:
    """``bios``, ``uefi``, or None when nobody asked. Secure boot asks for UEFI."""
    for source in (node.instance_info, node.properties):
        asked = capabilities(source.get("capabilities"))
        if asked.get("boot_mode", "").lower() in BOOT_MODES:
            return asked["boot_mode"].lower()
        if asked.get("secure_boot", "").lower() == "true":
            return "uefi"
    return None


def asked(node: Asking, name: str) -> str:
    """A capability, in small letters: the instance's over the node's; empty when neither has it."""
    found = [capabilities(source.get("capabilities")) for source in (node.instance_info, node.properties)]
    return next((each[name] for each in found if name in each), "").strip().lower()


def wants_secure_boot(node: Asking) -> bool:
    """Whether the instance is to boot with secure boot on."""
    return asked(node, "secure_boot") == "true"


def boots_from_volume(node: Asking) -> bool:
    """Its storage brings volumes, and nobody named an image to write."""
    return node.interfaces.get("storage") in VOLUMES and not has_image(node)


def has_image(node: Asking) -> bool:
    return any(node.instance_info.get(key) for key in IMAGE_KEYS)


def ramdisk_device(node: NodeFacts) -> str | None:
    """What a ramdisk comes from; None when the boot interface leaves that to others."""
    return DEVICES.get(node.interfaces.get("boot", ""))


def ramdisk_persists(node: NodeFacts) -> bool:
    """Usually a ramdisk is booted once."""
    return _forced(node) in _YES


def instance_persists(node: NodeFacts) -> bool:
    """Usually an instance is booted from now on."""
    return _forced(node) not in _NO


def _forced(node: NodeFacts) -> str:
    """Always, Default or Never; older records say true and false."""
    return str(node.driver_info.get("force_persistent_boot_device") or "default").lower()
