"""Entrances for a node's tags: each route → one request on the bus, and what its answer becomes."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_api_gateway.handlers.tenancy import ROUTES
from steelyard_api_gateway.testing import Api, Others

TAGS = "/v1/nodes/n1/tags"
CHANGED = b'{"tags": ["a"], "changed": true}'
SAME = b'{"tags": ["a"], "changed": false}'
# method, path, body, what inventory replies → status, verb, what its body holds
CALLS: list[tuple[str, str, Any, bytes, int, str, dict[str, Any]]] = [
    ("GET", TAGS, None, SAME, 200, "qry.node-tags", {"ident": "n1"}),
    ("PUT", TAGS, {"tags": ["a"]}, CHANGED, 200, "cmd.set-tags", {"mode": "replace", "tags": ["a"]}),
    ("DELETE", TAGS, None, CHANGED, 204, "cmd.set-tags", {"tags": []}),
    ("GET", f"{TAGS}/a", None, SAME, 204, "qry.node-tags", {"ident": "n1"}),
    ("GET", f"{TAGS}/b", None, SAME, 404, "qry.node-tags", {"ident": "n1"}),
    ("PUT", f"{TAGS}/a", None, CHANGED, 201, "cmd.set-tags", {"mode": "add", "tags": ["a"]}),
    ("PUT", f"{TAGS}/a", None, SAME, 204, "cmd.set-tags", {"mode": "add", "tags": ["a"]}),
    ("DELETE", f"{TAGS}/a", None, CHANGED, 204, "cmd.set-tags", {"mode": "remove", "tags": ["a"]}),
]


@pytest.mark.parametrize(("method", "path", "body", "reply", "status", "verb", "holds"), CALLS)
def test_a_call_on_tags_asks_one_thing(
    api: Api, others: Others, method: str, path: str, body: Any, reply: bytes, status: int, verb: str,
    holds: dict[str, Any],
) -> None:  # fmt: skip
    others.replies[verb] = reply

    response = api(method, path, body)

    assert response.status_code == status, response.data
    assert [name for name, _, _ in others.asked] == [verb]
    assert others.last[1].items() >= holds.items()
    assert response.headers.get("Location") == (f"http://localhost{path}" if status == 201 else None)
    assert (response.data == b"") == (status in (201, 204))


def test_every_route_of_tags_is_among_the_calls_above() -> None:
    tried = {(method, path == TAGS) for method, path, *_ in CALLS}

    assert {(route.method, not route.path.endswith("<tag>")) for route in ROUTES} == tried
