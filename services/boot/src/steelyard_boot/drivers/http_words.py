"""The words of HTTP as a source of artifacts needs them: what is asked, and what the answer means."""

from __future__ import annotations

import base64
import http.client
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

from steelyard_common.errors import DeviceUnreachable, Forbidden, InvalidRequest, NotFound
from steelyard_common.outward import reason

from ..domain.artifacts import shown, split
from . import Opened, Validator, Wanted

PORTS = {"http": 80, "https": 443}
CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_UNSATISFIED = re.compile(r"bytes \*/(\d+)")


def headers_for(wanted: Wanted, offset: int, known: Validator) -> dict[str, str]:
    asked = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "steelyard-boot", "Connection": "close"}
    if wanted.authorization:
        asked["Authorization"] = authorization_header(wanted.authorization)
    strong = known.etag if known.etag and not known.etag.startswith("W/") else None
    if offset:
        asked["Range"] = f"bytes={offset}-"
        validator = strong or known.last_modified
        if validator:
            asked["If-Range"] = validator
    else:
        if known.etag:
            asked["If-None-Match"] = known.etag
        if known.last_modified:
            asked["If-Modified-Since"] = known.last_modified
    return asked


def authorization_header(text: str) -> str:
    """The header's value for what was given: such a value, ``user:password``, that in base64, or a token."""
    text = text.strip()
    if re.match(r"(?i)(basic|bearer)\s+\S", text):
        return text
    if ":" in text:
        return f"Basic {base64.b64encode(text.encode()).decode()}"
    try:
        if b":" in base64.b64decode(text, validate=True):
            return f"Basic {text}"
    except ValueError:
        pass
    return f"Bearer {text}"


def check_status(response: http.client.HTTPResponse, url: str) -> None:
    """Errors: as the server's answer says."""
    status = response.status
    if status in (200, 206, 304):
        return
    said = f"{shown(url)}: the server answered {status} {response.reason}".rstrip()
    if status in (404, 410):
        raise NotFound(f"{said}. Look whether the URL is right and the file is there")
    if status in (401, 403, 407):
        raise Forbidden(f"{said}. Look whether it needs authorization, and whether what was given is right")
    if status in (408, 425, 429) or status >= 500:
        raise DeviceUnreachable(said)
    raise InvalidRequest(said)


def next_url(url: str, location: str | None, wanted: Wanted, headers: dict[str, str]) -> str:
    """Where a redirect leads. Errors: InvalidRequest."""
    if not location:
        raise InvalidRequest(f"{shown(url)} redirects and does not say where to")
    there = urljoin(url, location)
    before, after = urlsplit(url), split(there)
    if after.scheme not in PORTS:
        raise InvalidRequest(f"{shown(url)} redirects to {shown(there)}, which is no http(s) URL")
    if before.scheme == "https" and after.scheme == "http" and not wanted.is_pinned:
        raise InvalidRequest(f"{shown(url)} redirects from https to http: give a checksum, or the last URL")
    if (before.scheme, before.netloc) != (after.scheme, after.netloc):
        headers.pop("Authorization", None)
    return there


def opened(response: http.client.HTTPResponse, wanted: Wanted, offset: int, known: Validator) -> Opened | None:
    """None: what came cannot be joined to what we have."""
    headers, url = response.headers, wanted.url
    if response.status == 304:
        if offset or not known:
            raise DeviceUnreachable(f"{shown(url)}: the server says that it is unchanged (304), and was not asked")
        return Opened(offset=0, total=None, validator=known, data=iter(()), is_unchanged=True)
    coding = headers.get("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise InvalidRequest(f"{shown(url)}: the server sends it packed ({coding[:40]}), though it was asked not to")
    length = response.length
    begins, total = 0, length
    if response.status == 206:
        found = _RANGE.fullmatch(headers.get("Content-Range", ""))
        if found is None or int(found.group(1)) != offset:
            return None
        begins = offset
        total = int(found.group(3)) if found.group(3) != "*" else None if length is None else offset + length
    validator = Validator(etag=headers.get("ETag"), last_modified=headers.get("Last-Modified"))
    return Opened(
        offset=begins, total=total, validator=validator, data=_chunks(response, wanted),
        content_type=headers.get("Content-Type", ""),
    )  # fmt: skip


def at_end(response: http.client.HTTPResponse, offset: int, known: Validator) -> Opened | None:
    """Nothing follows what we have: it is whole."""
    found = _UNSATISFIED.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or int(found.group(1)) != offset:
        return None
    return Opened(offset=offset, total=offset, validator=known, data=iter(()))


def _chunks(response: http.client.HTTPResponse, wanted: Wanted) -> Iterator[bytes]:
    while True:
        with translated(wanted.url, wanted):
            data = response.read1(CHUNK)
        if not data:
            return
        yield data


@contextmanager
def translated(url: str, wanted: Wanted) -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise DeviceUnreachable(f"{shown(url)} could not be fetched: {reason_of(error, wanted)}") from error


def reason_of(error: Exception, wanted: Wanted) -> str:
    if time.monotonic() >= wanted.until:
        return "the time for it is over"
    if isinstance(error, TimeoutError):
        return "nothing came for too long"
    if isinstance(error, http.client.IncompleteRead):
        return "it ended in the middle"
    return reason(error)
