"""One file comes in: written to a draft and summed up as it comes, within limits, so that it can be continued."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard_common.errors import DeviceUnreachable, SteelyardError, Unavailable

from ..domain.artifacts import amount, shown
from ..drivers import Opened
from ..drivers.folder import lock_draft
from ..drivers.inspecting import check_size
from . import metrics
from .artifacts import no_room

SYNC_S = 1.0  # so old is what a process that dies leaves to be continued
ROOM_BYTES = 64 << 20  # after so many bytes the free space is looked at again
READ_BYTES = 1 << 20
SLOW_BYTES = 1 << 20  # who sends less in ``slow_s`` keeps others waiting: few fetches run at once


class Lost(SteelyardError):
    """Another replica does it now."""


@dataclass(kw_only=True)
class Progress:
    """What others may know while it comes. ``synced``: bytes that outlive a crash."""

    synced: int = 0
    total: int | None = None
    phase: str = "fetch"
    is_lost: bool = False

    def check(self) -> None:
        """Errors: Lost."""
        if self.is_lost:
            raise Lost


@dataclass(frozen=True, kw_only=True)
class Room:
    """``free_bytes``: on the folder; ``make``: try to have more; ``spare``: stay free; ``most``: of one file."""

    free_bytes: Callable[[], int]
    make: Callable[[int], None]
    spare: int
    most: int

    def need(self, size: int) -> None:
        """Errors: Unavailable."""
        free = self.free_bytes() - self.spare
        if size > free:
            self.make(size - free)
            free = self.free_bytes() - self.spare
        if size > free:
            raise Unavailable(no_room(size, free, self.spare))


class Draft:
    """A file that is being written. Nobody else writes it until it is closed."""

    def __init__(self, path: Path, descriptor: int, algorithms: set[str]) -> None:
        self.path = path
        self._descriptor = descriptor
        self._algorithms = {"sha256", *algorithms}
        self.size = 0
        self._sums: dict[str, Any] = {}
        self._begin_sums()

    @classmethod
    def open(cls, path: Path, algorithms: set[str]) -> Draft | None:
        """None when another process writes it. Errors: OSError."""
        descriptor = lock_draft(path)
        return None if descriptor is None else cls(path, descriptor, algorithms)

    def begin_at(self, offset: int, progress: Progress) -> None:
        """Keep so much of what is there, and forget the rest. Errors: OSError, Lost."""
        os.ftruncate(self._descriptor, offset)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._begin_sums()
        self.size = 0
        while self.size < offset:
            data = os.read(self._descriptor, READ_BYTES)
            if not data:
                raise OSError(errno.EIO, "a draft is shorter than it was")
            progress.check()
            self._add(data)

    def here(self) -> int:
        """Bytes that an earlier try left."""
        return os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Errors: OSError."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._add(data)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def sums(self) -> dict[str, str]:
        """By algorithm, hex."""
        return {name: each.hexdigest() for name, each in self._sums.items()}

    def close(self) -> None:
        os.close(self._descriptor)

    def _add(self, data: bytes) -> None:
        self.size += len(data)
        for each in self._sums.values():
            each.update(data)

    def _begin_sums(self) -> None:
        self._sums = {name: hashlib.new(name, usedforsecurity=name != "md5") for name in self._algorithms}


def receive(opened: Opened, draft: Draft, progress: Progress, room: Room, url: str, slow_s: float) -> None:
    """All of it, to the draft's end. Errors: InvalidRequest (too large), Unavailable (no room), DeviceUnreachable (it
    ended before its end, or is too slow), Lost."""
    what = shown(url)
    if opened.total is not None:
        check_size(opened.total, room.most, what)
    room.need(0 if opened.total is None else opened.total - draft.size)
    progress.total = opened.total
    progress.synced = min(progress.synced, draft.size)
    room_at = draft.size + ROOM_BYTES
    sync_at = time.monotonic() + SYNC_S
    pace = _Pace(slow_s, draft.size)
    try:
        for data in opened.data:
            progress.check()
            draft.write(data)
            metrics.FETCHED_BYTES.inc(len(data))
            if draft.size > room.most:
                check_size(draft.size, room.most, f"{what} does not say its size, and so far")
            if draft.size >= room_at:
                room.need(0)
                room_at = draft.size + ROOM_BYTES
            if time.monotonic() >= sync_at:
                draft.sync()
                progress.synced = draft.size
                sync_at = time.monotonic() + SYNC_S
                pace.check(draft.size, what)
    except OSError as error:
        raise full_or_broken(error, draft.size, room) from error
    finally:
        _sync_quietly(draft, progress)
    if opened.total is not None and draft.size != opened.total:
        raise DeviceUnreachable(
            f"{what}: the server said {opened.total} bytes ({amount(opened.total)}) and sent {draft.size}. It is cut "
            "short where it comes from or on the way: fetch it by hand to see, and have it published anew"
        )


class _Pace:
    """Whether it comes fast enough."""

    def __init__(self, slow_s: float, size: int) -> None:
        self._slow_s, self._size, self._at = slow_s, size, time.monotonic()

    def check(self, size: int, what: str) -> None:
        """Errors: DeviceUnreachable."""
        now = time.monotonic()
        if now - self._at < self._slow_s:
            return
        if size - self._size < SLOW_BYTES:
            raise DeviceUnreachable(
                f"{what} comes too slowly: {size - self._size} bytes in {now - self._at:.0f} s; less than {SLOW_BYTES}"
            )
        self._size, self._at = size, now


def full_or_broken(error: OSError, size: int, room: Room) -> SteelyardError:
    """What is told when the folder does not take more."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = room.free_bytes() - room.spare
        return Unavailable(
            f"boot's folder took no more after {size} bytes ({error.strerror}): {no_room(1, free, room.spare)}"
        )
    return Unavailable(f"boot's folder of artifacts failed: {error.strerror}")


def _sync_quietly(draft: Draft, progress: Progress) -> None:
    """So that whoever continues can; if it cannot be, less is continued."""
    try:
        draft.sync()
    except OSError:
        return
    progress.synced = draft.size
