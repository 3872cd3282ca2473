"""Disks for tests: folders that stand for the file systems of an instance's disk."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from steelyard_agent.volumes import Volume, Volumes

ESP, BOOT, ROOT = "ABCD-1234", "b0071111-0000-4000-8000-000000000001", "40071111-0000-4000-8000-000000000002"
FIRST_SECTION = 0x400


def volume(place: Path, number: int, uuid: str, files: Mapping[str, str | bytes], **more: str) -> Volume:
    root = place / f"vda{number}"
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    root.mkdir(exist_ok=True)
    return Volume(device=f"/dev/vda{number}", root=root, number=number, uuid=uuid, **more)


def volumes(*all_of_them: Volume) -> Volumes:
    return Volumes(all_of_them)


def unified_kernel(**sections: bytes) -> bytes:
    """An EFI program with these sections: as much of one as says where they are."""
    table, content, offset = b"", b"", FIRST_SECTION
    for name, data in sections.items():
        padded = data + bytes(-len(data) % 512)
        table += struct.pack("<8sIIII16x", f".{name}".encode(), len(data), 0x1000, len(padded), offset)
        content += padded
        offset += len(padded)
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, 16, 0)
    return (dos + b"PE\0\0" + coff + bytes(16) + table).ljust(FIRST_SECTION, b"\0") + content
