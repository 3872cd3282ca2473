"""What comes of a request before a thread is given to it: is it here as a whole, will it be taken?"""

from __future__ import annotations

import io
import re

from gunicorn.http.unreader import Unreader

MAX_HEAD = 64 * 1024
MAX_BODY = 4 * 1024 * 1024  # the bus carries less; between the two the service says itself what is too large
WHOLE_WITHIN_S = 20.0  # from the first look at a connection, or the end of its last request, to the end of the next
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n|$)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_CREDENTIAL = re.compile(rb"\r\n(?:authorization|x-auth-token):[ \t]*([^\r\n]+)", re.IGNORECASE)
_ANSWER = "HTTP/1.1 {}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{}"
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(;[^\r\n]*)?")
_CHUNK_LINE = 256
REFUSALS = {
    400: ("400 Bad Request", "the chunks of the body are malformed"),
    408: ("408 Request Timeout", f"the request was not complete within {WHOLE_WITHIN_S:.0f} s"),
    413: ("413 Content Too Large", f"a request's body has {MAX_BODY} bytes at most"),
    431: ("431 Request Header Fields Too Large", f"a request's head has {MAX_HEAD} bytes at most"),
    503: ("503 Service Unavailable", "too many unfinished requests are held; try again"),
}


def refusal_of(status: int) -> bytes:
    """The whole answer to a request that is not taken."""
    title, reason = REFUSALS[status]
    return _ANSWER.format(title, len(reason) + 1, reason + "\n").encode()


class Incoming:
    """What has come of one request. ``refusal``: the status for one that will not be taken."""

    def __init__(self, give_up_at: float) -> None:
        self.data = bytearray()
        self.give_up_at = give_up_at
        self.refusal: int | None = None
        self._body_at = 0  # 0: the head is not complete
        self._chunk_at = 0
        self._length = 0
        self._is_chunked = False
        self.expects_continue = False
        self.is_watched = False  # by the loop's poller

    def add(self, data: bytes) -> bool:
        """True when the request is complete."""
        searched = max(0, len(self.data) - 3)
        self.data += data
        if not self._body_at and not self._read_head(searched):
            return False
        if self._is_chunked:
            return self._has_all_chunks()
        return len(self.data) - self._body_at >= self._length

    def _read_head(self, searched: int) -> bool:
        end = self.data.find(b"\r\n\r\n", searched)
        if end < 0 or end > MAX_HEAD:
            self.refusal = 431 if len(self.data) > MAX_HEAD else None
            return False
        head = bytes(self.data[:end])
        length = _LENGTH.search(head)
        self._body_at = self._chunk_at = end + 4
        self._length = int(length.group(1)) if length else 0
        self._is_chunked = _CHUNKED.search(head) is not None
        self.expects_continue = _EXPECTS.search(head) is not None
        self._judge(self._length)
        return True

    def _has_all_chunks(self) -> bool:
        self._judge(len(self.data) - self._body_at)
        while self.refusal is None:
            end = self.data.find(b"\r\n", self._chunk_at, self._chunk_at + _CHUNK_LINE)
            if end < 0:
                self.refusal = 400 if len(self.data) - self._chunk_at > _CHUNK_LINE else None
                return False
            chunk = _CHUNK.fullmatch(self.data, self._chunk_at, end)
            if chunk is None:
                self.refusal = 400
                return False
            size = int(chunk.group(1), 16)
            if size == 0:  # after it trailers, if any, and an empty line
                return self.data.find(b"\r\n\r\n", end) >= 0
            after = end + 2 + size + 2
            self._judge(after - self._body_at)
            if len(self.data) < after:
                return False
            self._chunk_at = after
        return False

    def credential(self) -> bytes | None:
        """What the request signs in with, as it came."""
        found = _CREDENTIAL.search(self.data, 0, self._body_at)
        return found.group(1) if found else None

    def _judge(self, length: int) -> None:
        if length > MAX_BODY:
            self.refusal = 413


class Held(Unreader):  # type: ignore[misc]
    """A whole request, for gunicorn's parser. Its own reader copies all that is left with every piece that is read."""

    def __init__(self, data: bytes) -> None:  # the rest of the base class is for reading from a socket
        self._data = data
        self._at = 0

    @property
    def buf(self) -> io.BytesIO:
        """What is left, as gunicorn looks at it."""
        return io.BytesIO(self._data[self._at :])

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes:
        del read_ahead
        begin, self._at = self._at, len(self._data) if size is None or size < 0 else self._at + size
        return self._data[begin : self._at]

    def unread(self, data: bytes) -> None:
        begin = min(self._at, len(self._data)) - len(data)
        if begin >= 0 and self._data.startswith(data, begin):  # what was read last
            self._at = begin
        else:
            self._data, self._at = data + self._data[self._at :], 0

    def take_buffered(self) -> bytes:
        return self.read()
