"""What may be wrong with settings though each can be read: told at the start, because it shows much later otherwise."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .settings import Settings


def doubts(settings: Settings) -> Iterator[str]:
    """Sentences that begin with the setting's name. Looks at folders and programs; changes nothing."""
    if settings.loaders_dir:
        yield from _unreadable("STEELYARD_LOADERS_DIR", Path(settings.loaders_dir), "its boot loaders are not found")
    for folder in settings.artifacts_files:
        yield from _unreadable("STEELYARD_ARTIFACTS_FILES", folder, "file:// URLs below it lead nowhere")
    if settings.agent_logs_dir and not _can_be_written(Path(settings.agent_logs_dir)):
        yield f"STEELYARD_AGENT_LOGS_DIR: {settings.agent_logs_dir} cannot be written: no logs of agents are kept"
    if settings.force_raw_images and shutil.which(settings.qemu_img) is None:
        yield (
            f"STEELYARD_QEMU_IMG: there is no program {settings.qemu_img}: qcow2 images that boot fetches cannot be "
            "converted; install it (package qemu-utils), or set STEELYARD_FORCE_RAW_IMAGES to false"
        )
    for what in ("deploy", "rescue"):
        kernel, ramdisk = (getattr(settings, f"{what}_{part}") for part in ("kernel", "ramdisk"))
        if bool(kernel) != bool(ramdisk):
            yield f"STEELYARD_{what.upper()}_KERNEL and STEELYARD_{what.upper()}_RAMDISK: one is set without the other"


def _unreadable(name: str, folder: Path, then: str) -> Iterator[str]:
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        yield f"{name}: {folder} is no folder that can be read: {then}"


def _can_be_written(folder: Path) -> bool:
    """It, or the first folder above it that is there, in which it will be made."""
    there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
