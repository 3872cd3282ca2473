"""``GET /artifacts/<sha256 or random name>[/<name>]``: whoever knows the checksum, or the name, may read.

Ranges, single and several (RFC 9110 §14); ETag is the key, for what has it never changes. The bytes go from the page
cache to the socket (sendfile), and no thread waits for a slow reader: ``steelyard_common.http.files``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import uuid4

from flask import Blueprint, Response, g, request
from steelyard_common.errors import NotFound, Unavailable
from werkzeug.http import parse_date

from ..domain.ranges import Unsatisfiable, parse
from ..drivers import Stored
from ..service.reading import Reading

TYPE = "application/octet-stream"
FOR_EVER = "public, max-age=31536000, immutable"
PART_BYTES = 64 * 1024
MOST_IN_PARTS = 4 * 1024 * 1024  # of an answer in several parts: it is made in memory; beyond that the whole is sent


class Lent:
    """A file as a WSGI server takes it; ``sent`` bytes of it went. Done with when all who hold it have closed it."""

    def __init__(self, file: BinaryIO, done: Callable[[], None]) -> None:
        self._file = file
        self._done = done
        self._holders = 1
        self.sent = 0
        self._lock = threading.Lock()

    def hold(self) -> None:
        """One more will close it."""
        with self._lock:
            self._holders += 1

    @property
    def ready(self) -> Callable[[], int] | None:
        """How far it has come, of a file that is on its way."""
        return getattr(self._file, "ready", None)

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sent += len(data)
        return data

    def took(self, size: int) -> None:
        """The client has so much more of it."""
        self.sent += size

    def close(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
        self._file.close()
        self._done()


def blueprint(reading: Reading) -> Blueprint:
    made = Blueprint("artifacts", __name__)

    @made.get("/artifacts/<key>")
    @made.get("/artifacts/<key>/<name>")
    def show(key: str, name: str = "") -> Response:  # noqa: ARG001  the name is for people, and for what looks at endings
        return serve(reading, key)

    return made


def serve(reading: Reading, key: str) -> Response:
    """The artifact of this key, as the request asks for it. Errors: NotFound, Unavailable."""
    try:
        stored = reading.open(key)
    except OSError as error:
        raise Unavailable("boot's folder of artifacts cannot be read", detail=str(error)) from error
    if stored is None:
        raise NotFound("there is no such artifact")
    try:
        response = _answer(stored, key, _done(reading, key))
    except BaseException:
        stored.file.close()
        reading.done(key, 0)
        raise
    return response


def _done(reading: Reading, key: str) -> Callable[[int], None]:
    """What is called with the bytes that went, once nothing more goes; ``g.when_sent``: who else wants to know."""
    also: Callable[[int], None] | None = g.get("when_sent")

    def done(sent: int) -> None:
        reading.done(key, sent)
        if also is not None:
            also(sent)

    return done


def _answer(stored: Stored, key: str, done: Callable[[int], None]) -> Response:
    etag, changed = f'"{key}"', datetime.fromtimestamp(int(stored.changed_at), UTC)
    response = Response(content_type=TYPE)
    response.headers["ETag"] = etag
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = FOR_EVER
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.last_modified = changed
    if _is_known(key, changed):
        response.status_code = 304
        del response.headers["Content-Type"]
        return _without_body(response, stored, done)
    try:
        parts = parse(request.headers["Range"], stored.size) if _wants_part(key, changed) else None
    except Unsatisfiable:
        response.status_code = 416
        response.headers["Content-Range"] = f"bytes */{stored.size}"
        return _without_body(response, stored, done)
    if parts is not None and len(parts) > 1:
        if sum(length for _, length in parts) <= MOST_IN_PARTS:
            return _several(response, stored, parts, done)
        parts = None  # RFC 9110 §14.2: who serves may ignore a range
    begin, length = (0, stored.size) if parts is None else parts[0]
    if parts is not None:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {begin}-{begin + length - 1}/{stored.size}"
    response.headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        return _without_body(response, stored, done, length)
    stored.file.seek(begin)
    return _with_body(response, stored.file, length, done)


def _is_known(key: str, changed: datetime) -> bool:
    """What the reader has is the same (RFC 9110 §13.1)."""
    if request.if_none_match:
        return request.if_none_match.contains_weak(key)
    since = request.if_modified_since
    return since is not None and changed <= since


def _wants_part(key: str, changed: datetime) -> bool:
    if "Range" not in request.headers:
        return False
    condition = request.headers.get("If-Range", "").strip()
    if '"' in condition:  # one that is weak never fits (RFC 9110 §13.1.5)
        return condition == f'"{key}"'
    return not condition or parse_date(condition) == changed


def _without_body(
    response: Response, stored: Stored, done: Callable[[int], None], length: int | None = None
) -> Response:
    stored.file.close()
    done(0)
    if length is None and response.status_code != 304:
        response.headers["Content-Length"] = "0"
    response.automatically_set_content_length = False
    return response


def _with_body(response: Response, file: BinaryIO, length: int, done: Callable[[int], None]) -> Response:
    lent = Lent(file, lambda: done(lent.sent))
    wrapper = request.environ.get("wsgi.file_wrapper")
    response.response = wrapper(lent) if wrapper else _pieces(lent, length)
    response.direct_passthrough = True
    return response


def _pieces(lent: Lent, length: int) -> Iterator[bytes]:
    """For a server that has no file wrapper."""
    try:
        while length and (data := lent.read(min(length, PART_BYTES))):
            length -= len(data)
            yield data
    finally:
        lent.close()


def _several(
    response: Response, stored: Stored, parts: list[tuple[int, int]], done: Callable[[int], None]
) -> Response:  # fmt: skip
    """multipart/byteranges (RFC 9110 §14.6)."""
    boundary = uuid4().hex
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {TYPE}\r\n"
        f"Content-Range: bytes {begin}-{begin + length - 1}/{stored.size}\r\n\r\n".encode()
        for begin, length in parts
    ]
    end = f"\r\n--{boundary}--\r\n".encode()
    whole = sum(map(len, heads)) + sum(length for _, length in parts) + len(end)
    response.status_code = 206
    response.content_type = f"multipart/byteranges; boundary={boundary}"
    response.headers["Content-Length"] = str(whole)
    if request.method == "HEAD":
        return _without_body(response, stored, done, whole)

    def body() -> Iterator[bytes]:
        try:
            for head, (begin, length) in zip(heads, parts, strict=True):
                yield head
                stored.file.seek(begin)
                left = length
                while left and (data := stored.file.read(min(left, PART_BYTES))):
                    left -= len(data)
                    yield data
            yield end
        finally:
            stored.file.close()
            done(whole)

    response.response = body()
    response.direct_passthrough = True
    return response
