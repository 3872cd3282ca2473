"""Artifacts in a folder that all replicas share (a local disk, NFS): ``<root>/files/ab/<key>``.

What is not whole lies in ``<root>/drafts`` and is never served: a file gets its name when its last byte is on the disk.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import Stored

FILE_MODE = 0o640


class Folder:
    """A ``Storage``."""

    def __init__(self, root: Path) -> None:
        """Makes the folder. Errors: OSError."""
        self._files = root / "files"
        self._files.mkdir(parents=True, exist_ok=True, mode=0o750)

    def bring(self, draft: Path, key: str) -> None:
        """Nothing: a rename is quick."""

    def place(self, draft: Path, key: str) -> None:
        place = self._path(key)
        place.parent.mkdir(exist_ok=True, mode=0o750)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.chmod(FILE_MODE)
        draft.rename(place)
        for folder in (place.parent, self._files):
            _sync(folder)

    def open(self, key: str) -> Stored | None:
        try:
            file = self._path(key).open("rb")
        except FileNotFoundError:
            return None
        about = os.fstat(file.fileno())
        return Stored(file=file, size=about.st_size, changed_at=about.st_mtime)

    def size(self, key: str) -> int | None:
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def all(self) -> Iterator[tuple[str, float]]:
        for shelf in self._files.iterdir():
            for file in shelf.iterdir():
                with suppress(FileNotFoundError):
                    yield file.name, file.stat().st_ctime

    def _path(self, key: str) -> Path:
        return self._files / key[:2] / key


class Drafts:
    """What is being made. ``root``: on the file system of the storage, so that a rename places it."""

    def __init__(self, root: Path) -> None:
        """Makes the folder. Errors: OSError."""
        self._root = root / "drafts"
        self._root.mkdir(parents=True, exist_ok=True, mode=0o750)

    def path(self, name: str) -> Path:
        return self._root / name

    def free_bytes(self) -> int:
        return shutil.disk_usage(self._root).free

    def sweep(self, prefix: str, needed: set[int], older_than_s: float) -> int:
        """Remove drafts ``<prefix><number>.…`` of no number that is needed, and all other old ones. → how many"""
        swept = 0
        for file in self._root.iterdir():
            number = file.name.removeprefix(prefix).partition(".")[0]
            is_ours = file.name.startswith(prefix) and number.isdecimal()
            if is_ours and int(number) in needed:
                continue
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > older_than_s:
                    file.unlink()
                    swept += 1
        return swept


def lock_draft(path: Path) -> int | None:
    """Open for writing, and keep others out until it is closed. → descriptor; None when somebody writes it.

    A process that dies lets go by itself. Errors: OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
