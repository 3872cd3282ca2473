"""The root documents, made once for each host that clients use and kept as bytes (facts §5)."""

from __future__ import annotations

from typing import Any

import orjson

from ..domain.versions import MAX_VERSION, MIN_VERSION

KEPT = 512  # bases; a client may send any Host header
DESCRIPTION = "Steelyard: bare-metal lifecycle management. /v1 is compatible with the OpenStack Bare Metal API."
# Resource → the minor version from which `/v1` lists it.
RESOURCES = {
    "chassis": 1,
    "nodes": 1,
    "ports": 1,
    "drivers": 1,
    "lookup": 22,
    "heartbeat": 22,
    "portgroups": 23,
    "volume": 32,
    "conductors": 49,
    "allocations": 52,
    "events": 54,
    "deploy_templates": 55,
    "shards": 82,
    "runbooks": 92,
    "continue_inspection": 84,
    "inspection_rules": 96,
}
_STEPS = sorted(set(RESOURCES.values()))


class Root:
    """`/` and `/v1` for a base URL."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], bytes] = {}

    def versions(self, base_url: str) -> bytes:
        return self._kept(base_url, 0)

    def v1(self, base_url: str, minor: int) -> bytes:
        return self._kept(base_url, max(step for step in _STEPS if step <= minor))

    def _kept(self, base_url: str, step: int) -> bytes:
        document = self._made.get((base_url, step))
        if document is None:
            document = orjson.dumps(_v1_document(base_url, step) if step else _versions_document(base_url))
            if len(self._made) >= KEPT:
                self._made.clear()
            self._made[base_url, step] = document
        return document


def _version(base_url: str) -> dict[str, Any]:
    return {
        "id": "v1",
        "links": [{"href": f"{base_url}/v1/", "rel": "self"}],
        "status": "CURRENT",
        "min_version": MIN_VERSION,
        "version": MAX_VERSION,
    }


def _versions_document(base_url: str) -> dict[str, Any]:
    version = _version(base_url)
    return {"name": "Steelyard API", "description": DESCRIPTION, "default_version": version, "versions": [version]}


def _v1_document(base_url: str, minor: int) -> dict[str, Any]:
    described_by = {
        "href": "https://docs.openstack.org/api-ref/baremetal/",
        "rel": "describedby",
        "type": "text/html",
    }
    resources = {
        name: [
            {"href": f"{base_url}/v1/{name}/", "rel": "self"},
            {"href": f"{base_url}/{name}/", "rel": "bookmark"},
        ]
        for name, since in RESOURCES.items()
        if since <= minor
    }
    return {
        "id": "v1",
        "links": [{"href": f"{base_url}/v1/", "rel": "self"}, described_by],
        "media_types": {"base": "application/json", "type": "application/vnd.openstack.ironic.v1+json"},
        "version": _version(base_url),
        **resources,
    }
