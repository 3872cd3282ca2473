"""Which boot loader's default entry the instance's disk starts with."""

from __future__ import annotations

from pathlib import Path

from steelyard_agent import grub, syslinux, systemd_boot, unified
from steelyard_agent.entry import CannotStart, Entry
from steelyard_agent.volumes import Volumes


def default_entry(volumes: Volumes, scratch: Path, *, is_efi: bool) -> Entry:
    """In the firmware's order, as far as a disk shows it. Errors: CannotStart, with the reason of the loader it has."""
    entry = unified.default_entry(volumes, scratch) if is_efi else None
    if entry is None and systemd_boot.is_installed(volumes) and is_efi:
        entry = systemd_boot.default_entry(volumes, scratch)
    entry = entry or grub.default_entry(volumes, is_efi=is_efi) or syslinux.default_entry(volumes)
    entry = entry or systemd_boot.default_entry(volumes, scratch)
    if entry is None:
        raise CannotStart("no configuration of GRUB, systemd-boot or SYSLINUX, and no unified kernel image")
    return entry
