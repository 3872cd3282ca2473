"""Deleting nodes, and what is left of them."""

from __future__ import annotations

from .words import ALPHA, BETA, CHILD, GAMMA, NOBODY, OLD, PORT2, delete, get, patch

REQUESTS = [
    delete("/v1/nodes/nobody"),
    delete(f"/v1/nodes/{NOBODY}"),
    delete("/v1/nodes/no%20body"),
    delete("/v1/nodes/beta?bogus=1"),
    patch("/v1/nodes/beta", ("remove", "/maintenance")),
    patch("/v1/nodes/beta", ("replace", "/maintenance", False)),
    delete("/v1/nodes/beta"),
    patch("/v1/nodes/beta", ("remove", "/instance_uuid")),
    get("/v1/nodes/beta"),
    delete("/v1/nodes/beta"),
    get(f"/v1/nodes/{BETA}"),
    delete("/v1/nodes/Gamma.1~x_y"),
    get(f"/v1/nodes/{GAMMA}"),
    delete("/v1/nodes/child"),
    get(f"/v1/nodes/{CHILD}"),
    delete("/v1/nodes/alpha"),
    get(f"/v1/nodes/{ALPHA}"),
    get(f"/v1/ports/{PORT2}"),
    get(f"/v1/nodes/{OLD}"),
    delete(f"/v1/nodes/{OLD}", "1.1"),
    get("/v1/nodes"),
    get("/v1/ports"),
]
