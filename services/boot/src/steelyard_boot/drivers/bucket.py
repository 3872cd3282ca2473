"""Artifacts in a bucket of an S3-compatible store; a folder holds what this replica made, fetched or was asked for.

The bucket has all of them, so that a replica may lose its folder, or have one of its own. What is read is read from the
folder: what is not there yet is brought from the bucket, once for all who ask meanwhile. They read what has come of
something large; the last of it they get when its checksum is right.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import urllib3
from minio import Minio
from minio.datatypes import Object
from minio.error import MinioException, S3Error

from ..domain.bucket import BucketPlace
from . import Stored
from .folder import FILE_MODE, Drafts, Folder
from .growing import Growing

PART_BYTES = 64 << 20  # of an upload; S3 takes 10,000 parts
PIECE_BYTES = 1 << 20
AT_ONCE_BYTES = 1 << 20  # what is no larger is brought as a whole before it is read: a fault can then still be told
BRINGS = 8  # at the same time
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
        self._bringing: dict[str, Growing] = {}
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(BRINGS)
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
        found = self._near.open(key) or self._bringing_of(key)
        if not isinstance(found, Growing):
            return found
        if found.size <= AT_ONCE_BYTES:
            found.wait(found.size)
        stored = found.open() or self._near.open(key)
        if stored is None:
            found.ready()  # says why
        return stored

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
        about = self._far(key)
        return None if about is None else about.size

    def _far(self, key: str) -> Object | None:
        try:
            return self._call(lambda: self._client.stat_object(self._place.bucket, self._name(key)))
        except FileNotFoundError:
            return None

    def _bringing_of(self, key: str) -> Growing | Stored | None:
        """On its way from the bucket to the folder, once for all who ask. None when it is not in the bucket."""
        with self._lock:
            known = self._bringing.get(key)
        about = None if known is not None else self._far(key)
        if known is not None or about is None:
            return known
        with self._lock:
            if key in self._bringing:
                return self._bringing[key]
            return self._near.open(key) or self._begin(key, about)  # it may have come meanwhile

    def _begin(self, key: str, about: Object) -> Growing:
        size, changed = int(about.size or 0), about.last_modified
        on_their_way = sum(each.left for each in self._bringing.values())
        if size > self._drafts.free_bytes() - self._spare_bytes - on_their_way:
            raise OSError(errno.ENOSPC, f"{size} bytes of {self._place} do not fit")
        path = self._drafts.path(f"near-{uuid4().hex}")
        path.touch(FILE_MODE)
        os.truncate(path, size)
        growing = self._bringing[key] = Growing(path, size, changed.timestamp() if changed else time.time())
        threading.Thread(target=self._bring, args=[key, growing], name="bucket", daemon=True).start()
        return growing

    def _bring(self, key: str, growing: Growing) -> None:
        error: OSError | None = None
        try:
            with self._turns:
                self._call(lambda: self._download(key, growing))
            os.utime(growing.path, (growing.changed_at, growing.changed_at))
            self._near.place(growing.path, key)
        except OSError as failed:
            error = failed
        except Exception as failed:  # whoever waits for it must hear of it
            error = OSError(errno.EIO, f"{self._place}: {type(failed).__name__}")
            raise
        finally:
            growing.path.unlink(missing_ok=True)
            with self._lock:
                del self._bringing[key]
            growing.ended(error)

    def _download(self, key: str, growing: Growing) -> None:
        digest, came = hashlib.sha256(), 0
        answer = self._client.get_object(self._place.bucket, self._name(key))
        try:
            with growing.path.open("r+b") as file:
                for piece in answer.stream(PIECE_BYTES):
                    file.write(piece)
                    file.flush()
                    digest.update(piece)
                    came += len(piece)
                    growing.came(len(piece))
        finally:
            answer.close()
            answer.release_conn()
        if came != growing.size or (len(key) == SHA256_LENGTH and digest.hexdigest() != key):
            raise OSError(errno.EIO, f"{self._place}: {self._name(key)} is not what was put there; remove it by hand")

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
