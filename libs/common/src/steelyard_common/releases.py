"""Releases, and how far two of them are apart: neighbours work side by side (docs/howto/upgrade.md).

A version is `<major>.<minor>.<patch>`; patches of one minor version are the same release to all who meet it.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping

# The last minor version of a major one, once there is a next major one: 0.9 and 1.0 are neighbours if 0: 9 stands here.
LAST_MINOR: Mapping[int, int] = {}
MARK = "steelyard "  # before the version, in the comment of a schema's table alembic_version
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.\d.*)?")


def release_of(version: str) -> tuple[int, int] | None:
    """(major, minor); None: that is no version."""
    found = _VERSION.fullmatch(version.strip())
    return (int(found[1]), int(found[2])) if found else None


def are_neighbours(one: str, other: str) -> bool:
    """Whether they are the same release, or one comes right after the other."""
    first, second = release_of(one), release_of(other)
    if first is None or second is None:
        return False
    older, newer = sorted((first, second))
    if older[0] == newer[0]:
        return newer[1] - older[1] <= 1
    return newer == (older[0] + 1, 0) and LAST_MINOR.get(older[0]) == older[1]


def installed(package: str) -> str:
    """The version of a package of ours; "0" when it is not installed as one."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "0"
