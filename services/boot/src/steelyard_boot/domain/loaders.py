"""Boot loaders: which one a machine needs, and where a distribution puts it. Pure.

| row | names |
| --- | --- |
| ``ARCHITECTURES`` | DHCP option 93 (RFC 4578, IANA's processor architecture types) → architecture, mode, over HTTP |
| ``WANTED`` | boot interface, mode, architecture → the loader's name below ``/loaders/`` and the TFTP root |
| ``FOUND`` | loader → where Debian, Ubuntu, Fedora and their kin install it, best first |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steelyard_common.errors import InvalidRequest, Unsupported

UEFI, BIOS = "uefi", "bios"
NETWORK = ("pxe", "ipxe", "http", "http-ipxe")
MEDIA = ("redfish-virtual-media", "redfish-https")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a DHCP client says of itself."""

    arch: str
    mode: str
    http: bool = False


ARCHITECTURES: Mapping[int, Machine] = {
    0: Machine(arch="x86_64", mode=BIOS),
    6: Machine(arch="i386", mode=UEFI),
    7: Machine(arch="x86_64", mode=UEFI),
    9: Machine(arch="x86_64", mode=UEFI),
    11: Machine(arch="aarch64", mode=UEFI),
    16: Machine(arch="x86_64", mode=UEFI, http=True),
    19: Machine(arch="aarch64", mode=UEFI, http=True),
    27: Machine(arch="riscv64", mode=UEFI),
    28: Machine(arch="riscv64", mode=UEFI, http=True),
}

_IPXE = {
    (BIOS, "x86_64"): "undionly.kpxe",
    (UEFI, "x86_64"): "snponly.efi",
    (UEFI, "i386"): "snponly-i386.efi",
    (UEFI, "aarch64"): "snponly-arm64.efi",
    (UEFI, "riscv64"): "snponly-riscv64.efi",
}
_GRUB = {
    (UEFI, "x86_64"): "bootx64.efi",
    (UEFI, "i386"): "bootia32.efi",
    (UEFI, "aarch64"): "bootaa64.efi",
    (UEFI, "riscv64"): "bootriscv64.efi",
}
WANTED: Mapping[str, Mapping[tuple[str, str], str]] = {
    "ipxe": _IPXE,
    "http-ipxe": {key: name for key, name in _IPXE.items() if key[0] == UEFI},
    "pxe": _GRUB | {(BIOS, "x86_64"): "pxelinux.0"},
    "http": _GRUB,
}
_SYSLINUX = (
    "/usr/lib/syslinux/modules/bios/{}", "/usr/share/syslinux/{}", "/usr/lib/PXELINUX/{}", "/usr/lib/syslinux/bios/{}",
)  # fmt: skip
_IPXE_FOLDERS = ("/usr/lib/ipxe/{}", "/usr/share/ipxe/{}", "/boot/{}")


def _places(name: str, *folders: str) -> tuple[str, ...]:
    return tuple(folder.format(name) for folder in folders)


# ``bootx64.efi`` is shim where shim is installed: it loads ``grubx64.efi`` from where it came from, and checks it.
FOUND: Mapping[str, tuple[str, ...]] = {
    "undionly.kpxe": _places("undionly.kpxe", *_IPXE_FOLDERS),
    "ipxe.efi": (*_places("ipxe.efi", *_IPXE_FOLDERS), "/usr/share/ipxe/ipxe-x86_64.efi"),
    "snponly.efi": (*_places("snponly.efi", *_IPXE_FOLDERS), "/usr/share/ipxe/ipxe-snponly-x86_64.efi"),
    "snponly-arm64.efi": (
        "/usr/lib/ipxe/snponly-arm64.efi", "/usr/share/ipxe/arm64-efi/snponly.efi",
    ),
    "snponly-i386.efi": ("/usr/share/ipxe/ipxe-snponly-i386.efi",),
    "snponly-riscv64.efi": ("/usr/share/ipxe/riscv64-efi/snponly.efi",),
    "bootx64.efi": (
        "/usr/lib/shim/shimx64.efi.signed", "/boot/efi/EFI/BOOT/BOOTX64.EFI",
        "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
    ),
    "grubx64.efi": (
        "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", "/boot/efi/EFI/fedora/grubx64.efi",
        "/boot/efi/EFI/centos/grubx64.efi",
    ),
    "bootaa64.efi": (
        "/usr/lib/shim/shimaa64.efi.signed", "/boot/efi/EFI/BOOT/BOOTAA64.EFI",
        "/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed",
    ),
    "grubaa64.efi": ("/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed", "/boot/efi/EFI/fedora/grubaa64.efi"),
    "bootia32.efi": ("/usr/lib/grub/i386-efi-signed/grubnetia32.efi.signed",),
    "bootriscv64.efi": ("/boot/efi/EFI/BOOT/BOOTRISCV64.EFI",),
    "pxelinux.0": ("/usr/lib/PXELINUX/pxelinux.0", "/usr/share/syslinux/pxelinux.0", "/usr/lib/syslinux/pxelinux.0"),
    "lpxelinux.0": ("/usr/lib/PXELINUX/lpxelinux.0", "/usr/share/syslinux/lpxelinux.0"),
    "ldlinux.c32": _places("ldlinux.c32", *_SYSLINUX),
    # On CDs that are made here: GRUB as it stands on Debian's own.
    "cd-x86_64.efi": ("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed", "/boot/efi/EFI/fedora/gcdx64.efi"),
    "cd-aarch64.efi": ("/usr/lib/grub/arm64-efi-signed/gcdaa64.efi.signed", "/boot/efi/EFI/fedora/gcdaa64.efi"),
    "isolinux.bin": ("/usr/lib/ISOLINUX/isolinux.bin", "/usr/share/syslinux/isolinux.bin"),
}  # fmt: skip


def loader_for(interface: str, mode: str, arch: str) -> str:
    """Errors: Unsupported when that interface has none for such machines."""
    name = WANTED.get(interface, {}).get((mode, arch))
    if name is None:
        known = ", ".join(sorted(f"{mode} {arch}" for mode, arch in WANTED.get(interface, {})))
        raise Unsupported(
            f"the boot interface '{interface}' has no loader for {mode} on {arch}; it has some for: {known or 'none'}"
        )
    return name


def check_name(name: str) -> str:
    """A loader that somebody names. Errors: InvalidRequest for what is no plain file name."""
    if not name or len(name) > 64 or name.startswith(".") or not all(char.isalnum() or char in "._-" for char in name):
        raise InvalidRequest("a boot loader is named by a plain file name: letters, digits, '.', '_' and '-'")
    return name
