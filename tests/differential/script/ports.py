"""Ports: create, show, lists, change, delete."""

from __future__ import annotations

from typing import Any

from ..asking import Ask
from .words import ALPHA, BETA, CHILD, NOBODY, PORT, PORT2, STRAY, delete, get, other, patch, post, put, raw

MAC = "52:54:00:00:00:01"
P = f"/v1/ports/{PORT}"


def refused(version: str = "1.115", **fields: Any) -> Ask:
    return post("/v1/ports", {"node_uuid": ALPHA, "address": MAC} | fields, version)


def replaced(name: str, value: Any, version: str = "1.115") -> Ask:
    return patch(P, ("replace", f"/{name}", value), version=version)


# Names that Ironic takes: deleted at once, so that both go on alike.
STRAYS = [
    request
    for name in ("", "a b", "detail", NOBODY, "a/b", "\u00fc")
    for request in (refused(uuid=STRAY, name=name), delete(f"/v1/ports/{STRAY}"))
]

CREATING = [
    get("/v1/ports"),
    post("/v1/ports", {}),
    raw("POST", "/v1/ports", b"[]"),
    post("/v1/ports", {"node_uuid": ALPHA}),
    post("/v1/ports", {"address": MAC}),
    post("/v1/ports", {"node_uuid": NOBODY, "address": MAC}),
    post("/v1/ports", {"node_uuid": "nobody", "address": MAC}),
    post("/v1/ports", {"node_ident": "nobody", "address": MAC}),
    post("/v1/ports", {"node_ident": "alpha", "address": MAC}, "1.93"),
    post("/v1/ports", {"node_ident": "alpha", "node_uuid": ALPHA, "address": MAC}),
    post("/v1/ports", {"node_uuid": 5, "address": MAC}),
    refused(address="nonsense"),
    refused(address=""),
    refused(address=None),
    refused(address="52-54-00-00-00-01"),
    refused(bogus=1),
    refused(uuid="nonsense"),
    refused(internal_info={}),
    refused(created_at="x"),
    refused(extra=[]),
    refused(pxe_enabled="maybe"),
    refused(pxe_enabled=True, version="1.18"),
    refused(local_link_connection=[]),
    refused(local_link_connection={"bogus": 1}),
    refused(local_link_connection={"port_id": "1"}),
    refused(local_link_connection={"switch_id": MAC}),
    refused(local_link_connection={"switch_id": "nonsense", "port_id": "1"}),
    refused(local_link_connection={"network_type": "bogus"}),
    refused(local_link_connection={"network_type": "managed"}),
    refused(local_link_connection={"network_type": "unmanaged"}, version="1.63"),
    refused(local_link_connection={}, version="1.18"),
    refused(physical_network=""),
    refused(physical_network="p" * 65),
    refused(physical_network="p", version="1.33"),
    refused(portgroup_uuid=NOBODY),
    refused(portgroup_uuid="nonsense"),
    refused(is_smartnic=True, local_link_connection={"switch_id": MAC, "port_id": "1"}),
    refused(is_smartnic="maybe"),
    refused(is_smartnic=True, version="1.52"),
    refused(name="n", version="1.87"),
    refused(description="d" * 256),
    refused(description="d", version="1.96"),
    refused(vendor="v" * 33),
    refused(vendor="v", version="1.99"),
    refused(category="c" * 81),
    refused(category="c", version="1.100"),
    refused(available_for_dynamic_portgroup=False, version="1.110"),
    refused(uuid=PORT, address=MAC.upper().replace("01", "AB"), extra={"a": 1}, name="eth0"),
    post("/v1/ports", {"node_uuid": ALPHA, "address": "52:54:00:00:00:ab"}),
    refused(name="eth0"),
    refused(uuid=PORT),
    post("/v1/ports", {
        "uuid": PORT2, "node_ident": "alpha", "address": MAC, "pxe_enabled": "no", "physical_network": "p1",
        "local_link_connection": {"switch_id": "0A:0B:0C:0D:0E:0F", "port_id": "Ethernet1", "switch_info": "s"},
        "description": "the second", "vendor": "acme", "category": "hpc", "is_smartnic": False,
        "available_for_dynamic_portgroup": False,
    }),
    post("/v1/ports", {"node_ident": BETA, "address": "52:54:00:00:00:02", "local_link_connection": {
        "network_type": "unmanaged"}}),
    post("/v1/ports", {"node_uuid": CHILD, "address": "52:54:00:00:00:03", "is_smartnic": True,
                       "local_link_connection": {"hostname": "h", "port_id": "1"}}),
]  # fmt: skip

LISTS = [
    *(get(P, f"1.{minor}") for minor in (1, 18, 19, 24, 34, 53, 88, 97, 100, 101, 111)),
    get(f"/v1/ports/{PORT2}"),
    get("/v1/ports/eth0"),
    get("/v1/ports/eth0", "1.87"),
    get(f"/v1/ports/{NOBODY}"),
    get("/v1/ports/nobody"),
    get("/v1/ports/no%20body"),
    get(f"{P}?fields=address"),
    get(f"{P}?fields=bogus"),
    get(f"{P}?fields=address", "1.7"),
    get(f"{P}?fields=vendor", "1.99"),
    get(f"{P}/bogus"),
    get("/v1/ports/detail"),
    get("/v1/ports/detail", "1.1"),
    *(get(f"/v1/ports?{each}") for each in (
        "node=alpha", f"node={ALPHA}", f"node_uuid={ALPHA}", f"node={NOBODY}", "node=nobody", "node_uuid=nonsense",
        f"address={MAC}", f"address={MAC.upper()}", "address=nonsense", "address=52:54:00:00:00:ff", "shard=s1",
        "shard=s9", "description_contains=second", "conductor_groups=x", "conductor_groups=x&node=alpha",
        f"conductor_groups=x&address={MAC}", "node=alpha&shard=s1", f"portgroup={NOBODY}", "portgroup=nobody",
        f"portgroup={NOBODY}&node=alpha", "detail=true", "detail=maybe", "detail=true&fields=uuid",
        "fields=uuid,node_uuid", "fields=bogus", "fields=uuid,extra&limit=1", "limit=1", "limit=0", "limit=x",
        f"marker={PORT}", f"marker={NOBODY}", "marker=nonsense", "sort_key=address",
        "sort_key=address&sort_dir=desc", "sort_key=extra",
        "sort_key=bogus", "sort_dir=up", "sort_key=node_uuid", "sort_key=portgroup_uuid", "bogus=1",
        f"node=alpha&node_uuid={BETA}", "sort_key=internal_info", "sort_key=local_link_connection",
    )),
    *(get(f"/v1/ports?{each}", f"1.{minor}") for each, minor in (
        ("node=alpha", 4), ("detail=true", 42), ("shard=s1", 81), ("conductor_groups=x", 98), ("fields=uuid", 7),
        ("portgroup=x", 23), ("fields=name", 87), ("sort_key=vendor", 99), ("description_contains=x", 96),
    )),
    get("/v1/ports/detail?node=alpha"),
    get("/v1/ports/detail?fields=uuid"),
    get("/v1/ports/detail?limit=1"),
    get("/v1/ports/?node=alpha"),
    get(f"/v1/nodes/{ALPHA}/ports"),
    get("/v1/nodes/beta/ports"),
    get(f"/v1/nodes/{ALPHA}/ports/detail"),
    get(f"/v1/nodes/{ALPHA}/ports?detail=true"),
    get(f"/v1/nodes/{ALPHA}/ports?fields=address"),
    get(f"/v1/nodes/{ALPHA}/ports?limit=1"),
    get(f"/v1/nodes/{ALPHA}/ports?bogus=1"),
    get(f"/v1/nodes/{NOBODY}/ports"),
    post(f"/v1/nodes/{ALPHA}/ports", {}),
    put(f"/v1/nodes/{ALPHA}/ports", {}),
    delete(f"/v1/nodes/{ALPHA}/ports"),
]  # fmt: skip

CHANGING = [
    patch(P),
    patch(P, ("add", "/extra/b", 2)),
    patch(P, ("remove", "/extra")),
    patch(P, ("remove", "/extra/nothing")),
    *(replaced(name, 1) for name in ("uuid", "bogus", "internal_info", "created_at", "links")),
    replaced("address", "nonsense"),
    replaced("address", MAC),
    replaced("address", "52:54:00:00:00:AC"),
    patch(P, ("remove", "/address")),
    replaced("address", None),
    replaced("node_uuid", NOBODY),
    replaced("node_uuid", "nonsense"),
    replaced("node_uuid", BETA),
    replaced("node_uuid", ALPHA),
    patch(P, ("remove", "/node_uuid")),
    patch(P, ("add", "/node_ident", "beta")),
    replaced("node_uuid", ALPHA),
    replaced("pxe_enabled", "maybe"),
    replaced("pxe_enabled", False),
    patch(P, ("remove", "/pxe_enabled")),
    replaced("pxe_enabled", True),
    replaced("local_link_connection", {"port_id": "1"}),
    replaced("local_link_connection", {"port_id": "1", "switch_id": "00:00:00:00:00:01"}),
    replaced("local_link_connection/port_id", "2"),
    patch(P, ("remove", "/local_link_connection")),
    replaced("physical_network", ""),
    replaced("physical_network", "p2"),
    patch(P, ("remove", "/physical_network")),
    replaced("physical_network", "p", "1.33"),
    replaced("portgroup_uuid", NOBODY),
    replaced("portgroup_uuid", "nonsense"),
    replaced("is_smartnic", True),
    replaced("is_smartnic", False),
    replaced("name", "eth1"),
    replaced("name", NOBODY),
    patch(P, ("remove", "/name")),
    replaced("name", "eth1"),
    patch("/v1/ports/eth1", ("replace", "/description", "by name")),
    replaced("description", "d" * 256),
    replaced("vendor", "v" * 33),
    replaced("category", "c"),
    replaced("category", "c", "1.100"),
    replaced("available_for_dynamic_portgroup", "no"),
    replaced("available_for_dynamic_portgroup", False),
    get(P),
    patch(f"/v1/ports/{NOBODY}", ("add", "/extra/b", 2)),
    patch("/v1/ports", ("add", "/extra/b", 2)),
    other("PUT", P),
    delete("/v1/ports"),
    delete("/v1/ports/eth1"),
    delete("/v1/ports/nobody"),
    delete(f"/v1/ports/{NOBODY}"),
    delete(P),
    delete(P),
]

REQUESTS = [*STRAYS, *CREATING, *LISTS, *CHANGING]
