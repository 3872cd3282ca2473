"""Builds a kernel and a ramdisk with the real ironic-python-agent: Debian's userland, Debian's kernel, PyPI's agent.

Slow (a minute and a half), so it is kept in the cache until what it is made of changes.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from steelyard_lab.agent.workshop import workshop
from steelyard_lab.failure import LabError
from steelyard_lab.prerequisites import ENCLOSED
from steelyard_lab.processes import run

HERE = Path(__file__).parent
AGENT = "ironic-python-agent==13.0.0"
OURS = HERE.parents[3] / "deploy/agent"
RELEASE = "bookworm"
PACKAGES = (
    "bsdextrautils", "busybox-static", "ca-certificates", "dmidecode", "dosfstools", "e2fsprogs", "efibootmgr",
    "ethtool", "fdisk", "gdisk", "hdparm", "iproute2", "ipmitool", "kexec-tools", "kmod", "lshw", "mdadm", "nvme-cli",
    "openssl", "parted", "pciutils", "psmisc", "python3", "python3-pkg-resources", "qemu-utils", "smartmontools",
    "udev",
)  # fmt: skip
MODULES = (
    "virtio_pci", "virtio_net", "virtio_blk", "virtio_scsi", "ahci", "e1000", "e1000e", "nvme", "sd_mod", "sr_mod",
    "cdrom", "isofs", "vfat", "nls_cp437", "nls_iso8859_1", "nls_ascii", "nls_utf8", "ext4", "md_mod", "raid0",
    "raid1", "raid10", "raid456", "dm_mod", "loop", "ipmi_si", "ipmi_devintf", "usb_storage", "uas", "uhci_hcd",
    "ehci_pci", "xhci_pci", "ata_piix", "ata_generic", "efivarfs", "af_packet", "button", "evdev",
)  # fmt: skip
# What a machine that runs from memory never reads.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt")
AGENT_HOME = "opt/agent"
BUILD_S = 900


@dataclass(frozen=True, kw_only=True)
class Ramdisk:
    """``modules`` and ``mdadm``, trees, and ``busybox``, static, are for another system with the same kernel."""

    kernel: Path
    initrd: Path
    modules: Path
    busybox: Path
    mdadm: Path


def ramdisk(cache: Path) -> Ramdisk:
    """From the cache, or built into it. Errors: LabError, with the words of the tool that failed."""
    home = cache / f"ramdisk-{_sum(HERE / name for name in ('ramdisk.py', 'init', 'udhcpc-script', 'static-network'))}"
    ours = home / f"ramdisk-{_sum([OURS / 'pyproject.toml', *sorted(OURS.glob('src/**/*.py'))])}"
    names = {"kernel": "kernel", "modules": "modules", "busybox": "busybox", "mdadm": "mdadm"}
    made = Ramdisk(initrd=ours, **{field: home / name for field, name in names.items()})
    with workshop(cache) as work:
        if not made.kernel.exists():
            _build(work)
            shutil.rmtree(home, ignore_errors=True)
            (work / "made").rename(home)
        if not made.initrd.exists():
            _add_ours(work, home / "base").rename(made.initrd)
    return made


def _sum(files: Iterable[Path]) -> str:
    """What something is made of, in a word."""
    sums = hashlib.sha256()
    for file in files:
        sums.update(file.read_bytes())
    return sums.hexdigest()[:16]


def _build(work: Path) -> None:
    root, made = work / "root", work / "made"
    made.mkdir()
    # What debootstrap mounts and starts goes with it.
    words = [*ENCLOSED, "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", RELEASE]
    run([*words, root, _mirror()], timeout_s=BUILD_S)
    version = _add_kernel(work, root, made / "kernel")
    _add_agent(root)
    for each in LEFT_OUT:
        shutil.rmtree(root / each, ignore_errors=True)
    shutil.copy(HERE / "init", root / "init")
    text = (root / "init").read_text().replace("MODULES", " ".join(MODULES))
    (root / "init").write_text(text)
    (root / "init").chmod(0o755)
    for name in ("udhcpc-script", "static-network"):
        target = root / "usr/local/sbin" / name
        shutil.copy(HERE / name, target)
        target.chmod(0o755)
    for name in ("poweroff", "reboot"):
        command = root / "usr/sbin" / name
        command.write_text(f"#!/bin/sh\nexec busybox {name} -f\n")
        command.chmod(0o755)
    run(["depmod", "-b", root, version])
    shutil.copytree(root / "lib/modules", made / "modules")
    shutil.copy(root / "bin/busybox", made / "busybox")
    _take_out(root, "/sbin/mdadm", made / "mdadm")
    _pack(root, made / "base")


def _mirror() -> str:
    """Where this machine's own apt gets its packages from."""
    for line in run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME)", "Created-By: Packages"]
    ).splitlines():
        site, _, codename = line.partition(" ")
        if codename == RELEASE:
            return site
    raise LabError(f"apt knows no place where Debian {RELEASE} is")


def _add_kernel(work: Path, root: Path, kernel: Path) -> str:
    """→ its version. Unpacked, not installed: nothing is to build another ramdisk. Only the modules that are needed."""
    depends = run(["apt-cache", "depends", "linux-image-amd64"]).split()
    package = next(word for word in depends if word.startswith("linux-image-6"))
    try:
        subprocess.run(["apt-get", "download", "-qq", package], cwd=work, check=True, capture_output=True, timeout=300)
    except (subprocess.SubprocessError, OSError) as error:
        raise LabError(f"apt-get download {package}: {error}") from error
    (archive,) = work.glob("linux-image-*.deb")
    run(["dpkg", "-x", archive, work / "kernel-package"])
    version = package.removeprefix("linux-image-")
    shutil.copy(work / f"kernel-package/boot/vmlinuz-{version}", kernel)
    run(["depmod", "-b", work / "kernel-package", version])
    source, target = work / "kernel-package/lib/modules" / version, root / "lib/modules" / version
    for line in _dependencies(work / "kernel-package", version):
        file = Path(line)
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        shutil.copy(source / name, target / name)
    return version


def _dependencies(root: Path, version: str) -> set[str]:
    """The files of the modules and of what they need."""
    words = ["modprobe", "-d", str(root), "-S", version, "--show-depends", "-a", *MODULES]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)  # built-in ones are no error
    return {line.split()[1] for line in done.stdout.splitlines() if line.startswith("insmod")}


def _add_agent(root: Path) -> None:
    home = root / AGENT_HOME
    _install(home, AGENT, "--python-version", "3.11", "--only-binary", ":all:")
    # Not by PYTHONPATH: parts of the agent start /usr/bin/python3 anew.
    (root / "usr/lib/python3/dist-packages/agent.pth").write_text(f"/{AGENT_HOME}\n")


def _add_ours(work: Path, base: Path) -> Path:
    """→ a ramdisk of two archives, which the kernel unpacks one after the other. Made in a second or two."""
    root, made = work / "ours", work / "with-ours"
    source = shutil.copytree(OURS, work / "source")  # setuptools leaves files beside what it builds
    _install(root / AGENT_HOME, source, "--no-deps", "--no-build-isolation")
    shutil.copy(base, made)
    _pack(root, made)
    return made


def _install(home: Path, what: str | Path, *words: str) -> None:
    pip: list[str | Path] = [sys.executable, "-m", "pip", "install", "-q", "--target", home, "--no-compile"]
    run([*pip, *words, what], timeout_s=BUILD_S)


def _take_out(root: Path, program: str, to: Path) -> None:
    """A program with the libraries it needs, as a small tree."""
    libraries = [word for word in run(["chroot", root, "ldd", program]).split() if word.startswith("/")]
    for each in [program, *libraries]:
        place = to / each.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / each.lstrip("/"), place)


def _pack(root: Path, ramdisk: Path) -> None:
    """At the end of what is there."""
    script = f"cd {root} && find . -mount | cpio -o -H newc --quiet | zstd -q -6 -T2 >>{ramdisk}"
    run(["sh", "-c", script], timeout_s=BUILD_S)
