"""Files that a rack serves, so that its machines can be deployed without any other source: a ramdisk, an image.

They hold what no real machine could run: simulated machines read every byte of them and run none.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

KERNEL, RAMDISK, IMAGE = "agent.kernel", "agent.ramdisk", "instance.img"
SIZES = {KERNEL: 256 << 10, RAMDISK: 1 << 20, IMAGE: 4 << 20}
_BOOT_SECTOR = 512


@dataclass(frozen=True)
class File:
    """``sha256``: of its content."""

    name: str
    content: bytes
    sha256: str


def make(name: str) -> File:
    """The same at every start. An image begins with a partition table, as an image of a whole disk does."""
    dice = random.Random(name)  # noqa: S311  # the same files everywhere, no secret
    content = dice.randbytes(SIZES[name])
    if name == IMAGE:
        content = _boot_sector(len(content) // _BOOT_SECTOR) + content[_BOOT_SECTOR:]
    return File(name, content, hashlib.sha256(content).hexdigest())


def _boot_sector(sectors: int) -> bytes:
    """A master boot record with one partition of type Linux behind it."""
    entry = bytes([0x80, 0, 2, 0, 0x83, 0, 1, 0]) + (1).to_bytes(4, "little") + (sectors - 1).to_bytes(4, "little")
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


class Shelf:
    """Each file is made when it is first asked for."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}

    def find(self, name: str) -> File | None:
        if name not in SIZES:
            return None
        if name not in self._files:
            self._files[name] = make(name)
        return self._files[name]
