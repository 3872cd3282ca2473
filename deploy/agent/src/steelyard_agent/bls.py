"""Boot Loader Specification, type 1: ``loader/entries/*.conf``, as GRUB's ``blscfg`` and systemd-boot read them."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass

from steelyard_agent.entry import CannotStart, Entry
from steelyard_agent.volumes import Volume

# The specification's names of architectures, which are EFI's.
ARCHITECTURES = {"x86_64": "x64", "aarch64": "aa64", "i686": "ia32", "riscv64": "riscv64"}
_COUNTED = re.compile(r"(?P<id>.+)\+(?P<left>\d+)(?:-\d+)?")


@dataclass(frozen=True, kw_only=True)
class BootEntry:
    """``id``: the file's name, without ``.conf`` and without the counter of attempts to boot it."""

    id: str
    volume: Volume
    fields: Mapping[str, tuple[str, ...]]
    is_bad: bool = False  # no attempt is left

    def first(self, field: str) -> str:
        return self.fields.get(field, ("",))[0]


def entries(volume: Volume, folder: str = "loader/entries") -> list[BootEntry]:
    """Those for this architecture, in no order. Errors: CannotStart, from a file that is no text."""
    found = [_read(volume, name) for name in volume.names(folder, "*.conf")]
    ours = ("", ARCHITECTURES.get(platform.machine(), platform.machine()))
    return [each for each in found if each.first("architecture").lower() in ours]


def start(found: BootEntry, loader: str, variables: Mapping[str, str] | None = None) -> Entry:
    """``variables``: what ``$name`` stands for, where GRUB reads it; else it stands for itself. Errors: CannotStart."""
    what = f"{loader}'s default entry {found.id}"
    for field in ("efi", "uki", "uki-url"):
        if not found.first("linux") and found.first(field):
            raise CannotStart(f"{what} starts an EFI program ({found.first(field)}), which kexec cannot")
    if not found.first("linux"):
        raise CannotStart(f"{what} names no kernel")
    initrds = [name for line in found.fields.get("initrd", ()) for name in _expanded(line, variables).split()]
    options = (_expanded(line, variables) for line in found.fields.get("options", ()))
    return Entry(
        loader=loader,
        kernel=found.volume.needed(found.first("linux"), what),
        initrds=tuple(found.volume.needed(name, what) for name in initrds),
        arguments=" ".join(" ".join(options).split()),
    )


def _read(volume: Volume, name: str) -> BootEntry:
    fields: dict[str, tuple[str, ...]] = {}
    for line in (volume.text(name) or "").splitlines():
        key, *value = line.split(maxsplit=1)[:2] or [""]
        if key and not key.startswith("#"):
            fields[key.lower()] = (*fields.get(key.lower(), ()), "".join(value).strip())
    stem = name.rpartition("/")[2].removesuffix(".conf")
    plain, is_bad = without_counter(stem)
    return BootEntry(id=plain, volume=volume, fields=fields, is_bad=is_bad)


def without_counter(stem: str) -> tuple[str, bool]:
    """``name+3-1``: boot counting, three attempts left and one made. → the name, and whether none is left"""
    counted = _COUNTED.fullmatch(stem)
    return (counted["id"], int(counted["left"]) == 0) if counted else (stem, False)


def _expanded(text: str, variables: Mapping[str, str] | None) -> str:
    if variables is None:
        return text

    def value(found: re.Match[str]) -> str:
        return variables.get(found.group(1) or found.group(2), "")

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, text)
