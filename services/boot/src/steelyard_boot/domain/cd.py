"""What stands on a CD that boots a kernel: GRUB's configuration for UEFI, ISOLINUX's for BIOS. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from .grub import quoted
from .kernel_arguments import check_arguments, command_line

KERNEL, RAMDISK = "boot/kernel", "boot/ramdisk"
# GRUB as it stands on Debian's CDs finds its own by this file (grub's debian/build-efi-images).
MARK = ".disk/info"


def files(digest: str, purpose: str, arguments: Sequence[str]) -> dict[str, bytes]:
    """Path → content. ``digest`` tells this CD from others in the same machine. Errors: InvalidRequest."""
    check_arguments(arguments)
    grub = _grub(digest, purpose, arguments).encode()
    return {
        MARK: b"Steelyard\n",
        f"steelyard/{digest}": b"\n",
        "boot/grub/grub.cfg": grub,
        "EFI/BOOT/grub.cfg": grub,
        "isolinux/isolinux.cfg": _isolinux(purpose, arguments).encode(),
    }


def _grub(digest: str, purpose: str, arguments: Sequence[str]) -> str:
    words = " ".join(map(quoted, arguments))
    return "\n".join([
        "set default=0",
        "set timeout=1",
        f"search --no-floppy --set=root --file /steelyard/{digest}",
        f"menuentry {quoted(purpose)} {{",
        f"  linux /{KERNEL} {words}".rstrip(),
        f"  initrd /{RAMDISK}",
        "}",
    ]) + "\n"  # fmt: skip


def _isolinux(purpose: str, arguments: Sequence[str]) -> str:
    append = [f"  APPEND {command_line(arguments)}"] if arguments else []
    return "\n".join([
        "PROMPT 0",
        "TIMEOUT 10",
        f"DEFAULT {purpose}",
        f"LABEL {purpose}",
        f"  KERNEL /{KERNEL}",
        f"  INITRD /{RAMDISK}",
        *append,
    ]) + "\n"  # fmt: skip


def digest(*parts: str) -> str:
    """Of all that a CD is made of."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
