"""Allocations: requests, matching against nodes that are there, backfill, release."""

from __future__ import annotations

from .recipes import resource
from .words import ALLOCATION, ALPHA, FAKE, NOBODY, STRAY, delete, get, patch, post, put

ALLOCATIONS, A = "/v1/allocations", f"/v1/allocations/{ALLOCATION}"

REQUESTS = [
    post("/v1/nodes", FAKE | {"uuid": ALPHA, "name": "alpha", "resource_class": "metal"}),
    *resource(ALLOCATIONS, 52, ALLOCATION, {"name": "web", "resource_class": "none-has-it"}, [
        {"name": "in valid"}, {"name": 5}, {"resource_class": "x" * 81}, {"resource_class": None},
        {"traits": ["gold"]}, {"traits": "CUSTOM_A"}, {"candidate_nodes": ["nobody"]}, {"candidate_nodes": [NOBODY]},
        {"candidate_nodes": "alpha"}, {"node": "nobody"}, {"bogus": 1}, {"state": "active"}, {"node_uuid": ALPHA},
        {"last_error": "x"}, {"extra": []},
    ]),
    post(
        ALLOCATIONS, {"uuid": STRAY, "resource_class": "metal", "owner": "o" * 256}, "1.115", f"{ALLOCATIONS}/{STRAY}"
    ),
    delete(f"{ALLOCATIONS}/{STRAY}"),
    post(ALLOCATIONS, {"name": "x", "resource_class": "metal", "owner": "ann"}, "1.59"),
    post(ALLOCATIONS, {"name": "x", "resource_class": "metal", "node": "alpha"}, "1.57"),
    post(ALLOCATIONS, {"name": "web", "resource_class": "metal"}),
    get(f"{ALLOCATIONS}/web"),
    get(A, "1.59"),
    *(get(f"{ALLOCATIONS}?{query}") for query in (
        "node=nobody", "node=alpha", f"node={NOBODY}", "state=bogus", "state=error", "resource_class=none-has-it",
        "resource_class=metal", "owner=ann", "sort_key=traits", "sort_key=candidate_nodes", "fields=uuid,state",
    )),
    get(f"{ALLOCATIONS}?owner=ann", "1.59"),
    *(patch(A, operation) for operation in (
        ("add", "/extra/a", 1), ("add", "/owner", "x"), ("replace", "/resource_class", "metal"), ("remove", "/name"),
        ("replace", "/state", "active"), ("replace", "/name", "a b"), ("replace", "/name", 5), ("remove", "/extra"),
        ("replace", "/uuid", NOBODY), ("replace", "/name", "web2"),
    )),
    patch(A, ("add", "/extra/a", 1), version="1.56"),
    patch(f"{ALLOCATIONS}/{NOBODY}", ("add", "/extra/a", 1)),
    delete(f"{ALLOCATIONS}/web2"),
    delete(A),
    get("/v1/nodes/nobody/allocation"),
    get("/v1/nodes/alpha/allocation"),
    get("/v1/nodes/alpha/allocation", "1.51"),
    delete("/v1/nodes/alpha/allocation"),
    delete("/v1/nodes/alpha/allocation", "1.51"),
    post("/v1/nodes/alpha/allocation", {}),
    post(ALLOCATIONS, {"name": "back", "resource_class": "metal", "node": "alpha"}),
    post(ALLOCATIONS, {"name": "back", "resource_class": "other", "node": ALPHA}),
    put("/v1/nodes/alpha/states/provision", {"target": "manage"}, "1.115", "alpha"),
    put("/v1/nodes/alpha/states/provision", {"target": "provide"}, "1.115", "alpha"),
    get("/v1/nodes/alpha?fields=provision_state"),
    delete("/v1/nodes/alpha"),
]  # fmt: skip
