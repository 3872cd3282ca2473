"""What goes and what stays: by reference, by use, by size, after crashes."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from steelyard_boot.domain.artifacts import Artifact, Wish
from steelyard_boot.keeping import ArtifactParts, make_artifacts
from steelyard_boot.service.artifacts import place
from steelyard_boot.store import artifacts as store
from steelyard_boot.store import fetches
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest
from steelyard_common.testing import SetClock

from services.boot.tests.artifact_parts import arrived, image, running, settings, sha256
from services.boot.tests.source_server import Source, serving

WEEK_S = 7 * 86400


@pytest.fixture
def made(database: Database, tmp_path: Path, clock: SetClock) -> ArtifactParts:
    """Not started: turns are taken by the test."""
    return make_artifacts(settings(tmp_path, artifacts_keep_bytes=100_000), database, clock)


@pytest.fixture
def source() -> Iterator[Source]:
    with serving() as running_source:
        yield running_source


def add(made: ArtifactParts, clock: SetClock, size: int = 4096) -> Artifact:
    return made.artifacts.add(io.BytesIO(os.urandom(size)), "thing", "ramdisk", clock())


def is_there(made: ArtifactParts, artifact: Artifact) -> bool:
    """The row and the file, or neither."""
    row, stored = made.artifacts.get(artifact.key), made.reading.open(artifact.key)
    if stored is not None:
        stored.file.close()
        made.reading.done(artifact.key, 0)
        made.reading._read.clear()  # a look of the test is no use
    assert (row is None) == (stored is None)
    return row is not None


def test_what_nobody_needs_goes_after_a_while(made: ArtifactParts, clock: SetClock) -> None:
    old = add(made, clock)
    clock.advance(WEEK_S - 10)
    young = add(made, clock)
    made.collector.collect()
    assert is_there(made, old)
    clock.advance(20)
    assert made.collector.collect() == 4096
    assert not is_there(made, old)
    assert is_there(made, young)


def test_what_is_referred_to_stays_until_it_is_released(made: ArtifactParts, clock: SetClock) -> None:
    kept = add(made, clock)
    made.artifacts.keep("node:1:deploy", kept)
    made.artifacts.keep("node:1:rescue", kept)
    clock.advance(10 * WEEK_S)
    made.collector.collect()
    assert is_there(made, kept)
    made.artifacts.release("node:1:deploy")
    made.collector.collect()
    assert is_there(made, kept)
    made.artifacts.release("node:1:")
    made.collector.collect()
    assert not is_there(made, kept)


def test_only_what_begins_so_is_released(made: ArtifactParts, clock: SetClock) -> None:
    kept = add(made, clock)
    for reference in ("node:1_:a", "node:1%:a", "node:10:a"):
        made.artifacts.keep(reference, kept)
    made.artifacts.release("node:1_:")
    made.artifacts.release("node:1%")
    clock.advance(10 * WEEK_S)
    made.collector.collect()
    assert is_there(made, kept)
    made.artifacts.release("node:10:")
    made.collector.collect()
    assert not is_there(made, kept)
    with pytest.raises(InvalidRequest):
        made.artifacts.release("")


def test_a_wish_that_is_kept_before_it_is_fetched_stays(
    database: Database, tmp_path: Path, source: Source, clock: SetClock
) -> None:
    wish = Wish(url=source.put("/k", b"kernel"), kind="kernel")
    with running(database, tmp_path) as made:
        made.artifacts.keep("node:1:deploy", wish)
        made.artifacts.keep("node:1:deploy", wish)
        artifact = arrived(made, wish)
        made.artifacts.keep("node:2:deploy", image(wish.url, b"kernel"))
        made.artifacts.release("node:1:")
        with database.read() as connection:
            assert store.referrers(connection, artifact.key, 9) == ["node:2:deploy"]


def test_what_is_used_stays_and_the_least_recently_used_goes_when_there_is_too_much(
    made: ArtifactParts, clock: SetClock
) -> None:
    all_of_it = []
    for _ in range(5):
        all_of_it.append(add(made, clock, 32768))
        clock.advance(600)
    stored = made.reading.open(all_of_it[0].key)
    assert stored is not None
    made.reading.tell()
    made.collector.collect()

    assert [is_there(made, each) for each in all_of_it] == [True, False, False, True, True]
    assert stored.file.read(1) != b""
    stored.file.close()
    made.reading.done(all_of_it[0].key, 0)


def test_what_was_just_used_stays_whatever_the_size(made: ArtifactParts, clock: SetClock) -> None:
    all_of_it = [add(made, clock, 65536) for _ in range(4)]
    assert made.collector.collect() == 0
    assert all(is_there(made, each) for each in all_of_it)


def test_room_is_made_by_what_nobody_needs(database: Database, tmp_path: Path, source: Source, clock: SetClock) -> None:
    free = {"bytes": 0}
    data = os.urandom(50_000)
    wish = image(source.put("/i", data), data)

    def free_bytes() -> int:
        return free["bytes"] - sum(each.stat().st_size for each in (tmp_path / "files").rglob("*") if each.is_file())

    free["bytes"] = 10**9
    with running(database, tmp_path, clock=clock, free_bytes=free_bytes) as made:
        old = add(made, clock, 60_000)
        clock.advance(3600)
        free["bytes"] = 70_000
        assert arrived(made, wish, clock=clock).sha256 == sha256(data)
        assert not is_there(made, old)


def test_two_who_collect_and_one_who_adds_leave_row_and_file_together(
    made: ArtifactParts, database: Database, tmp_path: Path, clock: SetClock
) -> None:
    data = os.urandom(4096)
    first = made.artifacts.add(io.BytesIO(data), "thing", "ramdisk", clock())
    clock.advance(2 * WEEK_S)
    with database.begin() as transaction:
        store.lock(transaction.connection, first.key)
        assert store.drop(transaction.connection, first.key, clock())
        (tmp_path / "files" / first.key[:2] / first.key).unlink()
    again = made.artifacts.add(io.BytesIO(data), "thing", "ramdisk", clock())
    assert again.key == first.key
    made.collector.collect()
    assert is_there(made, again)


def test_a_crash_between_file_and_row_is_healed(
    made: ArtifactParts, database: Database, tmp_path: Path, clock: SetClock
) -> None:
    orphan, draft = tmp_path / "files" / "ab" / ("ab" + "0" * 62), tmp_path / "drafts" / "fetch-99.0"
    orphan.parent.mkdir()
    for file in (orphan, draft):
        file.write_bytes(b"left")
    made.collector.collect()
    assert orphan.exists()  # it may be just being placed
    os.utime(draft, (0, 0))
    made.collector._sweep(clock(), older_than_s=-1)
    assert not orphan.exists()
    assert not draft.exists()


def test_a_draft_that_is_needed_is_not_swept(
    made: ArtifactParts, database: Database, tmp_path: Path, clock: SetClock
) -> None:
    made.artifacts.want(Wish(url="http://192.0.2.1/k", kind="kernel"), clock())
    with database.read() as connection:
        [number] = fetches.open_ids(connection)
    draft = tmp_path / "drafts" / f"fetch-{number}.0"
    draft.write_bytes(b"half")
    os.utime(draft, (time.time() - 9999,) * 2)
    made.collector.collect()
    assert draft.exists()


def test_a_crash_before_the_row_leaves_no_artifact(
    made: ArtifactParts, database: Database, tmp_path: Path, clock: SetClock
) -> None:
    class Dies:
        """A storage that dies after it placed the file."""

        def __init__(self) -> None:
            self.placed = False

        def bring(self, draft: Path, key: str) -> None:
            """Nothing."""

        def place(self, draft: Path, key: str) -> None:
            draft.rename(tmp_path / key)
            raise KeyboardInterrupt

    draft = tmp_path / "draft"
    draft.write_bytes(b"x")
    row = {"key": "k" * 43, "sha256": "s", "kind": "iso", "name": "n", "format": "iso", "virtual_size": 1}
    with pytest.raises(KeyboardInterrupt):
        place(database, Dies(), draft, row, clock())  # type: ignore[arg-type]
    assert made.artifacts.get("k" * 43) is None
