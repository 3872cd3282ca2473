"""Builds the images that the lab deploys: a system that says on its console what it is. Without root.

| image | what |
| --- | --- |
| disk | GPT with one EFI system partition: syslinux for BIOS, a unified kernel image for UEFI |
| partition | a root file system (ext4); the unified kernel image is below /boot/efi: the agent puts it on an ESP |
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from steelyard_lab.agent.ramdisk import Ramdisk
from steelyard_lab.agent.workshop import workshop
from steelyard_lab.processes import run

HERE = Path(__file__).parent
NAME = "lab-image-1"
ROOT = "lab-root-1"  # what the file system of the partition image is called
DISK_MIB, PARTITION_MIB, ROOT_MIB = 96, 92, 64
COMMAND_LINE = "console=ttyS0,115200 quiet no_timer_check"  # an emulated timer may be late
STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
SYSLINUX_MBR = Path("/usr/lib/syslinux/mbr/gptmbr.bin")
# Where the stub looks for its parts (systemd-stub(7)); far enough apart for a kernel and a ramdisk.
SECTIONS = {".osrel": 0x20000, ".cmdline": 0x30000, ".linux": 0x2000000, ".initrd": 0x5000000}


@dataclass(frozen=True, kw_only=True)
class Image:
    """The same disk twice; the partition; the kernel and ramdisk that are on both. All in one folder."""

    raw: Path
    qcow2: Path
    partition: Path
    kernel: Path
    initrd: Path

    def sha256(self, file: Path) -> str:
        return hashlib.sha256(file.read_bytes()).hexdigest()


def instance_image(cache: Path, ramdisk: Ramdisk) -> Image:
    """From the cache, or built into it. Errors: LabError."""
    recipe = hashlib.sha256(b"".join((HERE / each).read_bytes() for each in ("instance_image.py", "instance-init")))
    home = cache / f"image-{ramdisk.kernel.parent.name}-{recipe.hexdigest()[:16]}"
    names = {
        "raw": "image.raw", "qcow2": "image.qcow2", "partition": "root.raw", "kernel": "kernel", "initrd": "initrd",
    }  # fmt: skip
    made = Image(**{field: home / name for field, name in names.items()})
    if not made.qcow2.exists():
        with workshop(cache) as work:
            _build(work, ramdisk)
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            for name in names.values():
                (work / name).replace(home / name)
    return made


def _build(work: Path, ramdisk: Ramdisk) -> None:
    initrd = _initrd(work, ramdisk)
    shutil.copy(ramdisk.kernel, work / "kernel")
    partition = work / "esp"
    with partition.open("wb") as file:
        file.truncate(PARTITION_MIB << 20)
    run(["mformat", "-i", partition, "-F", "-v", "LAB-ESP", "::"])
    (work / "syslinux.cfg").write_text(
        f"SERIAL 0 115200\nDEFAULT lab\nLABEL lab\n  LINUX /kernel\n  INITRD /initrd\n  APPEND {COMMAND_LINE}\n"
    )
    run(["mmd", "-i", partition, "::/EFI", "::/EFI/BOOT"])
    unified = _unified(work, ramdisk.kernel, initrd)
    files = {"/EFI/BOOT/BOOTX64.EFI": unified, "/syslinux.cfg": work / "syslinux.cfg"}
    for target, source in {**files, "/kernel": ramdisk.kernel, "/initrd": initrd}.items():
        run(["mcopy", "-i", partition, source, f"::{target}"])
    run(["syslinux", "--install", partition])
    _disk(work / "image.raw", partition)
    _root(work, unified)
    run(["qemu-img", "convert", "-c", "-O", "qcow2", work / "image.raw", work / "image.qcow2"], timeout_s=300)


def _initrd(work: Path, ramdisk: Ramdisk) -> Path:
    root, packed = work / "root", work / "initrd"
    for folder in ("bin", "etc", "proc", "sys", "dev", "lib"):
        (root / folder).mkdir(parents=True)
    shutil.copy(ramdisk.busybox, root / "bin/busybox")
    shutil.copytree(ramdisk.modules, root / "lib/modules")
    shutil.copytree(ramdisk.mdadm, root, dirs_exist_ok=True)
    (root / "etc/lab-image").write_text(NAME + "\n")
    shutil.copy(HERE / "instance-init", root / "init")
    (root / "init").chmod(0o755)
    run(["sh", "-c", f"cd {root} && find . | cpio -o -H newc --quiet | zstd -q -6 -o {packed}"], timeout_s=300)
    return packed


def _unified(work: Path, kernel: Path, initrd: Path) -> Path:
    made = work / "unified.efi"
    (work / "osrel").write_text("ID=lab\nNAME=lab\n")
    (work / "cmdline").write_text(COMMAND_LINE)
    parts = {".osrel": work / "osrel", ".cmdline": work / "cmdline", ".linux": kernel, ".initrd": initrd}
    words: list[str | Path] = ["objcopy"]
    for section, file in parts.items():
        words += ["--add-section", f"{section}={file}", "--change-section-vma", f"{section}={SECTIONS[section]:#x}"]
    run([*words, STUB, made])
    return made


def _root(work: Path, unified: Path) -> None:
    tree = work / "file-system"
    for folder in ("proc", "sys", "dev", "run", "etc", "boot/efi/EFI/BOOT"):
        (tree / folder).mkdir(parents=True)
    (tree / "etc/lab-root").write_text(ROOT + "\n")
    shutil.copy(unified, tree / "boot/efi/EFI/BOOT/BOOTX64.EFI")
    run(["mkfs.ext4", "-q", "-L", ROOT, "-d", tree, work / "root.raw", f"{ROOT_MIB}M"])


def _disk(disk: Path, partition: Path) -> None:
    with disk.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    run(["sgdisk", "-n", f"1:2048:+{PARTITION_MIB}M", "-t", "1:ef00", "-A", "1:set:2", disk])
    with disk.open("r+b") as file:
        boot_code = SYSLINUX_MBR.read_bytes()
        file.write(boot_code)  # shorter than the partition table's place
        file.seek(2048 * 512)
        file.write(partition.read_bytes())
