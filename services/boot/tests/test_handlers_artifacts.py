"""Artifacts as machines read them: ranges, conditions, names that lead elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from steelyard_boot.domain.artifacts import Artifact
from steelyard_boot.handlers import artifacts as handler
from steelyard_boot.handlers.http import make_app
from steelyard_boot.keeping import ArtifactParts
from steelyard_common.db import Database
from steelyard_common.testing import eventually

from services.boot.tests.artifact_parts import now, running, sha256

DATA = bytes(range(256)) * 40


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Iterator[ArtifactParts]:
    with running(database, tmp_path) as parts:
        yield parts


@pytest.fixture
def artifact(made: ArtifactParts) -> Artifact:
    return made.artifacts.add(io.BytesIO(DATA), "vmlinuz", "kernel", now())


@pytest.fixture
def client(made: ArtifactParts) -> FlaskClient:
    return make_app([handler.blueprint(made.reading)]).test_client()


def ask(client: FlaskClient, artifact: Artifact, method: str = "GET", **headers: str) -> Any:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.open(f"/artifacts/{artifact.key}/{artifact.name}", method=method, headers=told)


def test_whoever_knows_the_checksum_reads_the_whole(client: FlaskClient, artifact: Artifact) -> None:
    for url in (artifact.url, f"/artifacts/{artifact.sha256}"):
        answer = client.get(url)
        assert (answer.status_code, answer.data) == (200, DATA)
        assert answer.headers["ETag"] == f'"{sha256(DATA)}"'
        assert answer.headers["Content-Length"] == str(len(DATA))
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.last_modified is not None
        assert "immutable" in answer.headers["Cache-Control"]


def test_a_head_tells_all_but_the_content(client: FlaskClient, artifact: Artifact) -> None:
    answer = ask(client, artifact, "HEAD")
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(DATA))
    part = ask(client, artifact, "HEAD", Range="bytes=0-9")
    assert (part.status_code, part.headers["Content-Length"]) == (206, "10")


@pytest.mark.parametrize(
    ("asked", "begin", "end"), [("bytes=0-0", 0, 1), ("bytes=100-", 100, None), ("bytes=-7", -7, None)]
)
def test_a_part_is_told_as_one(client: FlaskClient, artifact: Artifact, asked: str, begin: int, end: int) -> None:
    answer = ask(client, artifact, Range=asked)
    assert (answer.status_code, answer.data) == (206, DATA[begin:end])
    assert re.fullmatch(rf"bytes \d+-\d+/{len(DATA)}", answer.headers["Content-Range"])
    assert answer.headers["Content-Length"] == str(len(answer.data))


def test_several_parts_come_in_one_answer(client: FlaskClient, artifact: Artifact) -> None:
    answer = ask(client, artifact, Range="bytes=0-1,-2")
    boundary = answer.headers["Content-Type"].removeprefix("multipart/byteranges; boundary=").encode()
    parts = answer.data.split(b"\r\n--" + boundary)
    assert answer.status_code == 206
    assert [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]] == [DATA[:2], DATA[-2:]]
    assert parts[-1] == b"--\r\n"
    assert answer.headers["Content-Length"] == str(len(answer.data))


def test_large_parts_are_answered_by_the_whole(client: FlaskClient, made: ArtifactParts) -> None:
    data = bytes(6 << 20)
    large = made.artifacts.add(io.BytesIO(data), "i", "ramdisk", now())
    answer = ask(client, large, Range="bytes=0-3000000,4000000-6000000")
    assert (answer.status_code, len(answer.data)) == (200, len(data))


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=0-5,3-9"])
def test_a_part_that_is_not_there_is_refused(client: FlaskClient, artifact: Artifact, asked: str) -> None:
    answer = ask(client, artifact, Range=asked)
    assert (answer.status_code, answer.data) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(DATA)}"


def test_what_the_reader_has_is_not_sent_again(client: FlaskClient, artifact: Artifact) -> None:
    first = ask(client, artifact)
    tag, changed = first.headers["ETag"], first.headers["Last-Modified"]
    for headers in ({"If_None_Match": tag}, {"If_None_Match": f'"x", W/{tag}'}, {"If_None_Match": "*"},
                    {"If_Modified_Since": changed}):  # fmt: skip
        answer = ask(client, artifact, **headers)
        assert (answer.status_code, answer.data) == (304, b"")
        assert answer.headers["ETag"] == tag
    assert ask(client, artifact, If_None_Match='"other"', If_Modified_Since=changed).status_code == 200
    assert ask(client, artifact, If_Modified_Since="Thu, 01 Jan 1970 00:00:00 GMT").status_code == 200


def test_a_part_of_something_else_is_answered_by_the_whole(client: FlaskClient, artifact: Artifact) -> None:
    changed = ask(client, artifact).headers["Last-Modified"]
    for condition, status in [(f'"{artifact.key}"', 206), (changed, 206), ('"other"', 200),
                              (f'W/"{artifact.key}"', 200), ("Thu, 01 Jan 1970 00:00:00 GMT", 200)]:  # fmt: skip
        assert ask(client, artifact, Range="bytes=0-1", If_Range=condition).status_code == status


def test_a_name_that_is_no_key_leads_nowhere(client: FlaskClient, artifact: Artifact) -> None:
    for path in (
        "0" * 64, "..%2f..%2fetc%2fpasswd", "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "....//....//etc/passwd",
        "A" * 64, "%00", "/etc/passwd", ".", "", "files/../drafts", "x/y/z", "0" * 63 + "%0a",
        f"{artifact.key}/../../x",
    ):  # fmt: skip
        answer = client.get(f"/artifacts/{path}", follow_redirects=True)
        assert answer.status_code == 404
        assert b"root:" not in answer.data


def test_what_is_not_whole_is_not_served(client: FlaskClient, tmp_path: Path) -> None:
    name = "f" * 64
    (tmp_path / "drafts" / name).write_bytes(b"half")
    assert client.get(f"/artifacts/{name}").status_code == 404
    assert client.get(f"/artifacts/../drafts/{name}").status_code == 404


def test_what_has_a_secret_name_is_found_by_that_alone(client: FlaskClient, made: ArtifactParts) -> None:
    drive = made.artifacts.add(io.BytesIO(b"secret"), "drive.img", "configdrive", now(), secret_name=True)
    assert client.get(drive.url).data == b"secret"
    assert client.get(f"/artifacts/{drive.sha256}").status_code == 404
    assert drive.key not in repr(drive)


def test_what_may_not_be_done_is_told(client: FlaskClient, artifact: Artifact) -> None:
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert ask(client, artifact, method).status_code in (400, 405)
    assert client.get(artifact.url).data == DATA


def test_what_is_read_is_in_use(client: FlaskClient, made: ArtifactParts, artifact: Artifact) -> None:
    before = datetime.now(UTC)
    client.get(artifact.url)
    made.reading.tell()

    def used() -> bool:
        found = made.artifacts.get(artifact.key)
        return found is not None and found.used_at >= before

    eventually(used)
