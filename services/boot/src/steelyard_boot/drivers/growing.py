"""A file that is still on its way, and those who read it meanwhile: each follows as far as it has come.

Nobody has the whole before it is known to be what it should be: the last byte is kept back until then.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

from . import Stored


class Growing:
    """``size`` bytes at ``path``, which has that size from the beginning; written by one, who says how far it is."""

    def __init__(self, path: Path, size: int, changed_at: float) -> None:
        self.path, self.size, self.changed_at = path, size, changed_at
        self._came = 0
        self._is_whole = False
        self._error: OSError | None = None
        self._moved = threading.Condition()

    @property
    def left(self) -> int:
        return self.size - self._came

    def came(self, count: int) -> None:
        """So many bytes more can be read."""
        with self._moved:
            self._came += count
            self._moved.notify_all()

    def ended(self, error: OSError | None = None) -> None:
        """It is whole, and right; or it will never be."""
        with self._moved:
            self._is_whole, self._error = error is None, error
            self._moved.notify_all()

    def ready(self) -> int:
        """How many bytes there are to read. Errors: OSError when it will not come."""
        if self._error is not None:
            raise OSError(self._error.errno, self._error.strerror)
        return self.size if self._is_whole else min(self._came, self.size - 1)

    def wait(self, beyond: int) -> int:
        """Until there is more than that, or all. → how many. Errors: OSError when it will not come."""
        with self._moved:
            self._moved.wait_for(lambda: self._error or self._is_whole or self.ready() > beyond)
            return self.ready()

    def open(self) -> Stored | None:
        """From the beginning. None when it has come, or gone."""
        try:
            file = self.path.open("rb", buffering=0)
        except FileNotFoundError:
            return None
        return Stored(file=cast(BinaryIO, _Reader(file, self)), size=self.size, changed_at=self.changed_at)


class _Reader:
    """One who follows. ``ready``: for who must not wait; ``read`` waits."""

    def __init__(self, file: Any, growing: Growing) -> None:
        self._file, self._growing = file, growing
        self.ready = growing.ready

    def fileno(self) -> int:
        return int(self._file.fileno())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def read(self, size: int = -1) -> bytes:
        """So many bytes, and fewer only at the end. Errors: OSError."""
        at = self.tell()
        end = self._growing.size if size < 0 else min(at + size, self._growing.size)
        pieces = []
        while at < end and (piece := self._file.read(min(end, self._growing.wait(at)) - at)):
            pieces.append(piece)
            at += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
