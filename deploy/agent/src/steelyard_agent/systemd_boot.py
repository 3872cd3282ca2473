"""systemd-boot: ``loader.conf``, entries of the Boot Loader Specification, unified kernels in ``EFI/Linux``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cmp_to_key
from pathlib import Path

from steelyard_agent import bls, unified
from steelyard_agent.entry import Entry, File
from steelyard_agent.versions import compare
from steelyard_agent.volumes import Volumes

LOADER = "systemd-boot"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """``id`` with its suffix, as ``loader.conf`` names it. Either an entry or a unified kernel."""

    id: str
    sort_key: str = ""
    machine: str = ""
    version: str = ""
    is_bad: bool = False
    entry: bls.BootEntry | None = None
    program: File | None = None


def is_installed(volumes: Volumes) -> bool:
    return any(each.names("EFI/systemd", "systemd-boot*.efi") for each in volumes)


def default_entry(volumes: Volumes, scratch: Path) -> Entry | None:
    """None: there is none of its entries. ``scratch``: for what is taken out of a unified kernel."""
    found = sorted(_choices(volumes), key=cmp_to_key(_order))
    if not found:
        return None
    chosen = _preferred(found, _default_pattern(volumes))
    if chosen.program:
        return unified.unpack(chosen.program, LOADER, scratch)
    return bls.start(chosen.entry, LOADER) if chosen.entry else None


def _choices(volumes: Volumes) -> list[Choice]:
    choices = [
        Choice(
            id=f"{each.id}.conf",
            sort_key=each.first("sort-key"),
            machine=each.first("machine-id"),
            version=each.first("version"),
            is_bad=each.is_bad,
            entry=each,
        )
        for volume in volumes
        for each in bls.entries(volume)
    ]
    programs = [
        file for volume in volumes for name in volume.names("EFI/Linux", "*.efi") if (file := volume.file(name))
    ]
    return choices + [_of_program(each) for each in programs]


def _of_program(program: File) -> Choice:
    release = unified.os_release(program)
    name, is_bad = bls.without_counter(program.path.name.removesuffix(".efi"))
    return Choice(
        id=f"{name}.efi",
        sort_key=release.get("IMAGE_ID") or release.get("ID", ""),
        version=release.get("IMAGE_VERSION") or release.get("VERSION_ID") or release.get("BUILD_ID", ""),
        is_bad=is_bad,
        program=program,
    )


def _order(left: Choice, right: Choice) -> int:
    """The specification's order: worn-out ones last, those with a sort key first, then the newest."""
    if left.is_bad != right.is_bad:
        return 1 if left.is_bad else -1
    if bool(left.sort_key) != bool(right.sort_key):
        return -1 if left.sort_key else 1
    for ours, theirs in ((left.sort_key, right.sort_key), (left.machine, right.machine)):
        if ours != theirs and left.sort_key:
            return -1 if ours < theirs else 1
    if left.sort_key and (order := compare(right.version, left.version)):
        return order
    return compare(right.id, left.id)


def _default_pattern(volumes: Volumes) -> str:
    """What ``default`` says, or nothing. ``@saved`` stands in EFI variables, which a new disk has none in."""
    for volume in volumes:
        for line in (volume.text("loader/loader.conf") or "").splitlines():
            key, *value = line.split(maxsplit=1)[:2] or [""]
            if key == "default" and value and not value[0].startswith("@"):
                return value[0].strip().lower()
    return ""


def _preferred(found: Sequence[Choice], pattern: str) -> Choice:
    """Older versions took the pattern without the suffix, too."""
    fits = (
        each
        for each in found
        if pattern and any(fnmatchcase(name.lower(), pattern) for name in (each.id, each.id.rpartition(".")[0]))
    )
    return next(fits, found[0])
