"""What the lab needs of its surroundings, and what to say when it is not there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from steelyard_lab.hypervisor import DEBIAN_PYTHON

PACKAGES = Path(__file__).parent.parent / "packages.txt"
COMMANDS = {
    "as": "binutils",
    "cpio": "cpio",
    "debootstrap": "debootstrap",
    "depmod": "kmod",
    "dnsmasq": "dnsmasq-base",
    "grub-mkimage": "grub-common",
    "ip": "iproute2",
    "ipmi_sim": "openipmi",
    "ipmitool": "ipmitool",
    "iptables": "iptables",
    "kea-dhcp4": "kea-dhcp4-server",
    "libvirtd": "libvirt-daemon",
    "mcopy": "mtools",
    "mkfs.ext4": "e2fsprogs",
    "openssl": "openssl",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "sgdisk": "gdisk",
    "syslinux": "syslinux",
    "tgtd": "tgt",
    "unshare": "util-linux",
    "virsh": "libvirt-clients",
    "zstd": "zstd",
}
FILES = {
    DEBIAN_PYTHON / "libvirt.py": "python3-libvirt",
    Path("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so"): "libvirt-daemon-driver-qemu",
    Path("/etc/libvirt"): "libvirt-daemon-system",
    Path("/usr/lib/ipxe/qemu/pxe-virtio.rom"): "ipxe-qemu",
    Path("/usr/share/seabios/bios-256k.bin"): "seabios",
    Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"): "ovmf",
    Path("/usr/lib/ipxe/snponly.efi"): "ipxe",
    Path("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"): "grub-efi-amd64-signed",
    Path("/usr/lib/shim/shimx64.efi.signed"): "shim-signed",
    Path("/usr/lib/grub/x86_64-efi/http.mod"): "grub-efi-amd64-bin",
    Path("/usr/lib/PXELINUX/pxelinux.0"): "pxelinux",
    Path("/usr/lib/ISOLINUX/isolinux.bin"): "isolinux",
    Path("/usr/lib/syslinux/modules/bios/ldlinux.c32"): "syslinux-common",
    Path("/usr/lib/syslinux/mbr/gptmbr.bin"): "syslinux-common",
    Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub"): "systemd-boot-efi",
}
# The lab's own view of these folders: empty, its own, gone afterwards. libvirtd writes to them whatever it is told.
PRIVATE_FOLDERS = ("/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt")
NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
# The parent's death kills `unshare`, and that kills process 1 of the namespace: no way to die leaves anything.
ENCLOSED = ("setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES)
NETWORK = "--net"


def what_is_missing() -> list[str]:
    """One sentence for each thing without which the lab cannot run; none if it can."""
    if os.geteuid() != 0:
        return ["root: the lab makes network, mount and process namespaces; run it as root"]
    return missing_packages(os.environ.get("PATH", "")) + _missing_python_parts() + _missing_permission()


def packages_line() -> str:
    return f"apt-get install --no-install-recommends {' '.join(PACKAGES.read_text().split())}"


def missing_packages(search_path: str) -> list[str]:
    absent = [package for command, package in COMMANDS.items() if not shutil.which(command, path=search_path)]
    absent += [package for file, package in FILES.items() if not file.exists()]
    absent += ["libvirt-daemon-system" for folder in PRIVATE_FOLDERS if not Path(folder).is_dir()]
    return [f"Debian package {package}" for package in sorted(set(absent))]


def _missing_python_parts() -> list[str]:
    missing = [] if importlib.util.find_spec("sushy_tools") else ["Python package sushy-tools: make venv"]
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    built_for = list(DEBIAN_PYTHON.glob("libvirtmod.cpython-*.so"))
    if built_for and not any(f"cpython-{version}-" in file.name for file in built_for):
        missing.append(f"a libvirt module for this Python: {built_for[0].name} is not for cpython-{version}")
    return missing


def _missing_permission() -> list[str]:
    if not shutil.which("unshare"):
        return []  # already said
    words: Sequence[str] = ["unshare", NETWORK, *NAMESPACES, "true"]
    tried = subprocess.run(words, capture_output=True, text=True, check=False)
    return [f"permission to make namespaces ({tried.stderr.strip()})"] if tried.returncode else []
