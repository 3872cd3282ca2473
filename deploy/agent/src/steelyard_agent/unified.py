"""Unified kernel images: an EFI program whose sections are a kernel, its initrd and its arguments (UAPI.5)."""

from __future__ import annotations

import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from steelyard_agent.bls import ARCHITECTURES
from steelyard_agent.entry import CannotStart, Entry, File
from steelyard_agent.volumes import Volumes

LOADER = "the unified kernel image"
SECTIONS_AT_MOST = 96
TEXT_BYTES = 1 << 16
_COFF, _SECTION = struct.Struct("<HHIIIHH"), struct.Struct("<8sIIII16x")


@dataclass(frozen=True)
class Section:
    offset: int
    size: int


def default_entry(volumes: Volumes, scratch: Path) -> Entry | None:
    """The program that the firmware starts by itself, if it is such an image."""
    name = f"EFI/BOOT/BOOT{ARCHITECTURES.get(platform.machine(), '').upper()}.EFI"
    for volume in volumes:
        program = volume.file(name)
        if program and ".linux" in sections(program.path):
            return unpack(program, LOADER, scratch)
    return None


def unpack(program: File, loader: str, scratch: Path) -> Entry:
    """Kernel and initrd as files in ``scratch``. Errors: CannotStart."""
    found = sections(program.path)
    if ".linux" not in found:
        raise CannotStart(f"{loader}: {program.name} is no unified kernel image")
    parts = {name: _take_out(program, found[name], name, scratch) for name in (".linux", ".ucode", ".initrd")
             if name in found}  # fmt: skip
    return Entry(
        loader=loader,
        kernel=parts[".linux"],
        initrds=tuple(parts[name] for name in (".ucode", ".initrd") if name in parts),
        arguments=" ".join(_text(program.path, found.get(".cmdline")).split()),
    )


def os_release(program: File) -> Mapping[str, str]:
    """Of the system in it; empty if it is no such image."""
    lines = _text(program.path, sections(program.path).get(".osrel")).splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def sections(program: Path) -> dict[str, Section]:
    """By name; empty if it is no EFI program. Of several with one name, as profiles bring, the first: the default."""
    with program.open("rb") as file:
        head = file.read(64)
        if len(head) < 64 or head[:2] != b"MZ":
            return {}
        file.seek(struct.unpack_from("<I", head, 60)[0])
        if file.read(4) != b"PE\0\0":
            return {}
        coff = file.read(_COFF.size)
        if len(coff) < _COFF.size:
            return {}
        _, count, _, _, _, optional, _ = _COFF.unpack(coff)
        file.seek(optional, 1)
        table = file.read(_SECTION.size * min(count, SECTIONS_AT_MOST))
    found: dict[str, Section] = {}
    for at in range(0, len(table) - _SECTION.size + 1, _SECTION.size):
        raw_name, virtual, _, raw, offset = _SECTION.unpack_from(table, at)
        name = raw_name.rstrip(b"\0").decode(errors="replace")
        # The file's part is padded; the part in memory is the real one, unless a tool left it empty.
        found.setdefault(name, Section(offset, min(virtual, raw) or raw))
    return found


def _take_out(program: File, section: Section, name: str, scratch: Path) -> File:
    target = scratch / name.lstrip(".")
    with program.path.open("rb") as source, target.open("wb") as file:
        source.seek(section.offset)
        left = section.size
        while left and (chunk := source.read(min(left, 1 << 20))):
            file.write(chunk)
            left -= len(chunk)
    if left:
        raise CannotStart(f"{program.name} ends before its section {name} does")
    return File(path=target, name=f"{program.name}#{name.lstrip('.')}")


def _text(program: Path, section: Section | None) -> str:
    if section is None:
        return ""
    with program.open("rb") as file:
        file.seek(section.offset)
        return file.read(min(section.size, TEXT_BYTES)).rstrip(b"\0").decode(errors="replace")
