"""A log of another program, followed from its end on, through rotation."""

from __future__ import annotations

from pathlib import Path

from steelyard_common.telemetry import get_logger

log = get_logger(__name__)
MOST_BYTES, MOST_LINES = 1 << 20, 5_000  # at once


class LogFile:
    """``path`` None: there is none. ``is_read``: the last look could read it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._place: tuple[int, int] | None = None  # inode, offset
        self.is_read = False
        self._is_missed = False

    def skip(self) -> None:
        """What stands in it already is past."""
        if self._path is not None:
            try:
                about = self._path.stat()
            except OSError as error:
                self._missed(error)
            else:
                self._place, self.is_read = (about.st_ino, about.st_size), True

    def lines(self) -> list[str]:
        """Whole ones that are new; none while it cannot be read, which is said once."""
        if self._path is None:
            return []
        try:
            about = self._path.stat()
            inode, offset = self._place or (about.st_ino, 0)
            if inode != about.st_ino or about.st_size < offset:
                offset = 0  # turned over
            with self._path.open("rb") as file:
                file.seek(offset)
                data = file.read(MOST_BYTES)
        except OSError as error:
            self._missed(error)
            return []
        self.is_read, self._is_missed = True, False
        whole = data.rpartition(b"\n")[0]
        self._place = (about.st_ino, offset + len(whole) + (1 if whole else 0))
        return whole.decode("utf-8", "replace").splitlines()[:MOST_LINES]

    def _missed(self, error: OSError) -> None:
        self.is_read = False
        if not self._is_missed:
            self._is_missed = True
            log.warning("a log cannot be read: boots are told without it", file=str(self._path), reason=str(error))
