"""A real HTTP server on loopback that serves files as servers do, and as bad ones do."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 64 * 1024


@dataclass(kw_only=True)
class File:
    """``statuses``: answered first, one a request. ``cut_at``: the connection ends after so many bytes of the whole.

    ``pause_s``: between two pieces; ``hold``: nothing comes after ``hold_at`` bytes until it is set. ``length``: what
    Content-Length says, if not the truth; ``told``: headers that were asked with, one dictionary a request.
    """

    data: bytes = b""
    etag: str | None = None
    statuses: list[int] = field(default_factory=list)
    location: str | None = None
    cut_at: int | None = None
    cuts: int = 1000
    pause_s: float = 0.0
    hold: threading.Event | None = None
    hold_at: int = 0
    length: int | None = None
    is_chunked: bool = False
    has_ranges: bool = True
    content_type: str = "application/octet-stream"
    needs: str | None = None
    challenge: str | None = None
    told: list[dict[str, str]] = field(default_factory=list)
    answer: Callable[[Any], None] | None = None


class Source:
    """``files``: by path. ``sent``: bytes of bodies, by path."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.sent: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self._server = _Server(self)
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.02), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def put(self, path: str, data: bytes = b"", **how: Any) -> str:
        """→ the URL"""
        self.files[path] = File(data=data, **how)
        return f"{self.url}{path}"

    def stop(self) -> None:
        for file in self.files.values():
            if file.hold is not None:
                file.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, source: Source) -> None:
        self.source = source
        super().__init__(("127.0.0.1", 0), _Handler)


@contextmanager
def serving() -> Iterator[Source]:
    source = Source()
    try:
        yield source
    finally:
        source.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.source.requests[path] += 1
        self.close_connection = True
        file = self.server.source.files.get(path)
        if file is None:
            self._end(404)
            return
        file.told.append(dict(self.headers.items()))
        if file.answer is not None:
            file.answer(self)
        elif file.statuses:
            self._end(file.statuses.pop(0), file.location)
        elif file.needs is not None and self.headers.get("Authorization") != file.needs:
            self._end(401, challenge=file.challenge)
        elif file.location is not None:
            self._end(302, file.location)
        else:
            self._file(path, file)

    def _end(self, status: int, location: str | None = None, challenge: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if location is not None:
            self.send_header("Location", location)
        if challenge is not None:
            self.send_header("WWW-Authenticate", challenge)
        self.end_headers()

    def _file(self, path: str, file: File) -> None:
        if file.etag is not None and self.headers.get("If-None-Match") == file.etag:
            self._end(304)
            return
        begin = self._begin(file)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Type", file.content_type)
        if file.etag is not None:
            self.send_header("ETag", file.etag)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(file.data) - 1}/{len(file.data)}")
        if file.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(file.length or len(file.data) - begin))
        self.end_headers()
        self._body(path, file, begin)

    def _begin(self, file: File) -> int:
        asked = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        if not asked or not file.has_ranges or (condition is not None and condition != file.etag):
            return 0
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def _body(self, path: str, file: File, begin: int) -> None:
        at = begin
        while at < len(file.data):
            end = min(at + PIECE, len(file.data))
            if file.cut_at is not None and file.cuts > 0:
                if at >= file.cut_at:
                    file.cuts -= 1
                    return
                end = min(end, file.cut_at)
            if file.hold is not None and at >= file.hold_at:
                file.hold.wait(60)
            piece = file.data[at:end]
            self.server.source.sent[path] += len(piece)  # first: who has got it may look at once
            try:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if file.is_chunked else piece)
            except OSError:
                return
            at = end
            if file.pause_s:
                time.sleep(file.pause_s)
        if file.is_chunked:
            self.wfile.write(b"0\r\n\r\n")
