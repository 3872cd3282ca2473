"""Where things are built: a folder of the cache that is gone afterwards, however the building ends."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steelyard_lab.processes import run

NAME = "building"
_ESCAPED = re.compile(r"\\([0-7]{3})")


@contextmanager
def workshop(cache: Path) -> Iterator[Path]:
    """A new folder. Whoever is killed cannot clear up: the next one does. Errors: LabError."""
    with _held(cache):
        _clear(cache)
        work = cache / f"{NAME}-{os.getpid()}"
        work.mkdir()
        own = _lock(work)
    try:
        yield work
    finally:
        _remove(work)
        os.close(own)


@contextmanager
def _held(cache: Path) -> Iterator[None]:
    """Nobody else begins or clears up meanwhile."""
    handle = _lock(cache)
    try:
        yield
    finally:
        os.close(handle)


def _lock(folder: Path) -> int:
    """→ a handle; the lock goes with it, or with this process."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _clear(cache: Path) -> None:
    for folder in cache.glob(f"{NAME}-*"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)
        except BlockingIOError:
            pass  # somebody is at work there
        finally:
            os.close(handle)


def _remove(folder: Path) -> None:
    """Nothing is removed through a mount: what is mounted there belongs to the system."""
    for place in mounted_below(folder, Path("/proc/self/mountinfo").read_text()):
        run(["umount", place])
    shutil.rmtree(folder)


def mounted_below(folder: Path, mountinfo: str) -> list[str]:
    """Mount points, the newest first, so that each can be taken away (proc(5))."""
    places = [_ESCAPED.sub(lambda found: chr(int(found[1], 8)), line.split()[4]) for line in mountinfo.splitlines()]
    return [place for place in reversed(places) if place.startswith(f"{folder.resolve()}/")]
