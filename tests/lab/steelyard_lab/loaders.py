"""A GRUB that speaks HTTP: Debian's own, which is signed, has no module for it."""

from __future__ import annotations

from pathlib import Path

from steelyard_lab.processes import run

HTTP_GRUB = "grub-http.efi"
MODULES = ("efinet", "http", "tftp", "normal", "linux", "echo", "sleep", "reboot", "test", "configfile", "serial")


def settings(folder: Path) -> dict[str, str]:
    """For Steelyard's boot service. ``folder``: a new one, for loaders that are made here."""
    words: list[str | Path] = ["grub-mkimage", "-O", "x86_64-efi", "-p", "/grub", "-o", folder / HTTP_GRUB]
    run([*words, *MODULES])
    return {"STEELYARD_LOADERS_DIR": str(folder)}
