"""Logs that agents left: files in a folder, the oldest of them gone after a while."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path

_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
SUFFIX = ".tar.gz"


class AgentLogs:
    """``folder`` None: nothing is kept."""

    def __init__(self, folder: Path | None, *, days: int = 30) -> None:
        self._folder, self._days = folder, days

    @property
    def is_on(self) -> bool:
        return self._folder is not None

    def keep(self, node_uuid: str, purpose: str, content: bytes, now: datetime) -> Path | None:
        """→ the file. Errors: OSError."""
        if self._folder is None:
            return None
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._tidy(now)
        name = _SAFE.sub("-", f"{node_uuid}_{now:%Y%m%dT%H%M%S}_{purpose}") + SUFFIX
        draft = self._folder / f".{name}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        return draft.rename(self._folder / name)

    def _tidy(self, now: datetime) -> None:
        """Errors: OSError."""
        assert self._folder is not None  # noqa: S101 - the caller looked
        oldest = (now - timedelta(days=self._days)).timestamp()
        for file in self._folder.glob(f"*{SUFFIX}"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)
