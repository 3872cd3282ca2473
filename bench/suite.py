"""The suite under measure: a fresh `steelyard up` in the foreground, in a folder of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steelyard_local.testing import running_suite

from .accounting import Tree
from .client import Api


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A running control plane and what its processes have used."""

    api: Api
    tree: Tree
    data: Path


@contextlib.contextmanager
def running(*options: str, environment: dict[str, str] | None = None) -> Iterator[Suite]:
    """``steelyard up`` with these options."""
    with running_suite(*options, environment=environment) as suite:
        yield Suite(api=Api(suite.url), tree=Tree(root=suite.pid), data=suite.data)
