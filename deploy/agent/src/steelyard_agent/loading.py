"""Loads what the instance's disk would start into this kernel, ready for ``kexec -e``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from steelyard_agent.entry import CannotStart, Entry, File
from steelyard_agent.finding import default_entry
from steelyard_agent.mounting import mounted, run

LOAD_S = 60.0
FIRMWARE_EFI, LOCKDOWN = Path("/sys/firmware/efi"), Path("/sys/kernel/security/lockdown")
LOADED, LOADING_DISABLED = Path("/sys/kernel/kexec_loaded"), Path("/proc/sys/kernel/kexec_load_disabled")


def can_kexec() -> bool:
    """Whether this ramdisk has what is needed: the program, and a kernel that allows it."""
    return shutil.which("kexec") is not None and LOADED.exists() and not _says(LOADING_DISABLED, "1")


def is_loaded() -> bool:
    return _says(LOADED, "1")


def load(device: str) -> dict[str, str]:
    """→ what was loaded: loader, kernel, initrd, arguments. Nothing stays mounted. Errors: CannotStart."""
    with tempfile.TemporaryDirectory(prefix="steelyard-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        with mounted(device, scratch / "volumes") as seen:
            try:
                entry = default_entry(seen.volumes, scratch, is_efi=FIRMWARE_EFI.exists())
            except CannotStart as error:
                raise CannotStart("; ".join([f"{device}: {error}", *seen.unread])) from error
            _load(entry, scratch)
    return {
        "loader": entry.loader,
        "kernel": entry.kernel.name,
        "initrd": ", ".join(each.name for each in entry.initrds),
        "arguments": entry.arguments,
    }


def _load(entry: Entry, scratch: Path) -> None:
    """By the call that checks signatures; where the kernel lacks it or does not know the format, by the older one."""
    words: list[str | Path] = ["kexec", "--load", "--kexec-syscall-auto", f"--command-line={entry.arguments}"]
    if entry.initrds:
        words.append(f"--initrd={_joined(entry.initrds, scratch)}")
    try:
        run(*words, entry.kernel.path, timeout_s=LOAD_S)
    except CannotStart as error:
        is_locked = LOCKDOWN.exists() and not _says(LOCKDOWN, "[none]")
        why = "; this ramdisk's kernel is locked down (secure boot): it loads signed kernels only" if is_locked else ""
        raise CannotStart(f"{entry.kernel.name} cannot be loaded: {error}{why}") from error


def _joined(initrds: Sequence[File], scratch: Path) -> Path:
    """As boot loaders do: one after the other, each from a multiple of four bytes on."""
    if len(initrds) == 1:
        return initrds[0].path
    joined = scratch / "initrds"
    with joined.open("wb") as target:
        for each in initrds:
            with each.path.open("rb") as source:
                shutil.copyfileobj(source, target)
            target.write(bytes(-target.tell() % 4))
    return joined


def _says(file: Path, words: str) -> bool:
    try:
        return words in file.read_text()
    except OSError:
        return False
