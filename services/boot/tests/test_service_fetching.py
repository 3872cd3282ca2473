"""Fetches under bad servers, full disks and dying replicas."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from steelyard_boot.domain.artifacts import Fetching, Wish
from steelyard_boot.handlers.steps import settled
from steelyard_boot.service.fetching import Job
from steelyard_boot.service.transfer import Progress
from steelyard_boot.store import artifacts, fetches
from steelyard_common.contracts.steps import Done, Failed, Step
from steelyard_common.db import Database
from steelyard_common.errors import (
    Conflict,
    DeviceUnreachable,
    Forbidden,
    InvalidRequest,
    NotFound,
    SteelyardError,
    Unavailable,
    Unsupported,
)
from steelyard_common.provider import Slice
from steelyard_common.secrets import Sealer
from steelyard_common.testing import SetClock, eventually

from services.boot.tests import image_headers as heads
from services.boot.tests.artifact_parts import KEY, arrived, image, now, running, sha256
from services.boot.tests.source_server import PIECE, Source, serving

DATA = os.urandom(1024) * 1024  # 1 MiB
MIB = 1 << 20


@pytest.fixture
def source() -> Iterator[Source]:
    with serving() as made:
        yield made


def refusal(database: Database, folder: Path, wish: Wish, kind: type[SteelyardError], **changed: Any) -> str:
    """What is told of a wish that fails; nothing of it stays on the folder."""
    with running(database, folder, **changed) as made, pytest.raises(kind) as caught:
        arrived(made, wish)
    assert [each for each in folder.rglob("*") if each.is_file()] == []
    return str(caught.value)


def test_another_content_than_was_meant_is_refused_with_both_sums(
    database: Database, tmp_path: Path, source: Source
) -> None:
    url = source.put("/i.img", DATA)
    told = refusal(database, tmp_path, image(url, b"meant"), InvalidRequest)
    assert sha256(DATA) in told
    assert sha256(b"meant") in told
    assert "publisher" in told


@pytest.mark.parametrize("algorithm", ["sha512", "md5"])
def test_other_checksums_are_held_to_too(
    database: Database, tmp_path: Path, source: Source, algorithm: str
) -> None:  # fmt: skip
    url = source.put("/i.img", DATA)
    value = hashlib.new(algorithm, DATA, usedforsecurity=False).hexdigest()
    good = Wish(url=url, kind="image", checksum=f"{algorithm}:{value}")
    bad = Wish(url=url, kind="image", checksum=f"{algorithm}:{value[::-1]}")
    with running(database, tmp_path, allow_md5=True) as made:
        assert arrived(made, good).sha256 == sha256(DATA)
        assert arrived(made, good).sha256 == sha256(DATA)
        with pytest.raises(InvalidRequest, match=value):
            arrived(made, bad)
    assert source.requests["/i.img"] == 2


def test_a_checksum_file_beside_the_image_is_asked(
    database: Database, tmp_path: Path, source: Source, clock: SetClock
) -> None:  # fmt: skip
    url = source.put("/v1/i.img", DATA)
    sums = source.put("/v1/SHA256SUMS", f"{sha256(b'x')}  other.img\n{sha256(DATA)} *i.img\n".encode())
    wish = Wish(url=url, kind="image", checksum=sums)
    with running(database, tmp_path, clock=clock) as made:
        assert arrived(made, wish, clock=clock).sha256 == sha256(DATA)
        clock.advance(301)
        assert arrived(made, wish, clock=clock).sha256 == sha256(DATA)
    assert source.requests["/v1/SHA256SUMS"] == 2
    assert source.requests["/v1/i.img"] == 1


@pytest.mark.parametrize(
    ("status", "kind", "word"),
    [(404, NotFound, "404"), (410, NotFound, "410"), (401, Forbidden, "authorization"), (403, Forbidden, "403"),
     (400, InvalidRequest, "400"), (302, InvalidRequest, "where to")],
)  # fmt: skip
def test_a_refusal_is_told_at_once_with_the_servers_answer(
    database: Database, tmp_path: Path, source: Source, status: int, kind: type[SteelyardError], word: str
) -> None:
    url = source.put("/i.img", DATA, statuses=[status] * 9)
    assert word in refusal(database, tmp_path, image(url, DATA), kind)
    assert source.requests["/i.img"] == 1


def test_a_failure_that_passes_is_not_told(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/i.img", DATA, statuses=[500, 503, 429])
    with running(database, tmp_path) as made:
        assert arrived(made, image(url, DATA)).size == len(DATA)
    assert source.requests["/i.img"] == 4


def test_a_failure_that_stays_is_told_after_some_tries(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/i.img", DATA, statuses=[500] * 99)
    told = refusal(database, tmp_path, image(url, DATA), DeviceUnreachable)
    assert "500" in told
    assert source.requests["/i.img"] == 4


def test_a_failure_is_told_to_all_for_a_while_and_then_tried_again(
    database: Database, tmp_path: Path, source: Source, clock: SetClock
) -> None:
    url = source.put("/i.img", DATA, statuses=[404])
    wish = image(url, DATA)
    with running(database, tmp_path, clock=clock) as made:
        for _ in range(3):
            with pytest.raises(NotFound):
                eventually(lambda: not isinstance(made.artifacts.want(wish, clock()), Fetching))
        clock.advance(60)
        assert isinstance(made.artifacts.want(wish, clock()), Fetching)
        eventually(lambda: not isinstance(made.artifacts.want(wish, clock()), Fetching))
    assert source.requests["/i.img"] == 2


def test_what_was_cut_is_continued_where_it_ended(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/i.img", DATA, cut_at=5 * PIECE, cuts=1, etag='"one"')
    with running(database, tmp_path) as made:
        assert arrived(made, image(url, DATA)).size == len(DATA)
    assert source.files["/i.img"].told[1]["Range"] == f"bytes={5 * PIECE}-"
    assert source.files["/i.img"].told[1]["If-Range"] == '"one"'
    assert source.sent["/i.img"] == len(DATA)


def test_without_ranges_it_is_fetched_from_its_beginning(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/i.img", DATA, cut_at=5 * PIECE, cuts=1, has_ranges=False)
    with running(database, tmp_path) as made:
        assert arrived(made, image(url, DATA)).size == len(DATA)
    assert source.sent["/i.img"] == len(DATA) + 5 * PIECE


def test_what_is_always_cut_at_the_same_place_is_given_up(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/i.img", DATA, cut_at=5 * PIECE, has_ranges=False)
    told = refusal(database, tmp_path, image(url, DATA), DeviceUnreachable)
    assert f"{len(DATA)} bytes" in told
    assert f"sent {5 * PIECE}" in told


def test_what_changes_while_it_is_continued_is_fetched_anew(
    database: Database, tmp_path: Path, source: Source
) -> None:  # fmt: skip
    other, changed = bytes(reversed(DATA)), threading.Event()
    url = source.put("/k", DATA, cut_at=5 * PIECE, cuts=1, etag='"one"', hold=changed, hold_at=4 * PIECE)
    with running(database, tmp_path) as made:
        wish = Wish(url=url, kind="kernel")
        made.artifacts.want(wish, now())
        eventually(lambda: source.sent["/k"] >= 4 * PIECE)
        source.put("/k", other, etag='"two"')
        changed.set()
        assert arrived(made, wish).sha256 == sha256(other)
    assert source.files["/k"].told[0]["Range"] == f"bytes={5 * PIECE}-"


def test_who_sends_nothing_is_left(database: Database, tmp_path: Path, source: Source) -> None:
    hold = threading.Event()
    url = source.put("/i.img", DATA, hold=hold, hold_at=PIECE)
    told = refusal(database, tmp_path, image(url, DATA), DeviceUnreachable, artifacts_stall_s=0.2)
    assert "nothing came for too long" in told


def test_who_sends_too_slowly_is_left_when_the_time_is_over(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/i.img", DATA * 8, pause_s=0.3)
    told = refusal(database, tmp_path, image(url, DATA * 8), SteelyardError, artifacts_whole_s=1.5)
    assert "within 1.5 s" in told


def test_who_sends_too_little_is_left_and_keeps_nobody_waiting(
    database: Database, tmp_path: Path, source: Source
) -> None:  # fmt: skip
    url = source.put("/i.img", DATA * 8, pause_s=0.4)
    told = refusal(database, tmp_path, image(url, DATA * 8), DeviceUnreachable, slow_s=0.5)
    assert "comes too slowly" in told
    assert source.requests["/i.img"] == 4


def test_what_authorizes_reaches_the_source_and_stands_nowhere(
    database: Database, tmp_path: Path, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    sealer = Sealer.from_text(KEY)
    url = source.put("/k", b"kernel", needs="Bearer hidden-1")
    good = Wish(url=f"{url}?signature=hidden-2", kind="kernel", authorization=sealer.seal("Bearer hidden-1"))
    bad = replace(good, authorization=sealer.seal("Bearer hidden-3"))
    with running(database, tmp_path) as made:
        assert arrived(made, good).sha256 == sha256(b"kernel")
        assert arrived(made, replace(good, authorization=sealer.seal("Bearer hidden-1"))).name == "k"
        with pytest.raises(Forbidden) as caught:
            arrived(made, bad)
    with database.read() as connection:
        rows = [*fetches.under_way(connection, 9), *artifacts.page(connection, None, 9, None)]
    assert source.requests["/k"] == 2
    assert "hidden" not in f"{caught.value} {good!r} {caplog.text} {[row['wish']['authorization'] for row in rows[:1]]}"
    assert "hidden" not in str([{**row, "url": "", "wish": ""} for row in rows])


def test_nobody_listens(database: Database, tmp_path: Path) -> None:
    told = refusal(database, tmp_path, image("http://127.0.0.1:1/i.img", DATA), DeviceUnreachable)
    assert "127.0.0.1 cannot be reached" in told


def test_chunks_are_taken_and_an_end_in_the_middle_is_noticed(
    database: Database, tmp_path: Path, source: Source
) -> None:  # fmt: skip
    url = source.put("/i.img", DATA, is_chunked=True, cut_at=3 * PIECE, cuts=1, has_ranges=False)
    with running(database, tmp_path) as made:
        assert arrived(made, image(url, DATA)).size == len(DATA)
    assert source.requests["/i.img"] == 2


@pytest.mark.parametrize("how", [{"length": 1 << 50}, {"is_chunked": True}])
def test_what_is_too_large_is_refused_with_the_numbers(
    database: Database, tmp_path: Path, source: Source, how: dict[str, Any]
) -> None:
    url = source.put("/i.img", DATA, **how)
    told = refusal(database, tmp_path, image(url, DATA), InvalidRequest, artifacts_most_bytes=1000_000)
    assert "at most 1000000" in told
    assert "STEELYARD_ARTIFACTS_MOST_BYTES" in told


def test_what_does_not_fit_is_refused_with_the_numbers(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/i.img", DATA)
    told = refusal(
        database,
        tmp_path,
        image(url, DATA),
        Unavailable,
        free_bytes=lambda: 5 * MIB,
        artifacts_spare_bytes=9 * MIB // 2,
    )
    assert str(len(DATA)) in told
    assert "524288 bytes (512.0 KiB) are free beyond the 4.5 MiB" in told


def test_a_step_fails_when_there_is_no_room_and_does_not_go_round(
    database: Database, tmp_path: Path, source: Source
) -> None:  # fmt: skip
    url = source.put("/i.img", DATA)
    with running(database, tmp_path, free_bytes=lambda: MIB // 2) as made:
        step = settled(lambda _piece: Done(facts={"image": arrived(made, image(url, DATA)).sha256}))
        result = step(Slice(workflow="w", node={}, step=Step(index=0, interface="deploy", name="prepare")))
    assert isinstance(result, Failed)
    assert isinstance(result.error, Conflict)
    assert "Make room" in result.error.message


def test_a_disk_that_fills_while_it_comes_ends_the_fetch(database: Database, tmp_path: Path, source: Source) -> None:
    data = os.urandom(MIB) * 70
    url = source.put("/i.img", data, is_chunked=True)
    free = iter([100 * MIB])
    told = refusal(
        database, tmp_path, image(url, data), Unavailable, free_bytes=lambda: next(free, 0), artifacts_spare_bytes=MIB
    )
    assert "STEELYARD_ARTIFACTS_SPARE_BYTES" in told


@pytest.mark.parametrize(
    ("data", "word"),
    [(heads.qcow2(backing=512), "backing file"), (heads.qcow2(features=4), "data_file"), (heads.vmdk(), "vmdk"),
     (heads.qcow2(size=1 << 50), "the disk of"), (b"", "empty")],
)  # fmt: skip
def test_an_image_that_leads_elsewhere_or_is_none_is_refused(
    database: Database, tmp_path: Path, source: Source, data: bytes, word: str
) -> None:
    url = source.put("/i.img", data)
    assert word in refusal(database, tmp_path, image(url, data), InvalidRequest)


@pytest.mark.parametrize(
    ("data", "name", "virtual"),
    [(heads.qcow2(5 << 30), "qcow2", 5 << 30), (heads.gpt(), "gpt", 65536), (heads.iso(), "iso", 65536),
     (b"anything", "raw", 8)],
)  # fmt: skip
def test_the_format_of_an_image_and_the_size_of_its_disk_are_known(
    database: Database, tmp_path: Path, source: Source, data: bytes, name: str, virtual: int
) -> None:
    url = source.put("/i.img", data)
    with running(database, tmp_path) as made:
        artifact = arrived(made, image(url, data))
    assert artifact.format == name
    assert artifact.virtual_size == virtual or name == "iso"


def test_an_iso_must_be_one_and_a_kernel_no_web_page(database: Database, tmp_path: Path, source: Source) -> None:
    url = source.put("/x.iso", heads.gpt())
    assert "no ISO image" in refusal(database, tmp_path, Wish(url=url, kind="iso"), InvalidRequest)
    page = source.put("/vmlinuz", b"<!DOCTYPE html><h1>Sign in</h1>")
    assert "web page" in refusal(database, tmp_path, Wish(url=page, kind="kernel"), InvalidRequest)
    told = source.put("/vmlinux", b"Sign in", content_type="text/html; charset=utf-8")
    assert "web page" in refusal(database, tmp_path, Wish(url=told, kind="kernel"), InvalidRequest)


def test_what_has_no_checksum_is_asked_for_again_and_fetched_only_when_it_changed(
    database: Database, tmp_path: Path, source: Source, clock: SetClock
) -> None:
    wish = Wish(url=source.put("/vmlinuz", b"one", etag='"1"'), kind="kernel")
    with running(database, tmp_path, clock=clock, artifacts_fresh_s=100) as made:
        assert arrived(made, wish, clock=clock).sha256 == sha256(b"one")
        assert arrived(made, wish, clock=clock).sha256 == sha256(b"one")
        assert source.requests["/vmlinuz"] == 1
        clock.advance(101)
        assert arrived(made, wish, clock=clock).sha256 == sha256(b"one")
        assert (source.requests["/vmlinuz"], source.sent["/vmlinuz"]) == (2, 3)
        source.put("/vmlinuz", b"two", etag='"2"')
        clock.advance(101)
        assert arrived(made, wish, clock=clock).sha256 == sha256(b"two")


def test_what_was_lost_from_the_folder_is_fetched_again(database: Database, tmp_path: Path, source: Source) -> None:
    wish = image(source.put("/i.img", DATA), DATA)
    with running(database, tmp_path) as made:
        arrived(made, wish)
        next(each for each in (tmp_path / "files").rglob("*") if each.is_file()).unlink()
        assert isinstance(made.artifacts.want(wish, now()), Fetching)
        arrived(made, wish)
    assert source.requests["/i.img"] == 2


def test_so_many_fetches_of_one_host_run_in_all_replicas_together(
    database: Database, tmp_path: Path, source: Source
) -> None:
    hold = threading.Event()
    datas = [os.urandom(100) for _ in range(6)]
    wishes = [image(source.put(f"/{n}", data, hold=hold), data) for n, data in enumerate(datas)]
    with (
        running(database, tmp_path, artifacts_per_host=2) as one,
        running(database, tmp_path, artifacts_per_host=2, instance="boot-2.test") as two,
    ):
        for wish in wishes:
            one.artifacts.want(wish, now())
        two.fetcher.wake()
        eventually(lambda: sum(source.requests.values()) == 2)
        with database.read() as connection:
            assert [row["status"] for row in fetches.under_way(connection, 9)].count("running") == 2
        hold.set()
        for wish in wishes:
            arrived(one, wish)
    assert sum(source.requests.values()) == 6


REPLICA = """
    import resource, sys, time
    from pathlib import Path
    from steelyard_common.db import Database
    from services.boot.tests import artifact_parts as parts
    parts.KEY = sys.argv[3]
    database = Database(sys.argv[1], "boot", pool_size=5)
    if len(sys.argv) > 4:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
    with parts.running(database, Path(sys.argv[2]), instance="boot-9.test"):
        print("runs", flush=True)
        time.sleep(600)
"""


def replica(database_url: str, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(REPLICA), database_url, str(folder), KEY, *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    return process


def test_what_a_killed_replica_left_is_continued_by_another(
    database: Database, database_url: str, tmp_path: Path, source: Source
) -> None:
    hold = threading.Event()
    wish = image(source.put("/i.img", DATA, hold=hold, hold_at=8 * PIECE, pause_s=0.3, etag='"1"'), DATA)
    dying = replica(database_url, tmp_path)
    try:
        with running(database, tmp_path) as asker:
            asker.fetcher.stop()
            asker.artifacts.want(wish, now())

        def synced() -> int:
            with database.read() as connection:
                return max((row["done_bytes"] for row in fetches.under_way(connection, 1)), default=0)

        eventually(lambda: synced() > 2 * PIECE)
    finally:
        dying.send_signal(signal.SIGKILL)
        dying.wait()
        assert dying.stdout is not None
        dying.stdout.close()
    left = synced()
    hold.set()
    clock = SetClock(now() + timedelta(seconds=61))  # its lease is over
    with running(database, tmp_path, clock=clock) as heir:
        assert arrived(heir, wish, clock=clock).size == len(DATA)
    assert source.files["/i.img"].told[1]["Range"] == f"bytes={left}-"
    assert list((tmp_path / "drafts").iterdir()) == []


def test_a_file_system_that_takes_no_more_is_told(
    database: Database, database_url: str, tmp_path: Path, source: Source
) -> None:
    limited = replica(database_url, tmp_path, str(5 * PIECE))
    try:
        with running(database, tmp_path) as asker:
            asker.fetcher.stop()
            with pytest.raises(Unavailable, match="took no more after 327680 bytes"):
                arrived(asker, image(source.put("/i.img", DATA, is_chunked=True), DATA))
    finally:
        limited.kill()
        limited.wait()
        assert limited.stdout is not None
        limited.stdout.close()
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_a_replica_that_stops_hands_on_what_it_has(database: Database, tmp_path: Path, source: Source) -> None:
    hold = threading.Event()
    wish = image(source.put("/i.img", DATA, hold=hold, hold_at=4 * PIECE, etag='"1"'), DATA)
    with running(database, tmp_path) as first:
        first.artifacts.want(wish, now())
        eventually(lambda: sum(each.stat().st_size for each in (tmp_path / "drafts").iterdir()) >= 2 * PIECE)
    hold.set()
    with running(database, tmp_path) as second:
        assert arrived(second, wish).size == len(DATA)
    begin = int(source.files["/i.img"].told[1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 2 * PIECE <= begin <= 4 * PIECE


def test_what_is_to_end_before_its_transfer_began_ends_as_it_begins() -> None:
    ended: list[str] = []
    job = Job(row={}, progress=Progress(), until=0)
    job.watch(lambda: ended.append("first"))
    job.cut()
    job.watch(lambda: ended.append("next"))
    assert ended == ["first", "next"]


def script(path: Path, text: str) -> str:
    """A program to be run in the place of qemu-img."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_qcow2_image_is_converted_and_kept_as_raw_alone(database: Database, tmp_path: Path, source: Source) -> None:
    data = heads.qcow2(MIB)
    program = script(tmp_path / "qemu-img", 'for last; do :; done; head -c 1048576 /dev/zero > "$last"')
    wish = image(source.put("/i.qcow2", data), data, convert_to_raw=True)
    with running(database, tmp_path / "a", qemu_img=program) as made:
        artifact = arrived(made, wish)
        again = arrived(made, wish)
    assert (artifact.format, artifact.size, artifact.name) == ("raw", MIB, "i.raw")
    assert artifact.sha256 == again.sha256
    assert source.requests["/i.qcow2"] == 1
    assert len([each for each in (tmp_path / "a").rglob("*") if each.is_file()]) == 1


@pytest.mark.parametrize(
    ("text", "kind", "word", "within_s"),
    [
        ("echo 'qemu-img: bad cluster' >&2; exit 1", InvalidRequest, "bad cluster", 60),
        ("exec sleep 60", Unavailable, "within 0.5 s", 0.5),
        ('for last; do :; done; exec head -c 99000000 /dev/zero > "$last"', InvalidRequest, "converted", 60),
        (None, Unsupported, "qemu-utils", 60),
    ],
)
def test_a_conversion_that_fails_is_told_and_leaves_nothing(
    database: Database, tmp_path: Path, source: Source, text: str | None, kind: type[SteelyardError], word: str,
    within_s: float,
) -> None:  # fmt: skip
    data = heads.qcow2(MIB)
    program = "no-such-qemu-img" if text is None else script(tmp_path / "qemu-img", text)
    wish = image(source.put("/i.qcow2", data), data, convert_to_raw=True)
    told = refusal(database, tmp_path / "a", wish, kind, qemu_img=program, artifacts_convert_s=within_s)
    assert word in told


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
def test_the_real_converter_makes_the_disk_that_the_image_is_of(
    database: Database, tmp_path: Path, source: Source
) -> None:  # fmt: skip
    disk = os.urandom(MIB) + bytes(30 * MIB) + os.urandom(MIB)
    (tmp_path / "disk").write_bytes(disk)
    make = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", str(tmp_path / "disk"), str(tmp_path / "image")]
    subprocess.run(make, check=True)
    data = (tmp_path / "image").read_bytes()
    with running(database, tmp_path / "a") as made:
        artifact = arrived(made, image(source.put("/i.qcow2", data), data, convert_to_raw=True))
    [file] = [each for each in (tmp_path / "a" / "files").rglob("*") if each.is_file()]

    assert (artifact.sha256, artifact.format, artifact.size) == (sha256(disk), "raw", len(disk))
    assert file.stat().st_blocks * 512 < len(disk) // 2, "its holes take no room"
