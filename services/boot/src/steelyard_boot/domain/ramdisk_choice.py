"""Which ramdisk a node boots for a work: its own, else that of its architecture, else everybody's (facts §9). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from steelyard_common.errors import InvalidRequest

from .boot_model import Purpose

# Where a ramdisk can come on a CD, an ISO goes before a kernel.
BY_MEDIA = frozenset({"redfish-virtual-media", "redfish-https"})
PARTS = ("kernel", "ramdisk", "iso")


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """``<deploy|rescue>_<kernel|ramdisk|iso>[_<architecture>]`` → URL."""

    urls: Mapping[str, str] = field(default_factory=dict)

    def of(self, word: str, part: str, arch: str) -> str | None:
        return self.urls.get(f"{word}_{part}_{arch}") or self.urls.get(f"{word}_{part}")


@dataclass(frozen=True, kw_only=True)
class Ramdisk:
    """URLs: a kernel with its ramdisk, or an ISO. ``names``: part → what it is called where it was told; ``is_own``:
    that was the node, not the service's settings."""

    kernel: str | None = None
    ramdisk: str | None = None
    iso: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    is_own: bool = False


def choose(purpose: Purpose, node: Mapping[str, Any], arch: str, defaults: Defaults) -> Ramdisk:
    """Errors: InvalidRequest when nobody said which one, or only half of it."""
    word = "rescue" if purpose is Purpose.RESCUE else "deploy"
    info = node.get("driver_info") or {}
    own = {part: _text(info.get(f"{word}_{part}")) for part in PARTS}
    of_all = {part: defaults.of(word, part, arch) for part in PARTS}
    prefers_iso = node["interfaces"].get("boot") in BY_MEDIA
    in_node = {part: f"driver_info {word}_{part}" for part in PARTS}
    in_settings = {part: f"STEELYARD_{word.upper()}_{part.upper()}" for part in PARTS}
    for told, names in ((own, in_node), (of_all, in_settings)):
        has_kernel = bool(told["kernel"] and told["ramdisk"])
        if told["iso"] and (prefers_iso or not has_kernel):
            return Ramdisk(iso=told["iso"], names=names, is_own=told is own)
        if has_kernel:
            return Ramdisk(kernel=told["kernel"], ramdisk=told["ramdisk"], names=names, is_own=told is own)
        if told["kernel"] or told["ramdisk"]:
            break
    setting = f"STEELYARD_{word.upper()}"
    raise InvalidRequest(
        f"no ramdisk is named for this work: set driver_info {word}_kernel and {word}_ramdisk (or {word}_iso) of the "
        f"node, or {setting}_KERNEL and {setting}_RAMDISK of the boot service"
    )


def _text(value: Any) -> str | None:
    return str(value) if value else None
