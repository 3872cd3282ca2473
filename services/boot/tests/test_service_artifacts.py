"""Artifacts end to end: a real server, a real folder, a real database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from steelyard_boot.domain.artifacts import Wish
from steelyard_common.db import Database

from services.boot.tests.artifact_parts import BASE, arrived, image, now, running, sha256
from services.boot.tests.source_server import Source, serving

DATA = bytes(range(256)) * 4096 * 3  # 3 MiB


@pytest.fixture
def source() -> Iterator[Source]:
    with serving() as made:
        yield made


def test_what_is_wished_is_fetched_checked_and_has_a_url(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/images/node.img", DATA)
    with running(database, tmp_path) as made:
        artifact = arrived(made, image(url, DATA))

    assert (artifact.sha256, artifact.format) == (sha256(DATA), "raw")
    assert artifact.size == artifact.virtual_size == len(DATA)
    assert artifact.url == f"{BASE}/artifacts/{sha256(DATA)}/node.img"


def test_three_hundred_who_wish_the_same_cause_one_download(
    database: Database, tmp_path: Path, source: Source
) -> None:  # fmt: skip
    url = source.put("/node.img", DATA, pause_s=0.02)
    with running(database, tmp_path / "a") as one, running(database, tmp_path / "a", instance="boot-2.test") as two:
        with ThreadPoolExecutor(32) as pool:
            found = list(pool.map(lambda n: arrived((one, two)[n % 2], image(url, DATA)), range(300)))

        assert {each.sha256 for each in found} == {sha256(DATA)}
    assert source.requests["/node.img"] == 1
    assert [each for each in (tmp_path / "a" / "files").rglob("*") if each.is_file()] != []
    assert list((tmp_path / "a" / "drafts").iterdir()) == []


def test_a_kernel_needs_no_checksum(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/vmlinuz", b"kernel")
    with running(database, tmp_path) as made:
        assert arrived(made, Wish(url=url, kind="kernel")).format == "kernel"
        assert made.artifacts.want(Wish(url=url, kind="kernel"), now())
    assert source.requests["/vmlinuz"] == 1
