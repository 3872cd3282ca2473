"""A data folder as ``steelyard up`` leaves it before anything is created: made once a test run, copied for each suite.

A new suite's first seconds go into setting up PostgreSQL, its schemas and credentials, which are the same each time.
"""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

from steelyard_common.embedded import EmbeddedPostgres

from .credentials import keep
from .layout import Layout
from .schemas import bring_up_to_date
from .suite import WITH_DATABASE

# Safe for suites whose processes are killed: only a machine that stops would lose anything.
UNSAFE = "fsync = off\nfull_page_writes = off\n"


class Prepared:
    """Below ``folder``; any number of processes may copy it at once, and the first makes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def copy_to(self, data: Path) -> None:
        """Into an empty folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        done = self._folder / "data"
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                draft = Layout(self._folder / "draft")
                _make(draft)
                draft.root.rename(done)
        subprocess.run(["cp", "-a", f"{done}/.", str(data)], check=True)  # keeps owners: PostgreSQL's may be another


def _make(layout: Layout) -> None:
    layout.prepare()
    server = EmbeddedPostgres(layout.postgres, password=keep(layout).postgres)
    try:
        bring_up_to_date(server.start(), WITH_DATABASE)
    finally:
        server.stop()
    with (layout.postgres / "cluster" / "postgresql.conf").open("a") as config:
        config.write(UNSAFE)
