"""Artifacts: what is wished for, what is had, and what a wish must be like. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from steelyard_common.errors import InvalidRequest

from . import checksums

KINDS = ("kernel", "ramdisk", "iso", "image", "loader", "configdrive")
MOST_CHARACTERS = 4096  # of a URL
SCHEMES = ("http", "https", "file", "oci")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_KEY = re.compile(r"[0-9a-f]{64}|[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """By the scheme of what is fetched; ``no``: hosts and domains that are reached directly, with commas."""

    http: str | None = None
    https: str | None = None
    no: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Something that a node needs.

    ``checksum``: ``sha256:…``, ``sha512:…``, the hex alone, or the URL of a checksum file. ``project``: set when a
    tenant gave the URL; it then leads to no internal address. ``is_owners``: an owner of nodes gave it; it then leads
    neither to our own machine nor to a metadata service. ``authorization``: sealed; a value of the header
    Authorization, ``user:password``, a bearer token, or a registry's pull secret.
    """

    url: str = field(repr=False)  # a presigned one is a secret
    kind: str
    checksum: str | None = None
    project: str | None = None
    authorization: str | None = field(default=None, repr=False)
    convert_to_raw: bool = False
    proxies: Proxies | None = None
    is_owners: bool = False


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """What is on the shared folder. ``key``: its SHA-256, or a random name that only its user knows.

    ``format``: raw, gpt, qcow2 or iso, where that was looked at, else the kind. ``url``: where machines get it.
    """

    key: str = field(repr=False)
    sha256: str
    size: int
    kind: str
    name: str
    format: str
    virtual_size: int
    url: str = field(repr=False)
    created_at: datetime
    used_at: datetime


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """It is under way. ``progress``: 0 to 1, None while nobody knows how much there is; ``text`` is for people."""

    progress: float | None
    text: str


def check(wish: Wish, *, allow_md5: bool) -> None:
    """What can be told without asking anybody. Errors: InvalidRequest."""
    if wish.kind not in KINDS:
        raise InvalidRequest(f"an artifact is one of {', '.join(KINDS)}, and no {wish.kind}")
    parts = split(wish.url)
    if wish.checksum:
        if checksums.is_url(wish.checksum):
            if split(wish.checksum).scheme not in ("http", "https", "file"):
                raise InvalidRequest("the URL of a checksum file begins with https://, http:// or file://")
        else:
            checksums.parse(wish.checksum, allow_md5=allow_md5)
    elif parts.scheme in ("http", "https") and wish.kind == "image":
        raise InvalidRequest(
            f"{shown(wish.url)} needs a checksum: sha256 or sha512, or the URL of a checksum file. Without one nobody "
            "can tell whether what came is what was meant"
        )
    if wish.project is not None and parts.scheme == "file":
        raise InvalidRequest("a file:// URL is for those who run the service: give an https:// URL")
    if wish.convert_to_raw and wish.kind != "image":
        raise InvalidRequest(f"only an image is converted, and no {wish.kind}")


def split(url: str) -> SplitResult:
    """Errors: InvalidRequest."""
    if len(url) > MOST_CHARACTERS or any(ord(each) <= 32 or ord(each) == 127 for each in url):
        raise InvalidRequest(f"a URL has {MOST_CHARACTERS} characters at most, and neither blanks nor control ones")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidRequest("the URL is malformed") from None
    if parts.scheme not in SCHEMES:
        raise InvalidRequest(f"{shown(url)}: artifacts are fetched from https://, http://, oci:// and file:// URLs")
    if parts.scheme != "file" and not host:
        raise InvalidRequest(f"{shown(url)}: the URL names no host")
    if parts.scheme == "file" and host not in (None, "", "localhost"):
        raise InvalidRequest("a file:// URL has three slashes: file:///srv/images/node.img")
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest("a URL must not hold a user or password: give them apart, so that they stay secret")
    return parts


def shown(url: str) -> str:
    """A URL as it may be shown: without user, password, query and fragment, where secrets are put."""
    scheme, mark, rest = url.partition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"[:300]


def name_of(url: str) -> str:
    """The last part of a URL's path, as it may stand in a URL of ours."""
    return safe_name(unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2])


def safe_name(name: str) -> str:
    """Letters, digits, dot, dash and underscore; never empty, hidden or long."""
    return _UNSAFE.sub("-", name).lstrip(".-")[-100:] or "artifact"


def random_key() -> str:
    """A name of 256 bits: nobody finds it who was not told."""
    return secrets.token_urlsafe(32)


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def progress(row: Mapping[str, Any]) -> Fetching:
    """What is told of a fetch: a row of the table."""
    what = shown(row["url"])
    if row["status"] == "waiting":
        again = f"; try {row['tries'] + 1}: {row['error']['message']}" if row["tries"] and row["error"] else ""
        return Fetching(progress=None, text=f"{what} waits to be fetched{again}")
    done, total = row["done_bytes"], row["total_bytes"]
    if row["phase"] != "fetch":
        return Fetching(progress=None, text=f"{what} is here and is being {PHASES[row['phase']]}")
    if total:
        return Fetching(progress=min(1.0, done / total), text=f"{what}: {amount(done)} of {amount(total)} fetched")
    return Fetching(progress=None, text=f"{what}: {amount(done)} fetched")


PHASES = {"check": "checked", "convert": "converted to raw"}


def amount(size: int) -> str:
    """Bytes for people: 1.5 GiB."""
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
