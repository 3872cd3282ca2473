"""Artifacts in an S3-compatible store: two replicas with folders of their own, and what may go wrong there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from moto.server import ThreadedMotoServer
from steelyard_boot.domain.bucket import BucketPlace, parse
from steelyard_boot.drivers.bucket import Bucket
from steelyard_boot.drivers.folder import Drafts, Folder
from steelyard_boot.keeping import ArtifactParts
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest

from services.boot.tests.artifact_parts import arrived, image, running, settings, sha256
from services.boot.tests.source_server import serving

IMAGE = bytes(range(256)) * 5000
KEY, SECRET = "steelyard", "steelyard-secret"


@pytest.fixture(scope="module")
def store() -> Iterator[BucketPlace]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    yield BucketPlace(host=f"127.0.0.1:{port}", bucket="artifacts", prefix="here/", is_secure=False, key=KEY,
                      secret=SECRET)  # fmt: skip
    server.stop()


@pytest.fixture
def client(store: BucketPlace) -> Minio:
    client = Minio(store.host, KEY, SECRET, secure=False, region="us-east-1")
    if client.bucket_exists(store.bucket):
        for each in client.list_objects(store.bucket, recursive=True):
            client.remove_object(store.bucket, str(each.object_name))
    else:
        client.make_bucket(store.bucket)
    return client


def names(client: Minio) -> list[str]:
    return [str(each.object_name) for each in client.list_objects("artifacts", recursive=True)]


def of(store: BucketPlace) -> dict[str, Any]:
    return {"artifacts_s3_url": store, "artifacts_s3_key": KEY, "artifacts_s3_secret": SECRET}


def bucket(store: BucketPlace, folder: Path) -> Bucket:
    return Bucket(store, Folder(folder), Drafts(folder))


def read(parts: ArtifactParts, key: str) -> bytes:
    stored = parts.reading.open(key)
    assert stored is not None
    with stored.file:
        data = stored.file.read()
    parts.reading.done(key, len(data))
    return data


def test_what_one_replica_fetched_another_one_has_without_its_folder(
    database: Database, store: BucketPlace, client: Minio, tmp_path: Path
) -> None:
    with serving() as source:
        wish = image(source.put("/image", IMAGE), IMAGE)
        with running(database, tmp_path / "one", **of(store)) as one:
            made = arrived(one, wish)
            assert names(client) == [f"here/{made.key[:2]}/{made.key}"]
            assert read(one, made.key) == IMAGE
        with running(database, tmp_path / "two", **of(store)) as two:
            assert arrived(two, wish).key == made.key
            assert read(two, made.key) == IMAGE
            shutil.rmtree(tmp_path / "two" / "files")
            (tmp_path / "two" / "files").mkdir()
            assert read(two, made.key) == IMAGE
            assert two.collector.remove(made.key)
            assert (names(client), two.reading.open(made.key)) == ([], None)
        assert source.requests["/image"] == 1


def test_what_lies_in_the_bucket_is_listed_and_what_nobody_knows_is_not_there(
    store: BucketPlace, client: Minio, tmp_path: Path
) -> None:
    storage = bucket(store, tmp_path)
    draft = tmp_path / "drafts" / "d"
    draft.write_bytes(b"abc")
    key = sha256(b"abc")
    storage.bring(draft, key)
    storage.bring(draft, key)
    other = bucket(store, tmp_path / "other")
    assert [each for each, _ in other.all()] == [key]
    assert (other.size(key), other.size("f" * 64), other.open("f" * 64)) == (3, None, None)
    client.remove_object(store.bucket, f"here/{key[:2]}/{key}")
    with pytest.raises(OSError, match="is gone"):
        storage.place(draft, key)
    assert draft.exists()


def test_what_was_changed_in_the_bucket_is_not_given_out(store: BucketPlace, client: Minio, tmp_path: Path) -> None:
    draft, key = tmp_path / "d", sha256(b"abc")
    draft.write_bytes(b"xyz")
    client.fput_object(store.bucket, f"here/{key[:2]}/{key}", str(draft))
    storage = bucket(store, tmp_path)
    with pytest.raises(OSError, match="is not what was put there"):
        storage.open(key)
    assert list((tmp_path / "drafts").iterdir()) == []


def test_a_store_that_is_away_or_has_no_such_bucket_is_said_with_what_to_do(
    store: BucketPlace, client: Minio, tmp_path: Path
) -> None:
    lost = BucketPlace(host=store.host, bucket="nobody", prefix="", is_secure=False, key=KEY, secret=SECRET)
    draft = tmp_path / "d"
    draft.write_bytes(b"abc")
    storage = bucket(lost, tmp_path)
    with pytest.raises(OSError, match=r"bucket nobody of .*: there is no such bucket: make it"):
        storage.bring(draft, "a" * 64)
    assert not storage.is_well()
    away = BucketPlace(host="127.0.0.1:9", bucket="away", prefix="", is_secure=False, key=KEY, secret=SECRET)
    with pytest.raises(OSError, match="cannot be reached") as told:
        bucket(away, tmp_path).size("a" * 64)
    assert SECRET not in f"{told.value!r} {away!r}"


def test_a_place_is_a_url_without_a_user_and_needs_its_key(tmp_path: Path) -> None:
    found = parse("https://s3.example.org:9000/images/boot/eu")
    assert (found.host, found.bucket, found.prefix, found.is_secure) == (
        "s3.example.org:9000", "images", "boot/eu/", True
    )  # fmt: skip
    for bad in ("s3://bucket", "https://user:word@s3.example.org/images", "https://s3.example.org", "https://h/b?x=1"):
        with pytest.raises(ValueError, match="bucket"):
            parse(bad)
    with pytest.raises(InvalidRequest, match="STEELYARD_ARTIFACTS_S3_SECRET"):
        settings(tmp_path, artifacts_s3_url=found, artifacts_s3_key=KEY).bucket()
    assert settings(tmp_path).bucket() is None
