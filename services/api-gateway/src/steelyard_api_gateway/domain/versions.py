"""Microversions: which one a request speaks, and what is too new for it (facts §1, §4)."""

from __future__ import annotations

import re

from steelyard_common.contracts.api import MAX_MINOR, MIN_MINOR
from steelyard_common.errors import NotAcceptable

HEADER = "X-OpenStack-Ironic-API-Version"
MIN_HEADER = "X-OpenStack-Ironic-API-Minimum-Version"
MAX_HEADER = "X-OpenStack-Ironic-API-Maximum-Version"
SERVICE_TYPE = "baremetal"
MIN_VERSION = f"1.{MIN_MINOR}"
MAX_VERSION = f"1.{MAX_MINOR}"
RANGE = f"[{MIN_VERSION}, {MAX_VERSION}]"
_PLAIN = {f"1.{minor}": minor for minor in range(MIN_MINOR, MAX_MINOR + 1)}
_VERSION = re.compile(r"\s*\+?(\d{1,9})\.(\d{1,9})\s*")


class VersionRefused(NotAcceptable):
    """The version header is malformed or outside what this service speaks (answered in the abort shape)."""


def negotiate(generic: str | None, own: str | None) -> int:
    """The minor version asked for by ``OpenStack-API-Version`` (wins) or ``X-OpenStack-Ironic-API-Version``.

    Neither, or an empty one: the lowest. Errors: VersionRefused, naming the range.
    """
    wanted = _of_our_type(generic) if generic else None
    if wanted is None:
        wanted = own
    if not wanted:
        return MIN_MINOR
    minor = _PLAIN.get(wanted)
    return minor if minor is not None else _parse(wanted)


def _of_our_type(generic: str) -> str | None:
    """``compute 2.90, baremetal 1.10`` → ``1.10``; entries of other services do not count."""
    for entry in generic.split(","):
        words = entry.split()
        if len(words) == 2 and words[0].lower() == SERVICE_TYPE:
            return words[1]
    return None


def _parse(text: str) -> int:
    if text.strip().lower() == "latest":
        return MAX_MINOR
    match = _VERSION.fullmatch(text)
    if match is None:
        raise VersionRefused(f"Invalid value for {HEADER} header. The supported version range is: {RANGE}.")
    major, minor = int(match[1]), int(match[2])
    if major != 1:
        raise VersionRefused(
            f"Mutually exclusive versions requested. Version {major}.{minor} requested but not supported by this"
            f" service. The supported version range is: {RANGE}."
        )
    if not MIN_MINOR <= minor <= MAX_MINOR:
        raise VersionRefused(
            f"Version {major}.{minor} was requested but the minor version is not supported by this service."
            f" The supported version range is: {RANGE}."
        )
    return minor


def too_new(what: str, since: int) -> NotAcceptable:
    """The 406 for a known thing that came with version 1.``since``."""
    return NotAcceptable(f"Request not acceptable. The minimal required API version should be 1.{since} to use {what}.")
