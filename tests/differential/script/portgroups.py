"""Port groups and their ports: create, show, lists, change, delete; ports that belong to one."""

from __future__ import annotations

from typing import Any

from ..asking import Ask
from .words import ALPHA, BETA, FAKE, GROUP, NOBODY, PORT, STRAY, delete, get, other, patch, post

MAC, MAC2 = "52:54:00:00:01:01", "52:54:00:00:01:02"
G = f"/v1/portgroups/{GROUP}"


def refused(version: str = "1.115", **fields: Any) -> Ask:
    return post("/v1/portgroups", {"node_uuid": ALPHA} | fields, version)


def replaced(name: str, value: Any, version: str = "1.115") -> Ask:
    return patch(G, ("replace", f"/{name}", value), version=version)


def port(**fields: Any) -> Ask:
    return post("/v1/ports", {"node_uuid": ALPHA, "address": MAC2} | fields)


# What Ironic takes: deleted at once, so that both go on alike.
STRAYS = [
    request
    for version, fields in (("1.101", {"physical_network": "p"}), ("1.102", {"category": "c"}))
    for request in (refused(version, uuid=STRAY, **fields), delete(f"/v1/portgroups/{STRAY}"))
]
BAD: list[tuple[str, Any]] = [
    ("name", "a b"), ("name", 5), ("mode", 5), ("bogus", 1), ("internal_info", {}), ("ports", []),
    ("standalone_ports_supported", "maybe"), ("address", "x"), ("address", 5), ("extra", []), ("properties", []),
    ("uuid", "x"), ("physical_network", "p" * 65), ("category", "c" * 81), ("dynamic_portgroup", True),
    ("created_at", "x"), ("links", []),
]  # fmt: skip
CREATING = [
    post("/v1/nodes", FAKE | {"uuid": ALPHA, "name": "alpha"}),
    post("/v1/nodes", FAKE | {"uuid": BETA, "name": "beta", "shard": "s", "conductor_group": ""}),
    get("/v1/portgroups"),
    post("/v1/portgroups", {}),
    post("/v1/portgroups", []),
    post("/v1/portgroups", {"name": "x"}),
    post("/v1/portgroups", {"node_uuid": NOBODY}),
    post("/v1/portgroups", {"node_uuid": "alpha"}),
    post("/v1/portgroups", {"node_uuid": 5}),
    post("/v1/portgroups", {"node_uuid": ALPHA}, "1.22"),
    *(refused(**{name: value}) for name, value in BAD),
    refused("1.25", mode="active-backup"),
    refused("1.25", properties={"a": 1}),
    *STRAYS,
    refused(uuid=GROUP, name="bond0", address=MAC.upper(), extra={"a": 1}, properties={"miimon": 100}),
    refused(uuid=GROUP),
    refused(name="bond0"),
    refused(address=MAC),
]  # fmt: skip
LISTS = [
    *(get("/v1/portgroups", f"1.{minor}") for minor in (22, 23, 26, 115)),
    *(get(G, f"1.{minor}") for minor in (22, 23, 24, 26, 102, 103, 111)),
    get("/v1/portgroups/detail"),
    get("/v1/portgroups/detail", "1.25"),
    get("/v1/portgroups/detail?fields=uuid"),
    *(get(f"/v1/portgroups?{query}") for query in (
        "fields=name,ports", "fields=bogus", "fields=mode", "detail=True", "detail=maybe", "detail=True&fields=uuid",
        "node=alpha", f"node={ALPHA}", "node=nobody", f"node={NOBODY}", f"address={MAC}", f"address={MAC.upper()}",
        "address=x", f"address={MAC2}", f"address={MAC}&node=alpha", "shard=s", "shard=none", "shard=s&node=alpha",
        "conductor_groups=x", "conductor_groups=x&node=alpha", "sort_key=properties", "sort_key=extra",
        "sort_key=internal_info", "sort_key=bogus", "sort_key=mode", "sort_key=node_uuid", "sort_key=address&limit=1",
        "sort_dir=up", "limit=0", "limit=x", f"marker={NOBODY}", f"marker={GROUP}", "marker=x", "bogus=1",
    )),
    *(get(f"/v1/portgroups?{query}", f"1.{minor}") for query, minor in (
        ("detail=True", 42), ("shard=s", 105), ("conductor_groups=x", 98), ("fields=mode", 25), ("sort_key=mode", 25),
    )),
    get("/v1/portgroups/bond0"),
    get("/v1/portgroups/nobody"),
    get("/v1/portgroups/a%20b"),
    get(f"/v1/portgroups/{NOBODY}"),
    get(f"{G}?fields=uuid,mode"),
    get(f"{G}?fields=mode", "1.25"),
    get(f"{G}?fields=bogus"),
    get(f"{G}?bogus=1"),
    get(f"{G}/mode"),
    get(f"{G}/bogus"),
]  # fmt: skip
CHANGING = [
    patch(G),
    patch("/v1/portgroups/bond0", ("replace", "/mode", "802.3ad")),
    patch(G, ("remove", "/mode")),
    patch(G, ("add", "/properties/a", 1)),
    patch(G, ("remove", "/properties/nothing")),
    patch(G, ("remove", "/properties")),
    patch(G, ("remove", "/extra")),
    patch(G, ("remove", "/node_uuid")),
    patch(G, ("remove", "/address")),
    replaced("address", MAC),
    *(replaced(name, value) for name, value in (
        ("name", "a b"), ("uuid", NOBODY), ("bogus", 1), ("internal_info", {}), ("dynamic_portgroup", True),
        ("ports", []), ("node_uuid", NOBODY), ("node_uuid", "x"), ("address", "x"), ("mode", 5),
        ("standalone_ports_supported", "maybe"), ("standalone_ports_supported", False),
        ("standalone_ports_supported", True), ("category", "c" * 81), ("category", "c"), ("physical_network", "p" * 65),
    )),
    replaced("category", "c", "1.102"),
    replaced("mode", "x", "1.25"),
    patch("/v1/portgroups/nobody", ("add", "/extra/a", 1)),
    patch("/v1/portgroups", ("add", "/extra/a", 1)),
    patch(G, ("add", "/extra/a", 1), version="1.22"),
    other("PUT", G),
    post(G, {}),
]  # fmt: skip
PORTS = [
    port(uuid=PORT, address=MAC, portgroup_uuid=GROUP, physical_network="green"),
    port(node_uuid=BETA, portgroup_uuid=GROUP),
    port(portgroup_uuid=NOBODY),
    port(portgroup_uuid="x"),
    port(portgroup_uuid=GROUP, physical_network="red"),
    get(G),
    get(f"/v1/ports/{PORT}"),
    get(f"{G}/ports"),
    get(f"{G}/ports/detail"),
    get(f"{G}/ports?fields=uuid,portgroup_uuid"),
    get(f"{G}/ports?limit=1"),
    get(f"{G}/ports?bogus=1"),
    get(f"{G}/ports", "1.23"),
    get(f"/v1/portgroups/{NOBODY}/ports"),
    get("/v1/portgroups/bond0/ports"),
    post(f"{G}/ports", {}),
    get("/v1/ports?portgroup=bond0"),
    get(f"/v1/ports?portgroup={GROUP}"),
    get("/v1/ports?portgroup=nobody"),
    get(f"/v1/ports?portgroup={GROUP}&node=alpha"),
    get("/v1/ports/detail?portgroup=bond0"),
    get(f"/v1/nodes/{ALPHA}/portgroups"),
    get(f"/v1/nodes/{ALPHA}/portgroups", "1.23"),
    get(f"/v1/nodes/{ALPHA}/portgroups/detail"),
    get(f"/v1/nodes/{ALPHA}/portgroups?fields=uuid"),
    get(f"/v1/nodes/{NOBODY}/portgroups"),
    get("/v1/nodes/alpha/portgroups"),
    post(f"/v1/nodes/{ALPHA}/portgroups", {"node_uuid": ALPHA}),
    get(f"/v1/nodes/{ALPHA}/portgroups/{GROUP}"),
    patch(f"/v1/ports/{PORT}", ("replace", "/physical_network", "red")),
    replaced("physical_network", "red"),
    get(f"/v1/ports/{PORT}"),
    patch(f"/v1/ports/{PORT}", ("remove", "/portgroup_uuid")),
    patch(f"/v1/ports/{PORT}", ("add", "/portgroup_uuid", GROUP)),
    patch(f"/v1/ports/{PORT}", ("replace", "/portgroup_uuid", "bond0")),
    delete(G),
    replaced("node_uuid", BETA),
    delete(f"/v1/ports/{PORT}"),
    delete(G, "1.22"),
    delete("/v1/portgroups"),
    delete("/v1/portgroups/nobody"),
    delete(f"/v1/portgroups/{NOBODY}"),
    delete("/v1/portgroups/bond0"),
    delete("/v1/portgroups/bond0"),
    delete("/v1/nodes/alpha"),
    delete("/v1/nodes/beta"),
]
REQUESTS = [*CREATING, *LISTS, *CHANGING, *PORTS]
