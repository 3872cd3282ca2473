"""Chassis: create, show, lists, their nodes, change, delete."""

from __future__ import annotations

from typing import Any

from ..asking import Ask
from .words import ALPHA, CHASSIS, FAKE, NOBODY, delete, get, other, patch, post, put, raw

C = f"/v1/chassis/{CHASSIS}"


def replaced(name: str, value: Any) -> Ask:
    return patch(C, ("replace", f"/{name}", value))


CREATING = [
    get("/v1/chassis"),
    post("/v1/chassis", []),
    raw("POST", "/v1/chassis", b"null"),
    *(post("/v1/chassis", {name: value}) for name, value in (
        ("uuid", "x"), ("uuid", 5), ("name", "x"), ("description", 5), ("description", "d" * 256), ("extra", []),
        ("extra", "x"), ("nodes", []), ("links", []), ("created_at", "x"),
    )),
    post("/v1/chassis", {"uuid": CHASSIS, "description": "rack 1", "extra": {"row": 3}}),
    post("/v1/chassis", {"uuid": CHASSIS}),
    other("PUT", "/v1/chassis"),
    put(C, {}),
    post(C, {}),
]  # fmt: skip
LISTS = [
    *(get("/v1/chassis", f"1.{minor}") for minor in (1, 8, 115)),
    get("/v1/chassis/detail"),
    get("/v1/chassis/detail", "1.1"),
    get("/v1/chassis/detail?fields=uuid"),
    get("/v1/chassis/detail?limit=1"),
    *(get(f"/v1/chassis?{query}") for query in (
        "detail=True", "detail=False", "detail=maybe", "detail=True&fields=uuid", "fields=nodes,extra", "fields=bogus",
        "fields=uuid", "fields=UUID,Description", "sort_key=extra", "sort_key=bogus", "sort_key=description&limit=1",
        "sort_dir=up", "sort_dir=desc", "limit=0", "limit=-1", "limit=x", f"marker={NOBODY}", f"marker={CHASSIS}",
        "marker=x", "bogus=1",
    )),
    get("/v1/chassis?detail=True", "1.42"),
    get("/v1/chassis?fields=uuid", "1.7"),
    get(C),
    get(C, "1.1"),
    get(f"{C}?fields=uuid"),
    get(f"{C}?fields=uuid,nodes"),
    get(f"{C}?fields=bogus"),
    get(f"{C}?fields=uuid", "1.7"),
    get(f"{C}?bogus=1"),
    get(f"{C}/description"),
    get(f"{C}/bogus"),
    get("/v1/chassis/rack"),
    get(f"/v1/chassis/{NOBODY}"),
]  # fmt: skip
NODES = [
    post("/v1/nodes", FAKE | {"uuid": ALPHA, "name": "alpha", "chassis_uuid": NOBODY}),
    post("/v1/nodes", FAKE | {"uuid": ALPHA, "name": "alpha", "chassis_uuid": "x"}),
    post("/v1/nodes", FAKE | {"uuid": ALPHA, "name": "alpha"}),
    patch("/v1/nodes/alpha", ("add", "/chassis_uuid", NOBODY)),
    patch("/v1/nodes/alpha", ("add", "/chassis_uuid", CHASSIS)),
    get(f"{C}/nodes"),
    get(f"{C}/nodes/detail"),
    get(f"{C}/nodes?limit=1"),
    get(f"{C}/nodes?fields=uuid,chassis_uuid"),
    get(f"{C}/nodes?maintenance=true"),
    get(f"{C}/nodes?bogus=1"),
    get(f"{C}/nodes/{ALPHA}"),
    get(f"/v1/chassis/{NOBODY}/nodes"),
    get("/v1/chassis/rack/nodes"),
    post(f"{C}/nodes", FAKE),
    get(f"/v1/nodes?chassis_uuid={CHASSIS}"),
    get(f"/v1/nodes?chassis_uuid={NOBODY}"),
    get("/v1/nodes?chassis_uuid=x"),
    get("/v1/nodes/alpha?fields=chassis_uuid"),
]
CHANGING = [
    patch(C),
    patch(C, ("add", "/extra/a", 1)),
    patch(C, ("remove", "/extra/nothing")),
    patch(C, ("remove", "/extra")),
    patch(C, ("remove", "/description")),
    *(replaced(name, value) for name, value in (
        ("description", "rack 2"), ("description", 5), ("description", "d" * 256), ("extra", []), ("nodes", []),
        ("bogus", 1), ("created_at", "x"), ("links", []), ("uuid", "x"),
    )),
    patch(C, ("test", "/description", "x")),
    patch("/v1/chassis/rack", ("add", "/extra/a", 1)),
    patch(f"/v1/chassis/{NOBODY}", ("add", "/extra/a", 1)),
    patch("/v1/chassis", ("add", "/extra/a", 1)),
    delete(C),
    patch("/v1/nodes/alpha", ("remove", "/chassis_uuid")),
    get("/v1/nodes/alpha?fields=chassis_uuid"),
    delete("/v1/chassis/rack"),
    delete("/v1/chassis"),
    delete(f"/v1/chassis/{NOBODY}"),
    delete(C),
    delete(C),
    delete("/v1/nodes/alpha"),
]  # fmt: skip
REQUESTS = [*CREATING, *LISTS, *NODES, *CHANGING]
