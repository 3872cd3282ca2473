"""Artifacts: wished for, fetched once for all, kept while somebody refers to them, made here."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest, SteelyardError, Unavailable, from_dict

from ..domain import artifacts as rules
from ..domain import checksums
from ..domain.artifacts import Artifact, Fetching, Wish
from ..drivers import Storage
from ..drivers.folder import Drafts
from ..drivers.inspecting import inspect
from ..store import artifacts as store
from ..store import fetches
from . import metrics

Row = Mapping[str, Any]
TOLD_S = 20.0  # for so long a failure is told to whoever wishes the same; who wishes later has it tried again
TOUCH_S = 60.0  # that it is used is written down once in so long


class Unmade(Unavailable):
    """It could not be fetched or made here, and asking again at once does not help: no room, no folder, no time."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """``most_bytes`` of one artifact; ``spare_bytes`` stay free on the folder."""

    most_bytes: int = 64 << 30
    spare_bytes: int = 1 << 30
    allow_md5: bool = False


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Where artifacts lie and are made. ``free_bytes``: how much more fits."""

    storage: Storage
    drafts: Drafts
    free_bytes: Callable[[], int]


class Artifacts:
    """``url``: of boot, as machines reach it. ``fingerprint``: of a sealed secret, the same for one sealed again.

    ``wished`` is called when there is something new to fetch.
    """

    def __init__(
        self, database: Database, shelf: Shelf, url: Callable[[], str], fingerprint: Callable[[str], str],
        limits: Limits | None = None, wished: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._database = database
        self._shelf = shelf
        self._url = url
        self._fingerprint = fingerprint
        self._limits = limits or Limits()
        self.wished = wished

    def want(self, wish: Wish, now: datetime) -> Artifact | Fetching:
        """The artifact, or how far it is: the first who asks has it fetched. Takes no longer than a query.

        Of what has no checksum the source is asked now and then whether it changed (``FetchRules.fresh_s``).

        Errors: InvalidRequest, Forbidden, NotFound, DeviceUnreachable, Unmade, Unsupported: why it could not be
        fetched, told for ``TOLD_S``. Unavailable.
        """
        rules.check(wish, allow_md5=self._limits.allow_md5)
        key = self._wish_key(wish)
        with self._database.read() as connection:
            found, row = self._look(connection, wish, key, now)
        if found is not None:
            metrics.HITS.labels(wish.kind).inc()
            self._use(found, now)
            return self._artifact(found)
        if row is not None and row["status"] == "failed" and row["settled_at"] + timedelta(seconds=TOLD_S) > now:
            raise _told(row["error"])
        if row is None or row["status"] in ("done", "failed"):
            row = self._begin(wish, key, row, now)
        return rules.progress(row)

    def keep(self, reference: str, wish: Wish | Artifact) -> None:
        """It stays as long as this reference, ``node:<uuid>:<purpose>``, is not released. May be repeated."""
        with self._database.begin() as transaction:
            connection = transaction.connection
            if isinstance(wish, Artifact):
                store.keep(connection, reference, wish.key, wish.key)
                return
            key = self._wish_key(wish)
            row = fetches.get(connection, key)
            known = self._by_sum(connection, wish)
            found = known["key"] if known else row["artifact_key"] if row and row["status"] == "done" else None
            store.keep(connection, reference, key, found)

    def release(self, reference_prefix: str) -> None:
        """All references that begin so."""
        if not reference_prefix:
            raise InvalidRequest("which references are released is not said")
        with self._database.begin() as transaction:
            store.release(transaction.connection, reference_prefix)

    def add(
        self, content: BinaryIO | Path, name: str, kind: str, now: datetime, *, secret_name: bool = False
    ) -> Artifact:
        """What was made here. ``secret_name``: only who is told its name finds it; else its checksum leads to it.

        Errors: InvalidRequest, Unmade when there is no room, Unavailable.
        """
        if kind not in rules.KINDS:
            raise InvalidRequest(f"an artifact is one of {', '.join(rules.KINDS)}, and no {kind}")
        draft = self._shelf.drafts.path(f"made-{uuid4().hex}")
        try:
            sha256 = self._write(content, draft)
            about = inspect(draft, kind, name)
            row = {
                "key": rules.random_key() if secret_name else sha256, "sha256": sha256, "kind": kind,
                "name": rules.safe_name(name), "format": about.format, "virtual_size": about.virtual_size,
            }  # fmt: skip
            return self._artifact(place(self._database, self._shelf.storage, draft, row, now))
        except OSError as error:
            raise Unmade(f"{name} cannot be written to boot's folder: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)

    def get(self, key: str) -> Artifact | None:
        """One that is there."""
        with self._database.read() as connection:
            row = store.get(connection, key)
        return None if row is None else self._artifact(row)

    # ---- inside

    def _write(self, content: BinaryIO | Path, draft: Path) -> str:
        """→ its SHA-256. Errors: OSError, Unavailable."""
        free = self._shelf.free_bytes() - self._limits.spare_bytes
        needed = content.stat().st_size if isinstance(content, Path) else 0
        if needed > free:
            raise Unmade(no_room(needed, free, self._limits.spare_bytes))
        with draft.open("wb") as file:
            if isinstance(content, Path):
                with content.open("rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
            else:
                shutil.copyfileobj(content, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        with draft.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _look(self, connection: Any, wish: Wish, key: str, now: datetime) -> tuple[Row | None, Row | None]:
        """→ what is there, and how the fetch is"""
        found = self._by_sum(connection, wish)
        if found is not None:
            return found, None
        row = fetches.get(connection, key)
        if row is None or row["status"] != "done":
            return None, row
        if not self._is_pinned(wish) and row["fresh_until"] <= now:
            return None, row
        known = store.get(connection, row["artifact_key"])
        return (known if known and self._is_there(known) else None), row

    def _by_sum(self, connection: Any, wish: Wish) -> Row | None:
        if not wish.checksum or checksums.is_url(wish.checksum):
            return None
        checksum = checksums.parse(wish.checksum, allow_md5=self._limits.allow_md5)
        row = store.by_sum(connection, checksum.algorithm, checksum.value, raw=wish.convert_to_raw)
        return row if row and self._is_there(row) else None

    def _is_there(self, row: Row) -> bool:
        """Its file may have been lost, with the folder or by somebody's hand: then it is fetched again."""
        try:
            return bool(self._shelf.storage.size(row["key"]) == row["size"])
        except OSError as error:
            raise Unavailable(f"boot's folder of artifacts cannot be read: {error.strerror}") from error

    @staticmethod
    def _is_pinned(wish: Wish) -> bool:
        return bool(wish.checksum) and not checksums.is_url(wish.checksum or "")

    def _begin(self, wish: Wish, key: str, known: Row | None, now: datetime) -> Row:
        """Have it fetched, once for all who wish the same. → the row"""
        metrics.MISSES.labels(wish.kind).inc()
        document = {**asdict(wish), "project": None, "is_tenants": wish.project is not None}
        with self._database.begin() as transaction:
            connection = transaction.connection
            if known is None:
                host = urlsplit(wish.url).netloc or "file"
                fetches.insert(connection, key, document, host, now)
            else:
                fetches.begin_again(connection, key, document, now)
            row = fetches.get(connection, key)
        self.wished()
        if row is None:
            raise Unavailable("the wish was taken back by somebody; try again")
        return row

    def _wish_key(self, wish: Wish) -> str:
        """The same for all who wish the same, by the same right."""
        secret = self._fingerprint(wish.authorization) if wish.authorization else ""
        proxies = asdict(wish.proxies) if wish.proxies else None
        parts = [
            wish.url, wish.checksum, wish.convert_to_raw, wish.project is not None, secret, proxies,
            "image" if wish.kind == "image" else wish.kind, *(["owner"] if wish.is_owners else []),
        ]  # fmt: skip
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()

    def _use(self, row: Row, now: datetime) -> None:
        if (now - row["used_at"]).total_seconds() > TOUCH_S:
            with self._database.begin() as transaction:
                store.touch(transaction.connection, [row["key"]], now)

    def _artifact(self, row: Row) -> Artifact:
        return as_artifact(row, self._url())


@contextmanager
def saying_which(name: str) -> Iterator[None]:
    """Errors that are raised inside say for what it was wanted."""
    try:
        yield
    except SteelyardError as error:
        raise type(error)(f"{name}: {error.message}", detail=error.detail) from error


def _told(document: Mapping[str, Any]) -> SteelyardError:
    """Why a fetch failed."""
    error = from_dict(dict(document))
    return Unmade(error.message) if isinstance(error, Unavailable) else error


def as_artifact(row: Row, url: str) -> Artifact:
    names = ("key", "sha256", "size", "kind", "name", "format", "virtual_size", "created_at", "used_at")
    return Artifact(
        **{name: row[name] for name in names}, url=f"{url.rstrip('/')}/artifacts/{row['key']}/{row['name']}"
    )


def place(database: Database, storage: Storage, draft: Path, row: Row, now: datetime) -> Row:
    """The draft becomes the artifact that the row tells, but for its size. → the row. Errors: OSError.

    The file is put and removed under the same lock as its row: neither is there without the other, but for a crash in
    between, which leaves a file without a row, and that is swept.
    """
    storage.bring(draft, row["key"])
    with database.begin() as transaction:
        connection = transaction.connection
        store.lock(connection, row["key"])
        about = draft.stat()
        storage.place(draft, row["key"])
        store.insert(connection, {**row, "size": about.st_size, "stored_bytes": about.st_blocks * 512}, now)
        return store.get(connection, row["key"]) or row


def no_room(needed: int, free: int, spare: int) -> str:
    return (
        f"{needed} bytes ({rules.amount(needed)}) do not fit on boot's folder of artifacts: {max(0, free)} bytes "
        f"({rules.amount(max(0, free))}) are free beyond the {rules.amount(spare)} that stay so "
        "(STEELYARD_ARTIFACTS_SPARE_BYTES). Make room there, or let less be kept (STEELYARD_ARTIFACTS_KEEP_BYTES)"
    )
