"""Which bucket keeps the artifacts, and by which key. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_URL = re.compile(r"(https?)://([^/\s?#@]+)/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._-]+)*)/?")


@dataclass(frozen=True, kw_only=True)
class BucketPlace:
    """``host``: with its port, if it has one; ``prefix``: empty, or with a slash at its end. Shown without the key."""

    host: str
    bucket: str
    prefix: str
    is_secure: bool
    region: str = "us-east-1"
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"the bucket {self.bucket} of {self.host}"


def parse(text: str) -> BucketPlace:
    """``http(s)://host[:port]/bucket[/prefix]``. Errors: ValueError."""
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("https://host[:port]/bucket[/prefix] is expected, without a user in it")
    scheme, host, bucket, prefix = found.groups()
    return BucketPlace(
        host=host, bucket=bucket, prefix=f"{prefix[1:]}/" if prefix else "", is_secure=scheme == "https"
    )  # fmt: skip
