"""Artifacts in a bucket of an S3-compatible store; a folder holds what this replica made, fetched or was asked for.

The bucket has all of them, so that a replica may lose its folder, or have one of its own. What is read is read from the
folder: what is not there yet is brought from the bucket, once for all who ask meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from ..domain.bucket import BucketPlace
from . import Stored
from .folder import Drafts, Folder

PART_BYTES = 64 << 20  # of an upload; S3 takes 10,000 parts
PIECE_BYTES = 1 << 20
CONNECT_S, STALL_S = 5.0, 30.0
GONE = ("NoSuchKey", "NoSuchObject", "NoSuchVersion")
SHA256_LENGTH = 64
T = TypeVar("T")
_WHY = {
    "AccessDenied": "its policy does not let our key do that",
    "InvalidAccessKeyId": "it does not know our key (STEELYARD_ARTIFACTS_S3_KEY)",
    "SignatureDoesNotMatch": "the secret is not that of the key (STEELYARD_ARTIFACTS_S3_SECRET)",
    "NoSuchBucket": "there is no such bucket: make it, or correct STEELYARD_ARTIFACTS_S3_URL",
    "AuthorizationHeaderMalformed": "the region is another one (STEELYARD_ARTIFACTS_S3_REGION)",
}


class Bucket:
    """A ``Storage``. ``near`` and ``drafts`` are of one file system; ``spare_bytes`` stay free there."""

    def __init__(
        self, place: BucketPlace, near: Folder, drafts: Drafts, *, spare_bytes: int = 0, ca_file: str = "",
    ) -> None:  # fmt: skip
        self._place, self._near, self._drafts, self._spare_bytes = place, near, drafts, spare_bytes
        pool = urllib3.PoolManager(
            maxsize=16, timeout=urllib3.Timeout(connect=CONNECT_S, read=STALL_S), retries=urllib3.Retry(2),
            ca_certs=ca_file or None,
        )  # fmt: skip
        self._client = Minio(
            place.host, access_key=place.key, secret_key=place.secret, secure=place.is_secure, region=place.region,
            http_client=pool,
        )  # fmt: skip
        self._bringing: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._is_well = True  # the last call went through

    def is_well(self) -> bool:
        return self._is_well

    # ---- Storage

    def bring(self, draft: Path, key: str) -> None:
        size = draft.stat().st_size
        if self._far_size(key) != size:
            self._call(
                lambda: self._client.fput_object(self._place.bucket, self._name(key), str(draft), part_size=PART_BYTES)
            )

    def place(self, draft: Path, key: str) -> None:
        if self._far_size(key) != draft.stat().st_size:  # removed since it was brought there
            raise OSError(errno.EAGAIN, f"{self._place}: what was just put there is gone; it is put there again")
        self._near.place(draft, key)

    def open(self, key: str) -> Stored | None:
        found = self._near.open(key)
        if found is None and self._fetch(key):
            found = self._near.open(key)
        return found

    def size(self, key: str) -> int | None:
        near = self._near.size(key)
        return self._far_size(key) if near is None else near

    def remove(self, key: str) -> None:
        self._call(lambda: self._client.remove_object(self._place.bucket, self._name(key)))
        self._near.remove(key)

    def all(self) -> Iterator[tuple[str, float]]:
        yield from self._near.all()
        listed = self._call(
            lambda: list(self._client.list_objects(self._place.bucket, prefix=self._place.prefix, recursive=True))
        )
        for each in listed:
            if each.object_name and each.last_modified:
                yield each.object_name.rpartition("/")[2], each.last_modified.timestamp()

    # ---- inside

    def _far_size(self, key: str) -> int | None:
        try:
            return self._call(lambda: self._client.stat_object(self._place.bucket, self._name(key))).size
        except FileNotFoundError:
            return None

    def _fetch(self, key: str) -> bool:
        """From the bucket to the folder, once for all who ask. → False when it is not in the bucket"""
        with self._alone(key):
            if self._near.size(key) is not None:
                return True
            size = self._far_size(key)
            if size is None:
                return False
            if size > self._drafts.free_bytes() - self._spare_bytes:
                raise OSError(errno.ENOSPC, f"{size} bytes of {self._place} do not fit")
            draft = self._drafts.path(f"near-{uuid4().hex}")
            try:
                self._call(lambda: self._download(key, draft, size))
                self._near.place(draft, key)
            except FileNotFoundError:
                return False
            finally:
                draft.unlink(missing_ok=True)
            return True

    def _download(self, key: str, draft: Path, size: int) -> None:
        digest, came = hashlib.sha256(), 0
        answer = self._client.get_object(self._place.bucket, self._name(key))
        try:
            with draft.open("wb") as file:
                for piece in answer.stream(PIECE_BYTES):
                    file.write(piece)
                    digest.update(piece)
                    came += len(piece)
        finally:
            answer.close()
            answer.release_conn()
        if came != size or (len(key) == SHA256_LENGTH and digest.hexdigest() != key):
            raise OSError(errno.EIO, f"{self._place}: {self._name(key)} is not what was put there; remove it by hand")

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        with self._lock:
            mine = self._bringing.setdefault(key, threading.Lock())
        try:
            with mine:
                yield
        finally:
            with self._lock:  # who comes now may bring it once more: it is placed as a whole, and twice is no harm
                self._bringing.pop(key, None)

    def _name(self, key: str) -> str:
        return f"{self._place.prefix}{key[:2]}/{key}"

    def _call(self, call: Callable[[], T]) -> T:
        """Errors: FileNotFoundError, OSError."""
        try:
            done = call()
        except S3Error as error:
            if error.code in GONE:
                self._is_well = True
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
            self._is_well = False
            raise OSError(errno.EIO, f"{self._place}: {_WHY.get(error.code or '', error.code)}") from error
        except (MinioException, urllib3.exceptions.HTTPError) as error:
            self._is_well = False
            raise OSError(errno.EIO, f"{self._place} cannot be reached ({_reason(error)})") from error
        self._is_well = True
        return done


def _reason(error: Exception) -> str:
    cause: Any = getattr(error, "reason", None)
    return type(cause if isinstance(cause, Exception) else error).__name__
