"""Nodes: create, show, lists."""

from __future__ import annotations

from typing import Any

from .words import ALPHA, BETA, CHILD, GAMMA, INSTANCE, NOBODY, OLD, STRAY, delete, get, patch, post

FAKE = {"driver": "fake-hardware"}


def refused(version: str = "1.115", **fields: Any) -> Any:
    return post("/v1/nodes", FAKE | fields, version)


WHOLE = {
    "uuid": BETA, "name": "beta", "driver": "fake-hardware", "driver_info": {"ipmi_password": "hidden", "a": 1},
    "properties": {"cpus": "8", "memory_mb": 1024}, "extra": {"a": {"b": [1, None, "ä"]}}, "resource_class": "Metal",
    "conductor_group": "", "lessee": "bob", "description": "the second one", "shard": "s1",
    "automated_clean": False, "instance_uuid": INSTANCE, "instance_info": {"image_source": "x", "image_url": "y"},
    "instance_name": "vm-1", "retired": True, "retired_reason": "old", "maintenance": True, "disable_power_off": True,
    "power_interface": "fake", "network_interface": "noop",
}  # fmt: skip

# What one side takes and the other refuses: deleted at once, so that both go on alike.
STRAYS = [
    request
    for fields in (
        {"retired_reason": "without retired"},
        {"power_interface": "agent"},
        {"bios_interface": "redfish"},
        {"boot_interface": "redfish-virtual-media"},
        {"owner": "ann"},
    )
    for request in (post("/v1/nodes", FAKE | {"uuid": STRAY} | fields), delete(f"/v1/nodes/{STRAY}"))
]

CREATING = [
    post("/v1/nodes", {}),
    post("/v1/nodes", {"name": "alpha"}),
    post("/v1/nodes", {"driver": None}),
    post("/v1/nodes", {"driver": 5}),
    post("/v1/nodes", {"driver": "nobody"}),
    refused(bogus=1),
    refused(links=[]),
    refused(ports=[]),
    refused(driver_internal_info={}),
    refused(power_state="power on"),
    refused(provision_state="available"),
    refused(reservation="me"),
    refused(protected=True),
    refused(fault="power failure"),
    refused(uuid="nonsense"),
    refused(uuid=5),
    refused(name=""),
    refused(name="a b"),
    refused(name="a/b"),
    refused(name="ü"),
    refused(name="a" * 256),
    refused(name=NOBODY),
    refused(name=5),
    *(refused(name=word) for word in ("detail", "validate", "states", "management", "maintenance", "vendor_passthru")),
    refused(name="x", version="1.4"),
    refused(name="a_b~c", version="1.9"),
    refused(properties=[]),
    refused(properties="x"),
    refused(driver_info="x"),
    refused(extra=[]),
    refused(instance_info=5),
    refused(instance_uuid="nonsense"),
    refused(instance_name=""),
    refused(chassis_uuid=NOBODY),
    refused(chassis_uuid="nonsense"),
    refused(resource_class="c" * 81),
    refused(resource_class=5),
    refused(resource_class="c", version="1.20"),
    refused(conductor_group="nowhere"),
    refused(conductor_group="a/b"),
    refused(conductor_group="x", version="1.45"),
    refused(owner=5),
    refused(owner="o", version="1.49"),
    refused(lessee="o", version="1.64"),
    refused(description="d" * 4097),
    refused(description="d", version="1.50"),
    refused(shard=[], version="1.115"),
    refused(shard="s", version="1.81"),
    refused(parent_node=NOBODY),
    refused(parent_node="nobody"),
    refused(parent_node="p", version="1.82"),
    refused(network_data={"bogus": 1}),
    refused(network_data=[]),
    refused(network_data={}, version="1.65"),
    refused(network_data={"links": []}, version="1.65"),
    refused(automated_clean="maybe"),
    refused(automated_clean=True, version="1.46"),
    refused(retired=True, version="1.60"),
    refused(maintenance="maybe"),
    refused(disable_power_off=True, version="1.94"),
    refused(power_interface="nobody"),
    refused(boot_interface="fake", version="1.30"),
    refused(firmware_interface="fake", version="1.85"),
    refused(network_interface="flat-earth"),
    refused(storage_interface="cinder"),
    refused(traits=["CUSTOM_A"]),
    refused(created_at="2020-01-01T00:00:00+00:00"),
    post("/v1/nodes", FAKE | {"uuid": ALPHA, "name": "alpha"}),
    post("/v1/nodes", FAKE | {"uuid": ALPHA}),
    post("/v1/nodes", FAKE | {"name": "alpha"}),
    post("/v1/nodes", WHOLE),
    post("/v1/nodes", FAKE | {"instance_uuid": INSTANCE}),
    post("/v1/nodes", FAKE | {"uuid": GAMMA, "name": "Gamma.1~x_y", "automated_clean": "yes", "maintenance": "off"}),
    patch("/v1/nodes/beta", ("add", "/owner", "ann")),
    post("/v1/nodes", FAKE | {"uuid": CHILD, "name": "child", "parent_node": "alpha", "extra": None}),
    post("/v1/nodes", FAKE | {"uuid": OLD}, "1.1"),
]

SHOWING = [
    *(get(f"/v1/nodes/{ALPHA}", f"1.{minor}") for minor in (
        1, 2, 3, 4, 5, 6, 7, 12, 14, 20, 21, 24, 31, 32, 33, 37, 38, 40, 42, 44, 46, 47, 48, 49, 50, 51, 52, 61, 65,
        66, 75, 82, 83, 86, 87, 95, 104, 109, 115,
    )),
    get("/v1/nodes/beta"),
    get("/v1/nodes/beta", "1.4"),
    get("/v1/nodes/Gamma.1~x_y"),
    get("/v1/nodes/gamma.1~x_y"),
    get(f"/v1/nodes/{OLD}", "1.1"),
    get(f"/v1/nodes/{OLD}", "1.2"),
    get(f"/v1/nodes/{NOBODY}"),
    get("/v1/nodes/nobody"),
    get("/v1/nodes/no%20body"),
    get("/v1/nodes/alpha.json", "1.90"),
    get("/v1/nodes/alpha.json"),
    get("/v1/nodes/alpha/"),
    get("/v1/nodes/alpha?fields=name,uuid"),
    get("/v1/nodes/alpha?fields=NAME,%20uuid,name"),
    get("/v1/nodes/alpha?fields=name&fields=uuid"),
    get("/v1/nodes/alpha?fields=links"),
    get("/v1/nodes/alpha?fields=ports"),
    get("/v1/nodes/alpha?fields=bogus"),
    get("/v1/nodes/alpha?fields="),
    get("/v1/nodes/alpha?fields=name", "1.7"),
    get("/v1/nodes/alpha?fields=resource_class", "1.20"),
    get("/v1/nodes/alpha?fields=conductor,traits,health"),
    get("/v1/nodes/alpha?detail=true"),
    get("/v1/nodes/alpha?bogus=1"),
    get("/v1/nodes/alpha/bogus"),
    get("/v1/nodes/alpha/name"),
    get("/v1/nodes/detail"),
    get("/v1/nodes/detail", "1.1"),
    get("/v1/nodes/detail?fields=name"),
    get("/v1/nodes/detail/"),
    get(f"/v1/nodes/{ALPHA.upper()}"),
]  # fmt: skip

FILTERS = [
    "associated=true", "associated=False", "associated=maybe", f"instance_uuid={INSTANCE}", "instance_uuid=nonsense",
    f"instance_uuid={NOBODY}", f"chassis_uuid={NOBODY}", "chassis_uuid=nonsense", "maintenance=1", "maintenance=no",
    "maintenance=2", "provision_state=enroll", "provision_state=bogus", "driver=fake-hardware", "driver=nobody",
    "resource_class=Metal", "resource_class=metal", "fault=power+failure", "fault=none", "fault=bogus",
    "conductor_group=", "conductor_group=x", "conductor=nobody", "owner=ann", "lessee=bob", "project=bob",
    "project=nobody", "description_contains=second", "description_contains=%25", "retired=true", "retired=x",
    "shard=s1", "shard=s1,s2", "sharded=true", "sharded=false", "include_children=true", f"parent_node={ALPHA}",
    "parent_node=alpha", f"parent_node={NOBODY}", "parent_node=nobody", "instance_name=vm-1", "bogus=1", "name=alpha",
    "include_children=x", "associated=true&maintenance=true&retired=true", "sharded=x",
]  # fmt: skip
TOO_NEW = [
    ("provision_state=enroll", 8), ("driver=fake-hardware", 15), ("resource_class=x", 20), ("fault=power+failure", 41),
    ("conductor_group=x", 45), ("conductor=x", 48), ("owner=x", 49), ("description_contains=x", 50), ("lessee=x", 64),
    ("retired=true", 60), ("shard=x", 81), ("sharded=true", 81), ("include_children=true", 82), ("parent_node=x", 82),
    ("instance_name=x", 103), ("fields=uuid", 7), ("fields=uuid,owner", 49), ("detail=true", 42), ("detail=false", 42),
    ("project=x", 49), ("sort_key=owner", 49),
]  # fmt: skip
PAGES = [
    "limit=1", "limit=2", "limit=4", "limit=5", "limit=2000", "limit=0", "limit=-1", "limit=x", "limit=1.5", "limit=",
    f"limit=2&marker={ALPHA}", f"marker={NOBODY}", "marker=nonsense", "marker=alpha", f"marker={CHILD}",
    "sort_key=name", "sort_key=name&sort_dir=desc", "sort_key=uuid&sort_dir=up", "sort_key=bogus", "sort_key=extra",
    "sort_key=traits", "sort_key=properties", "sort_key=id", "sort_key=created_at&limit=1", "sort_key=owner",
    "sort_key=conductor", "sort_key=driver&sort_dir=desc&limit=2", "sort_key=links", "sort_key=ports",
    "fields=uuid,name&limit=1", "fields=uuid&detail=true", "fields=uuid&detail=false", "fields=bogus", "fields=",
    "detail=true", "detail=maybe", "detail=false", "detail=true&limit=1", "sort_key=provision_state&limit=1",
    "maintenance=false&limit=1", "maintenance=true&limit=1", "driver=fake-hardware&limit=1", "limit=1&limit=2",
    f"sort_key=name&limit=1&marker={ALPHA}", f"sort_key=name&sort_dir=desc&marker={BETA}", "fields=name,links",
    "sort_key=target_power_state", "sort_key=allocation_uuid", "sort_key=chassis_uuid", "sort_key=network_data",
]  # fmt: skip
LISTS = [
    *(get("/v1/nodes", f"1.{minor}") for minor in (1, 2, 5, 115)),
    *(get(f"/v1/nodes?{each}") for each in FILTERS),
    *(get(f"/v1/nodes?{each}", f"1.{minor}") for each, minor in TOO_NEW),
    *(get(f"/v1/nodes?{each}") for each in PAGES),
    get("/v1/nodes/detail?limit=1"),
    get("/v1/nodes/detail?owner=ann"),
    get("/v1/nodes/detail?bogus=1"),
    get("/v1/nodes/detail?sort_key=name&sort_dir=desc&limit=2"),
    get("/v1/nodes/detail?detail=true"),
]

REQUESTS = [*STRAYS, *CREATING, *SHOWING, *LISTS]
