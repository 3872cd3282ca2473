"""Conditional requests (RFC 9110 §13): what If-Match and If-None-Match hold, and which routes know them.

A tag is `"<version>-<variant>"`: the version of the record, and which of its documents this is (microversion and what
is computed). A change asks for the version alone: it does not matter in which form the caller has read the record.
"""

from __future__ import annotations

import re

from steelyard_common.errors import InvalidRequest

ANY = "*"
_TAG = re.compile(r'\s*(?:W/)?"([\x21\x23-\x7e]*)"\s*(?:,|$)')
MOST = 100  # tags in one header
# Changes that are made where the record is kept, in the transaction that looks at its version.
_CONDITIONAL = re.compile(
    r"(/nodes/<ident>(/maintenance|/traits(/<trait>)?|/tags(/<tag>)?|/states/(power|provision|boot_mode|secure_boot|raid|console)"
    r"|/allocation)?"
    r"|/(ports|portgroups|chassis|allocations|deploy_templates|runbooks|inspection_rules)/<ident>"
    r"|/volume/(connectors|targets)/<ident>"
    r"|/runbooks/<ident>/traits(/<trait>)?"
    r"|/webhooks/<uuid>|/quotas/<project>)"
)


def versions(header: str, method: str, path: str) -> tuple[str, ...] | None:
    """The versions that an If-Match of this route names; None: any will do. Errors: InvalidRequest."""
    if method == "POST" or not _CONDITIONAL.fullmatch(path):
        raise InvalidRequest(f"{method} {path} knows no If-Match; leave the header out")
    if header.strip() == ANY:
        return None
    return tuple(tag.partition("-")[0] for tag in _tags("If-Match", header))


def is_known(header: str, tag: str) -> bool:
    """Does an If-None-Match name this tag? Errors: InvalidRequest."""
    return header.strip() == ANY or tag.strip('"') in _tags("If-None-Match", header)


def _tags(name: str, header: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(header):
        match = _TAG.match(header, at)
        if match is None or len(found) == MOST:
            raise InvalidRequest(f'Invalid {name}: an ETag in quotes, or several with commas, is expected: "…"')
        found.append(match[1])
        at = match.end()
    return found
