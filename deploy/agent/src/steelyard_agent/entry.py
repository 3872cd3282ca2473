"""What a boot loader would start, and the one way to say that it cannot be started from here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class CannotStart(Exception):
    """Why this instance cannot be started by kexec, for the operator: what was found, and where."""


@dataclass(frozen=True, kw_only=True)
class File:
    """``path`` is where it can be read now; ``name`` is where it is on the instance's disk."""

    path: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """``loader``: whose default this is, for people. ``initrds`` in the order in which the kernel reads them."""

    loader: str
    kernel: File
    initrds: tuple[File, ...]
    arguments: str
