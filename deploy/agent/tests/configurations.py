"""Boot loader configurations in the shape in which distributions write them (``loaders/``)."""

from __future__ import annotations

from pathlib import Path

from deploy.agent.tests.disks import BOOT, ROOT

LOADERS = Path(__file__).with_name("loaders")


def written(name: str, **more: str) -> str:
    """With the volumes that the tests make, and what else is to be filled in."""
    text = (LOADERS / name).read_text()
    for word, value in {"ROOT": ROOT, "BOOT": BOOT, **more}.items():
        text = text.replace(f"@{word}@", value)
    return text


def grubenv(**variables: str) -> str:
    """1024 bytes, the end of them #."""
    text = "# GRUB Environment Block\n" + "".join(f"{name}={value}\n" for name, value in variables.items())
    return text.ljust(1024, "#")


def bls_entry(version: str) -> str:
    """As kernel-install writes it on RHEL: with variables of GRUB's."""
    fields = {
        "title": f"Red Hat Enterprise Linux ({version})",
        "version": version,
        "linux": f"/vmlinuz-{version}",
        "initrd": f"/initramfs-{version}.img $tuned_initrd",
        "options": "$kernelopts $tuned_params",
        "grub_users": "$grub_users",
    }
    return "".join(f"{name} {value}\n" for name, value in fields.items())
