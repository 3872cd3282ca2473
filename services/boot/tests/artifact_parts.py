"""Boot's artifacts as tests put them together: a folder, a database, a source on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steelyard_boot.domain.artifacts import Artifact, Fetching, Wish
from steelyard_boot.keeping import ArtifactParts, make_artifacts
from steelyard_boot.settings import Settings
from steelyard_common.db import Database
from steelyard_common.health import Parts
from steelyard_common.provider import Clock
from steelyard_common.secrets import Sealer
from steelyard_common.testing import eventually

KEY = Sealer.new_key()
BASE = "http://boot.example:8089"


def now() -> datetime:
    return datetime.now(UTC)


def settings(folder: Path, **changed: Any) -> Settings:
    base = Settings(
        database_url="", seal_keys=KEY, artifacts_dir=folder, boot_url=BASE, instance="boot-1.test",
        artifacts_spare_bytes=0, artifacts_stall_s=60,
    )  # fmt: skip
    return replace(base, **changed)


@contextmanager
def running(
    database: Database, folder: Path, *, clock: Clock = now, free_bytes: Callable[[], int] | None = None,
    lease_s: float = 60, slow_s: float = 60, **changed: Any,
) -> Iterator[ArtifactParts]:  # fmt: skip
    """One replica. Errors that may pass are tried again after no time."""
    made = make_artifacts(
        settings(folder, **changed),
        database,
        clock,
        free_bytes=free_bytes,
        pauses_s=[0.0] * 3,
        lease_s=lease_s,
        slow_s=slow_s,
    )
    parts = Parts()
    made.start(parts)
    try:
        yield made
    finally:
        parts.stop()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def image(url: str, data: bytes, **more: Any) -> Wish:
    return Wish(url=url, kind="image", checksum=f"sha256:{sha256(data)}", **more)


def arrived(made: ArtifactParts, wish: Wish, timeout_s: float = 120, clock: Clock = now) -> Artifact:
    """Wait for it. Errors: as ``want``."""

    def ask() -> Artifact | None:
        answer = made.artifacts.want(wish, clock())
        return None if isinstance(answer, Fetching) else answer

    found = eventually(ask, timeout_s=timeout_s, every_s=0.02)
    assert found is not None
    return found
