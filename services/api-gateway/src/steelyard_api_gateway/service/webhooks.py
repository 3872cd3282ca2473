"""Webhooks: what may stand in one. Their secret is sealed here, shown once, and opened by the sender alone."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import orjson
from steelyard_common.addresses import Network
from steelyard_common.contracts.api import Field
from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import MASK, Sealer

from ..domain import identifiers, insight_queries, patches, values, webhook_urls
from ..domain.listings import Query, refuse_unknown, single
from ..drivers import Upstream
from .arguments import read_arguments
from .call import Call
from .webhook_sender import PREFIX

SECRET_BYTES = (24, 64)  # as Standard Webhooks wants it
MOST_PATTERNS = 50
STATUSES = ("pending", "delivered", "dead")
_PATTERN = re.compile(r"[a-z0-9.*?-]{1,100}")
_FIELDS = {
    name: Field(name, kind, create=True, patch=True)
    for name, kind in (
        ("url", "string"), ("secret", "string"), ("events", "list"), ("filters", "object"), ("description", "string"),
        ("enabled", "bool"),
    )
}  # fmt: skip
_LACKING: dict[str, Any] = {"filters": {}, "description": None, "enabled": True}


class Webhooks:
    """Questions and commands on `/v1/webhooks`. ``allowed``: internal networks that webhooks may be in."""

    def __init__(self, inventory: Upstream, sealer: Sealer, allowed: Sequence[Network] = ()) -> None:
        self._inventory = inventory
        self._sealer = sealer
        self._readers: Mapping[str, Callable[[str, Any], Any]] = {
            "url": lambda name, value: webhook_urls.parse(values.text(name, value), allowed).geturl(),
            "secret": _secret,
            "events": _patterns,
            "filters": _filters,
            "description": _description,
            "enabled": values.boolean,
        }

    def create(self, call: Call, body: Any) -> tuple[str, bytes]:
        """→ its UUID, and its document, which shows the secret this once. Errors: InvalidRequest."""
        given = read_arguments(body, self._readers, required="url")
        secret = given.get("secret") or f"{PREFIX}{base64.b64encode(os.urandom(32)).decode()}"
        made = {"events": ["*"], **_LACKING, **given, "uuid": str(uuid4()), "secret": self._sealer.seal(secret)}
        asked = {"api": call.api(), "webhook": made}
        told = orjson.loads(self._inventory.command("create-webhook", asked, call.headers()))
        return made["uuid"], orjson.dumps(told | {"secret": secret})

    def list_all(self, call: Call, query: Query) -> bytes:
        refuse_unknown(query, {"limit", "marker"})
        body = insight_queries.page(query) | {"api": call.api()}
        return self._inventory.query("webhooks", body, call.headers())

    def show(self, call: Call, uuid: str) -> bytes:
        return self._inventory.query("webhook", _of(call, uuid), call.headers())

    def update(self, call: Call, uuid: str, patch: Any) -> bytes:
        """Errors: InvalidRequest."""
        changes: dict[str, Any] = {}
        for each in patches.parse(patch, _FIELDS, call.minor, mandatory=("url", "secret", "events")):
            if len(each.segments) > 1:
                raise InvalidRequest(f"Set /{each.root} as a whole")
            removed = each.op == "remove"
            changes[each.root] = _LACKING[each.root] if removed else self._readers[each.root](each.root, each.value)
        if "secret" in changes:
            changes["secret"] = self._sealer.seal(changes["secret"])
        asked = _of(call, uuid) | {"changes": changes}
        return self._inventory.command("update-webhook", asked, call.headers())

    def delete(self, call: Call, uuid: str) -> None:
        self._inventory.command("delete-webhook", _of(call, uuid), call.headers())

    def deliveries(self, call: Call, uuid: str, query: Query) -> bytes:
        refuse_unknown(query, {"limit", "marker", "status"})
        body = _of(call, uuid) | insight_queries.page(query)
        if "status" in query:
            body["status"] = single("status", query)
            if body["status"] not in STATUSES:
                raise InvalidRequest(f"status is one of {', '.join(STATUSES)}")
        return self._inventory.query("webhook-deliveries", body, call.headers())

    def redeliver(self, call: Call, uuid: str, delivery: str) -> bytes:
        asked = _of(call, uuid) | {"delivery": identifiers.uuid("delivery", delivery)}
        return self._inventory.command("redeliver-webhook", asked, call.headers())

    def test(self, call: Call, uuid: str) -> bytes:
        return self._inventory.command("test-webhook", _of(call, uuid), call.headers())


def _secret(name: str, value: Any) -> str:
    """``whsec_`` and base64 of 24 to 64 bytes. Errors: InvalidRequest, without the value."""
    wrong = InvalidRequest(f"{name} is {PREFIX} and base64 of 24 to 64 bytes; leave it out to get one")
    if not isinstance(value, str) or value == MASK:
        raise wrong
    try:
        raw = base64.b64decode(value.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    if not SECRET_BYTES[0] <= len(raw) <= SECRET_BYTES[1]:
        raise wrong
    return value


def _patterns(name: str, value: Any) -> list[str]:
    good = isinstance(value, list) and 1 <= len(value) <= MOST_PATTERNS
    if not good or not all(isinstance(each, str) and _PATTERN.fullmatch(each) for each in value):
        raise InvalidRequest(
            f"{name} is a list of 1 to {MOST_PATTERNS} patterns of facts, as provision-* or power.bmc-unreachable"
        )
    return list(dict.fromkeys(value))


def _filters(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value.keys() <= {"node", "owner", "lessee"}:
        raise InvalidRequest(f"{name} is an object with any of node, owner, lessee")
    found = {key: values.text(key, item) for key, item in value.items() if item is not None}
    return found | ({"node": identifiers.uuid("node", found["node"])} if "node" in found else {})


def _description(name: str, value: Any) -> str | None:
    return None if value is None else values.text(name, value)


def _of(call: Call, uuid: str) -> dict[str, Any]:
    return {"api": call.api(), "uuid": identifiers.uuid("webhook", uuid)}
