"""What stands on a machine's disk, read and written from outside while the machine is off."""

from __future__ import annotations

from pathlib import Path

PATTERN = b"steelyard-lab-pattern, must go. "  # 32 bytes
SECTOR, SECTORS, BLOCK = 512, 33, 4096


def _places(file: Path) -> dict[str, int]:
    """Offset of each stretch of SECTORS sectors: where a GPT and its copy stand, and far from both."""
    size = file.stat().st_size
    return {"start": 0, "middle": size // 2, "end": size - SECTORS * SECTOR}


def write_pattern(file: Path) -> None:
    with file.open("r+b") as disk:
        for offset in _places(file).values():
            disk.seek(offset)
            disk.write(PATTERN * (SECTORS * SECTOR // len(PATTERN)))


def pattern_left(file: Path) -> set[str]:
    """The names of the places where any of it is left."""
    left = set()
    with file.open("rb") as disk:
        for name, offset in _places(file).items():
            disk.seek(offset)
            if PATTERN in disk.read(SECTORS * SECTOR):
                left.add(name)
    return left


def blocks_left(file: Path, image: Path) -> tuple[int, int]:
    """→ (blocks of the image that are not all zeros, those of them that the disk still holds at their place)"""
    blocks = left = 0
    with file.open("rb") as disk, image.open("rb") as wanted:
        while block := wanted.read(BLOCK):
            found = disk.read(BLOCK)
            if block.strip(b"\0"):
                blocks += 1
                left += block == found
    return blocks, left
