"""The file systems of the instance's disk, as boot loaders see them: by number, UUID, label, or a file on them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from steelyard_agent.entry import CannotStart, File

LINKS_AT_MOST = 40  # as in Linux
CONFIGURATION_BYTES = 1 << 20  # the longest grub.cfg seen has 40 kB


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A mounted file system. ``number``: of its partition, 0 on a disk without partitions."""

    device: str
    root: Path
    number: int = 0
    scheme: str = "gpt"
    uuid: str = ""
    label: str = ""
    partuuid: str = ""

    @property
    def grub_name(self) -> str:
        """As GRUB calls it: there is one disk, the first."""
        return f"hd0,{self.scheme}{self.number}" if self.number else "hd0"

    def find(self, name: str) -> Path | None:
        """Where it is for us, or None. Links lead nowhere but into this volume, as for the system that owns it."""
        place, left, links = self.root, _parts(name), 0
        while left:
            part = left.pop(0)
            if part == "..":
                place = place if place == self.root else place.parent
                continue
            here = place / part
            try:
                is_link = stat.S_ISLNK(here.lstat().st_mode)
            except (OSError, ValueError):
                return None
            if not is_link:
                place = here
                continue
            links += 1
            if links > LINKS_AT_MOST:
                return None
            target = os.readlink(here)
            place = self.root if target.startswith("/") else place
            left = _parts(target) + left
        return place

    def file(self, name: str) -> File | None:
        found = self.find(name)
        if found is None or not found.is_file():
            return None
        return File(path=found, name=f"{self.device}:/{name.lstrip('/')}")

    def needed(self, name: str, what: str) -> File:
        """Errors: CannotStart, if it is not there."""
        found = self.file(name)
        if found is None:
            raise CannotStart(f"{what} names {name}, which is not on {self.device}")
        return found

    def text(self, name: str) -> str | None:
        """A configuration; None if there is no such file. Errors: CannotStart, if it is no text of a sensible size."""
        found = self.file(name)
        if found is None:
            return None
        if found.path.stat().st_size > CONFIGURATION_BYTES:
            raise CannotStart(f"{found.name} is too long for a boot loader's configuration")
        return found.path.read_text(errors="replace")

    def names(self, folder: str, pattern: str) -> list[str]:
        """What is in a folder, by name; none if it is not there. The pattern in small letters: FAT knows no others."""
        found = self.find(folder)
        if found is None or not found.is_dir():
            return []
        names = sorted(each.name for each in found.iterdir())
        return [f"{folder.rstrip('/')}/{name}" for name in names if fnmatchcase(name.lower(), pattern)]


@dataclass(frozen=True)
class Volumes:
    all: Sequence[Volume]

    def __iter__(self) -> Iterator[Volume]:
        return iter(self.all)

    def by_uuid(self, uuid: str) -> Volume | None:
        return self._first(lambda each: each.uuid.lower() == uuid.lower())

    def by_label(self, label: str) -> Volume | None:
        return self._first(lambda each: each.label == label)

    def with_file(self, name: str) -> Volume | None:
        return self._first(lambda each: each.find(name) is not None)

    def by_grub_name(self, name: str) -> Volume | None:
        """``hd0,gpt2``, ``(hd1,msdos1)``, ``hd0,2``, ``hd0``: whichever number a disk had where this was written."""
        found = re.fullmatch(r"\(?hd\d+(?:,[a-z]*(\d+))?\)?", name)
        number = int(found.group(1) or 0) if found else -1
        return self._first(lambda each: each.number == number)

    def _first(self, fits: Callable[[Volume], bool]) -> Volume | None:
        return next((each for each in self.all if fits(each)), None)


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]
