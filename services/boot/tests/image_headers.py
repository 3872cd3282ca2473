"""The beginnings of disk images: as much as tells what they are."""

from __future__ import annotations

import struct

SECTOR = 512


def qcow2(size: int = 1 << 30, *, backing: int = 0, features: int = 0) -> bytes:
    """Version 3 (QEMU docs/interop/qcow2). ``features``: incompatible ones; bit 2 is an external data file."""
    values = (
        b"QFI\xfb", 3, backing, 8 if backing else 0, 16, size, 0, 1, 0x30000, 0x10000, 1, 0, 0, features, 0, 0, 4, 104,
    )  # fmt: skip
    head = struct.pack(">4sIQIIQIIQQIIQQQQII", *values)
    return head.ljust(64 * 1024, b"\0")


def gpt() -> bytes:
    """A protective MBR (UEFI 2.10 §5.2.3) and room behind it."""
    entry = struct.pack("<B3BB3BII", 0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, 0xFFFFFFFF)
    return (b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa").ljust(64 * 1024, b"\0")


def iso() -> bytes:
    """A primary volume descriptor (ECMA-119 §8.4) at sector 16 of 2048 bytes."""
    descriptor = (b"\x01CD001\x01\0").ljust(80, b"\0") + struct.pack("<I", 32) + struct.pack(">I", 32)
    descriptor = descriptor.ljust(128, b"\0") + struct.pack("<H", 2048) + struct.pack(">H", 2048)
    return (b"\0" * 32768 + descriptor).ljust(64 * 1024, b"\0")


def vmdk() -> bytes:
    """A sparse extent's header with a descriptor that names another file."""
    descriptor = b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 2048 FLAT "/etc/passwd" 0\n'
    head = struct.pack("<4sIIQQQQIQQQB", b"KDMV", 1, 3, 2048, 128, 1, 1, 512, 21, 22, 128, 0)
    return (head.ljust(SECTOR, b"\0") + descriptor.ljust(SECTOR, b"\0")).ljust(128 * 1024, b"\0")
