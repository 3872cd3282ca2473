"""``contracts.permissions`` as nats-server reads it. JSON is valid configuration there, and quotes what must be quoted.

Users stand in ``authorization``, so in the server's global account: where a server ran without users before, its
streams are found again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..contracts.permissions import Row, rights

MAX_PAYLOAD = 1_048_576
TLS_TIMEOUT_S = 5
MAX_MEMORY_STORE = 64 << 20
# A limit, not a reservation; unsaid it is 3/4 of what the disk has free, and may refuse our streams.
MAX_FILE_STORE = 16 << 30


def authorization(site: str, table: Mapping[str, Row], passwords: Mapping[str, str]) -> dict[str, Any]:
    """``passwords``: user → password, or its bcrypt hash. Who has none is not let in at all."""
    users = [
        {"user": user, "password": passwords[user], "permissions": _permissions(site, user, table)}
        for user in table
        if user in passwords
    ]
    return {"users": users}


def jetstream(store: Path | str, *, durable: bool) -> dict[str, Any]:
    """``durable``: every message is synced to disk before it is acknowledged."""
    body = {"store_dir": str(store), "max_memory_store": MAX_MEMORY_STORE, "max_file_store": MAX_FILE_STORE}
    return body | ({"sync_interval": "always"} if durable else {})


def tls(certificate: Path | str, key: Path | str) -> dict[str, Any]:
    """Clients must use TLS; they are known by password, not by certificate."""
    return {"cert_file": str(certificate), "key_file": str(key), "timeout": TLS_TIMEOUT_S}


def _permissions(site: str, user: str, table: Mapping[str, Row]) -> dict[str, Any]:
    allowed = rights(site, user, table)
    publish: dict[str, list[str]] = {"allow": allowed.publish}
    if allowed.not_publish:
        publish["deny"] = allowed.not_publish
    return {"publish": publish, "subscribe": {"allow": allowed.subscribe}}
