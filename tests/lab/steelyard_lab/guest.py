"""Makes the disk that the machines of the power verbs boot from."""

from __future__ import annotations

from pathlib import Path

from steelyard_lab.processes import run

SOURCE = Path(__file__).with_name("guest.S")
DISK_SIZE = 1024 * 1024  # bytes; less than a track confuses the firmware's geometry guess


def build_disk(folder: Path) -> Path:
    """Assembles the guest and gives the path of a raw disk image that begins with it."""
    code, disk = folder / "guest.o", folder / "disk.img"
    run(["as", "--32", "-o", code, SOURCE])
    run(["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", disk, code])
    with disk.open("r+b") as image:
        image.truncate(DISK_SIZE)
    return disk
