"""Which URL a webhook may have: none of an address inside one's own network, unless the operator names it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from steelyard_common.addresses import Network, is_allowed
from steelyard_common.errors import InvalidRequest

MOST_CHARACTERS = 2048
PORTS = {"http": 80, "https": 443}


def parse(url: str, allowed: Sequence[Network]) -> SplitResult:
    """A URL that may be a webhook's, as far as that can be told without asking for its name. Errors: InvalidRequest."""
    if len(url) > MOST_CHARACTERS or any(ord(each) <= 32 or ord(each) == 127 for each in url):
        raise InvalidRequest(f"url has {MOST_CHARACTERS} characters at most, and neither blanks nor control characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidRequest("url is malformed") from None
    if parts.scheme not in PORTS or not host:
        raise InvalidRequest("url must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest("url must not hold a user or password; receivers know us by the signature")
    try:
        address = ip_address(host)
    except ValueError:
        return parts
    if not is_allowed(address, allowed):
        raise InvalidRequest(refusal(host))
    return parts


def refusal(host: str) -> str:
    return (
        f"url: {host} is an address of an internal network; who runs the service may allow it"
        " (STEELYARD_WEBHOOK_NETWORKS)"
    )
