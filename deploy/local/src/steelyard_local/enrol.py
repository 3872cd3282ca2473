"""Registers the machines of the rack as nodes, through our own REST API, each only once."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from steelyard_common.errors import Conflict, Unavailable

from .api import Api

PARALLEL = 8
IN_ORDER = 64  # a small rack is enrolled in order, so that lists show it so
Progress = Callable[[int, int], None]


def rack_nodes(control_port: int) -> list[dict[str, Any]]:
    """What the rack's control API says that can be enrolled."""
    connection = http.client.HTTPConnection("127.0.0.1", control_port, timeout=30)
    try:
        connection.request("GET", "/nodes")
        body = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unavailable("the rack's control API does not answer", detail=repr(error)) from error
    finally:
        connection.close()
    nodes: list[dict[str, Any]] = body["nodes"]
    return nodes


def enrol(api: Api, nodes: list[dict[str, Any]], record: Path, progress: Progress) -> int:
    """Create what was never created. ``record`` remembers names, so that a node that was deleted stays so.

    → how many are new. Errors: those of the API.
    """
    known = _names(record) if record.exists() else set()
    new = [node for node in nodes if node["name"] not in known]
    with ThreadPoolExecutor(PARALLEL if len(new) > IN_ORDER else 1) as pool:
        for count, name in enumerate(pool.map(lambda node: _enrol_one(api, node), new), start=1):
            known.add(name)
            progress(count, len(new))
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps(sorted(known)))
    return len(new)


def _names(record: Path) -> set[str]:
    try:
        return set(json.loads(record.read_text()))
    except (ValueError, TypeError) as error:
        raise Conflict(
            f"{record} is damaged. Remove it: machines that are not nodes are then enrolled again"
        ) from error


def _enrol_one(api: Api, body: dict[str, Any]) -> str:
    node = dict(body)
    ports = node.pop("ports", [])
    name = str(node["name"])
    with contextlib.suppress(Conflict):  # an earlier enrolment was cut off after this one
        api.post("/v1/nodes", node)
    uuid = api.get(f"/v1/nodes/{name}?fields=uuid")["uuid"]
    for port in ports:
        with contextlib.suppress(Conflict):
            api.post("/v1/ports", {**port, "node_uuid": uuid})
    return name
