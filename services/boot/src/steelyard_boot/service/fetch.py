"""One fetch from its beginning to its end: source, draft, checksum, a look inside, conversion, the shelf."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from steelyard_common.db import Database
from steelyard_common.errors import DeviceUnreachable, InvalidRequest, SteelyardError, Unavailable

from ..domain import artifacts as rules
from ..domain import checksums
from ..domain.artifacts import Proxies, shown
from ..domain.checksums import Checksum
from ..drivers import Opened, Source, Validator, Wanted
from ..drivers.inspecting import Inspected, check_size, inspect
from ..store import artifacts as store
from ..store import fetches
from .artifacts import TOLD_S, Limits, Shelf, place
from .fetching import Clock, FetchRules, Job
from .transfer import Draft, Lost, Room, full_or_broken, receive

PREFIX = "fetch-"  # of drafts: fetch-<id>.…
MOST_SUMS = 4 << 20  # bytes of a checksum file


class Converter(Protocol):
    """Makes a raw image of a qcow2 one."""

    def to_raw(self, source: Path, target: Path, virtual_size: int, what: str, check: Callable[[], None]) -> None:
        """``check`` is called now and then, and may raise. Errors: InvalidRequest, Unavailable, Unsupported."""
        ...


class OneFetch:
    """Callable: does a ``Job``, and settles it as done. ``open_secret``: sealed → plain."""

    def __init__(
        self, database: Database, shelf: Shelf, sources: Mapping[str, Source], converter: Converter, *,
        open_secret: Callable[[str], str], make_room: Callable[[int], None], limits: Limits, rules: FetchRules,
        clock: Clock,
    ) -> None:  # fmt: skip
        """``sources``: by the scheme of the URL."""
        self._database = database
        self._shelf = shelf
        self._sources = sources
        self._converter = converter
        self._open_secret = open_secret
        self._limits = limits
        self._rules = rules
        self._clock = clock
        self._room = Room(free_bytes=shelf.free_bytes, make=make_room, spare=limits.spare_bytes, most=limits.most_bytes)

    def __call__(self, job: Job) -> None:
        wish = job.row["wish"]
        wanted = self._wanted(job, wish)
        checksum = self._checksum(wish, wanted)
        if checksum is not None:
            wanted = replace(wanted, is_pinned=True)
            known = self._known(checksum, raw=wish["convert_to_raw"])
            if known is not None:  # the checksum file says what we have
                self._done(job, known["key"], Validator())
                return
        draft = self._draft(job, {checksum.algorithm} if checksum else set())
        job.discard = partial(draft.path.unlink, missing_ok=True)
        try:
            self._fetch(job, wanted, checksum, draft)
        except (DeviceUnreachable, Lost):
            raise  # the draft is continued
        except SteelyardError:
            draft.path.unlink(missing_ok=True)
            job.progress.synced = 0
            raise
        finally:
            draft.close()

    # ---- what is asked for

    def _wanted(self, job: Job, wish: Mapping[str, Any]) -> Wanted:
        secret = self._open_secret(wish["authorization"]) if wish["authorization"] else None
        proxies = Proxies(**wish["proxies"]) if wish["proxies"] else None
        return Wanted(
            url=wish["url"], until=job.until, is_tenants=wish["is_tenants"],
            is_owners=wish.get("is_owners", False), authorization=secret, proxies=proxies,
            watch=job.watch,
        )  # fmt: skip

    def _checksum(self, wish: Mapping[str, Any], wanted: Wanted) -> Checksum | None:
        text = wish["checksum"]
        if not text or not checksums.is_url(text):
            return checksums.parse(text, allow_md5=self._limits.allow_md5) if text else None
        same_host = urlsplit(text).netloc == urlsplit(wanted.url).netloc
        asked = replace(wanted, url=text, authorization=wanted.authorization if same_host else None)
        content = b""
        with self._source(text).open(asked, 0, Validator()) as opened:
            for data in opened.data:
                content += data
                if len(content) > MOST_SUMS:
                    raise InvalidRequest(f"{shown(text)} has more than {MOST_SUMS} bytes: it is no checksum file")
        name = unquote(urlsplit(wanted.url).path).rpartition("/")[2]
        return checksums.find(content.decode("utf-8", "replace"), {name}, allow_md5=self._limits.allow_md5)

    def _source(self, url: str) -> Source:
        """Errors: InvalidRequest."""
        source = self._sources.get(urlsplit(url).scheme)
        if source is None:
            raise InvalidRequest(f"{shown(url)}: nothing here fetches such URLs")
        return source

    def _known(self, checksum: Checksum, *, raw: bool) -> Mapping[str, Any] | None:
        with self._database.read() as connection:
            row = store.by_sum(connection, checksum.algorithm, checksum.value, raw=raw)
        return row if row and self._shelf.storage.size(row["key"]) == row["size"] else None

    # ---- the draft

    def _draft(self, job: Job, algorithms: set[str]) -> Draft:
        """The one that an earlier try left, or one of our own. Errors: Unavailable."""
        left = (job.draft or {}).get("draft") or f"{PREFIX}{job.id}.0"
        try:
            for name in (left, f"{PREFIX}{job.id}.{job.row['attempt']}"):
                draft = Draft.open(self._shelf.drafts.path(name), algorithms)
                if draft is not None:
                    return draft
        except OSError as error:
            raise full_or_broken(error, 0, self._room) from error
        raise Unavailable("a draft is being written by somebody else")

    def _fetch(self, job: Job, wanted: Wanted, checksum: Checksum | None, draft: Draft) -> None:
        known, offset = self._continued(job, wanted, draft)
        with self._source(wanted.url).open(wanted, offset, known) as opened:
            if opened.is_unchanged:
                draft.path.unlink(missing_ok=True)
                self._done(job, job.row["artifact_key"], opened.validator)
                return
            _refuse_page(opened, wanted, job.row["wish"]["kind"])
            self._receive(job, wanted, draft, opened)
        self._check(wanted, checksum, draft, opened, offset=opened.offset)
        job.progress.phase = "check"
        self._settle(job, wanted, draft, opened)

    def _continued(self, job: Job, wanted: Wanted, draft: Draft) -> tuple[Validator, int]:
        """→ what is known of it, and how much of it is here"""
        told = job.draft or {}
        validator = Validator(etag=told.get("etag"), last_modified=told.get("last_modified"))
        if told.get("draft") == draft.path.name and (validator or wanted.is_pinned):
            return validator, min(draft.here(), job.row["done_bytes"])
        if told.get("of") and told["of"] == job.row["artifact_key"] and self._is_there(told["of"]):
            return validator, 0
        return Validator(), 0

    def _is_there(self, key: str) -> bool:
        with self._database.read() as connection:
            row = store.get(connection, key)
        return row is not None and self._shelf.storage.size(key) == row["size"]

    def _receive(self, job: Job, wanted: Wanted, draft: Draft, opened: Opened) -> None:
        try:
            draft.begin_at(opened.offset, job.progress)
        except OSError as error:
            raise full_or_broken(error, 0, self._room) from error
        validator = opened.validator
        job.progress.synced = opened.offset
        job.draft = {"etag": validator.etag, "last_modified": validator.last_modified, "draft": draft.path.name}
        receive(opened, draft, job.progress, self._room, wanted.url, self._rules.slow_s)

    # ---- what came

    @staticmethod
    def _check(wanted: Wanted, checksum: Checksum | None, draft: Draft, opened: Opened, *, offset: int) -> None:
        """Errors: InvalidRequest; DeviceUnreachable when it was continued, and is to be fetched from its beginning."""
        sums = draft.sums()
        expected = [checksum] if checksum else []
        if opened.sha256:
            expected.append(Checksum(algorithm="sha256", value=opened.sha256))
        for each in expected:
            if sums[each.algorithm] == each.value:
                continue
            if offset:
                with suppress(OSError):
                    draft.path.unlink()
                raise DeviceUnreachable(f"{shown(wanted.url)} changed while it was fetched")
            page = " What came is a web page: look whether the URL is right" if _is_page(opened) else ""
            raise InvalidRequest(
                f"{shown(wanted.url)} has the {each.algorithm} {sums[each.algorithm]}, and {each.value} was expected: "
                "it is not what was meant, or the checksum is an old one. Compare both with what the image's "
                f"publisher says.{page}"
            )

    def _settle(self, job: Job, wanted: Wanted, draft: Draft, opened: Opened) -> None:
        wish, what = job.row["wish"], shown(wanted.url)
        sums = draft.sums()
        about = inspect(draft.path, wish["kind"], what)
        check_size(about.virtual_size, self._limits.most_bytes, f"the disk of {what}")
        row = {
            "key": sums["sha256"], "sha256": sums["sha256"], "sha512": sums.get("sha512"), "kind": wish["kind"],
            "name": rules.name_of(wanted.url), "format": about.format, "virtual_size": about.virtual_size,
            "source": what,
        }  # fmt: skip
        path = draft.path
        if wish["convert_to_raw"] and about.format == "qcow2":
            path, row = self._convert(job, path, row, about)
        job.progress.check()
        try:
            placed = place(self._database, self._shelf.storage, path, row, self._clock())
        except OSError as error:
            raise full_or_broken(error, draft.size, self._room) from error
        self._done(job, placed["key"], opened.validator)

    def _convert(
        self, job: Job, path: Path, row: dict[str, Any], about: Inspected
    ) -> tuple[Path, dict[str, Any]]:  # fmt: skip
        job.progress.phase = "convert"
        target = self._shelf.drafts.path(f"{PREFIX}{job.id}.{job.row['attempt']}.raw")
        try:
            self._converter.to_raw(path, target, about.virtual_size, row["source"], self._may_go_on(job))
            with target.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            made = inspect(target, "image", f"what {row['source']} was converted to")
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)
        name = f"{os.path.splitext(row['name'])[0]}.raw"
        return target, row | {
            "key": sha256, "sha256": sha256, "sha512": None, "made_of": row["sha256"], "name": name,
            "format": made.format, "virtual_size": made.virtual_size,
        }  # fmt: skip

    def _may_go_on(self, job: Job) -> Callable[[], None]:
        def check() -> None:
            job.progress.check()
            self._room.need(0)

        return check

    def _done(self, job: Job, key: str, validator: Validator) -> None:
        """Errors: Lost."""
        now = self._clock()
        told = {"etag": validator.etag, "last_modified": validator.last_modified, "of": key}
        with self._database.begin() as transaction:
            connection = transaction.connection
            store.touch(connection, [key], now)
            # Whoever waits for it asks every few seconds: he must find it before it is asked for anew.
            fresh_until = now + timedelta(seconds=max(self._rules.fresh_s, TOLD_S))
            if not fetches.settle_done(connection, job.row, key, told, now, fresh_until):
                raise Lost
            store.fill_references(connection, job.row["wish_key"], key)


def _is_page(opened: Opened) -> bool:
    return opened.content_type.lower().startswith("text/html")


def _refuse_page(opened: Opened, wanted: Wanted, kind: str) -> None:
    if _is_page(opened) and not wanted.is_pinned:
        raise InvalidRequest(f"{shown(wanted.url)} is a web page and no {kind}: look whether the URL is right")
