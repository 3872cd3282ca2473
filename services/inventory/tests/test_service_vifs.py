"""VIFs of a node, and the small views: shards, children, and what other services have not written yet."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.errors import Busy, Conflict, InvalidRequest, NotFound
from steelyard_inventory.testing import BASE_URL, Desk, operations_of


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """With one node that attaches VIFs and one that does not."""
    desk.create(name="n1", network_interface="flat", shard="s1")
    desk.create(name="n2", network_interface="noop")
    return desk


def add_port(desk: Desk, number: int, **port: Any) -> str:
    record = {"address": f"aa:bb:cc:dd:ee:{number:02x}", "node_ident": "n1", "name": f"p{number}", **port}
    uuid: str = desk.tell("create-port", port=record)["uuid"]
    return uuid


def add_group(desk: Desk, name: str) -> str:
    record = {"name": name, "node_uuid": desk.ask("node", ident="n1")["uuid"]}
    uuid: str = desk.tell("create-portgroup", record=record)["uuid"]
    return uuid


def attach(desk: Desk, vif: str, node: str = "n1", **more: Any) -> None:
    desk.tell("attach-vif", ident=node, vif={"id": vif, **more})


def vifs(desk: Desk, node: str = "n1") -> list[str]:
    return [vif["id"] for vif in desk.ask("vifs", ident=node)["vifs"]]


def place_of(desk: Desk, vif: str) -> str | None:
    """The name of the port or group that a VIF hangs on."""
    for verb, plural in (("ports", "ports"), ("portgroups", "portgroups")):
        for item in desk.ask(verb, resource_url=plural, detail=True)[plural]:
            if item["internal_info"].get("tenant_vif_port_id") == vif:
                name: str = item["name"]
                return name
    return None


def test_a_node_that_attaches_nothing_says_yes_and_lists_nothing(desk: Desk) -> None:
    attach(desk, "v1", "n2")
    desk.tell("detach-vif", ident="n2", vif_id="v1")
    assert vifs(desk, "n2") == []
    with pytest.raises(NotFound):
        attach(desk, "v1", "nobody")


def test_a_group_comes_first_then_ports_that_boot_from_the_network(desk: Desk) -> None:
    add_port(desk, 1, pxe_enabled=False)
    add_port(desk, 2)
    add_group(desk, "empty")
    group = add_group(desk, "bond0")
    add_port(desk, 3, portgroup_uuid=group)

    for vif in ("v1", "v2", "v3"):
        attach(desk, vif)

    assert [place_of(desk, vif) for vif in ("v1", "v2", "v3")] == ["bond0", "p2", "p1"]
    assert sorted(vifs(desk)) == ["v1", "v2", "v3"]
    with pytest.raises(InvalidRequest, match="not enough free physical ports"):
        attach(desk, "v4")
    with pytest.raises(Conflict, match="already attached to Portgroup"):
        attach(desk, "v1")
    fact, data = desk.events()[-1]
    assert (fact, data["vif"]) == ("vif-attached", "v3")


def test_a_named_port_or_group_is_taken_and_no_other(desk: Desk) -> None:
    first, second = add_port(desk, 1), add_port(desk, 2)
    group = add_group(desk, "bond0")
    member = add_port(desk, 3, portgroup_uuid=group)

    attach(desk, "v2", port_uuid=second)
    assert place_of(desk, "v2") == "p2"
    with pytest.raises(InvalidRequest):
        attach(desk, "v3", port_uuid=second)
    with pytest.raises(InvalidRequest):
        attach(desk, "v3", portgroup_uuid=first)
    with pytest.raises(InvalidRequest):
        attach(desk, "v3", port_uuid=member)
    attach(desk, "v3", portgroup_uuid=group)
    assert place_of(desk, "v3") == "bond0"


def test_the_physical_network_decides_where_it_is_named(desk: Desk) -> None:
    add_port(desk, 1)
    add_port(desk, 2, physical_network="green", pxe_enabled=False)
    add_port(desk, 3, physical_network="red")

    attach(desk, "v1", physical_networks=["green"])
    attach(desk, "v2", physical_networks=["green"])

    assert (place_of(desk, "v1"), place_of(desk, "v2")) == ("p2", "p1")
    with pytest.raises(InvalidRequest, match="not enough free"):
        attach(desk, "v3", physical_networks=["green"])


def test_a_smart_nic_needs_its_host_to_be_used(desk: Desk) -> None:
    add_port(desk, 1, is_smartnic=True)
    with pytest.raises(InvalidRequest, match="not enough free"):
        attach(desk, "v1")


def test_a_vif_is_detached_once_and_its_port_is_free_again(desk: Desk) -> None:
    port = add_port(desk, 1)
    attach(desk, "v1")
    with pytest.raises(Conflict, match="bound to a VIF"):
        desk.tell("delete-port", ident=port)

    desk.tell("detach-vif", ident="n1", vif_id="v1")

    assert vifs(desk) == []
    assert desk.events()[-1][0] == "vif-detached"
    with pytest.raises(InvalidRequest, match="not attached to it"):
        desk.tell("detach-vif", ident="n1", vif_id="v1")
    desk.tell("delete-port", ident=port)


def test_a_group_whose_ports_are_used_alone_is_used_port_by_port(desk: Desk) -> None:
    group = add_group(desk, "bond0")
    add_port(desk, 1, portgroup_uuid=group)
    port = add_port(desk, 2)
    attach(desk, "v1", port_uuid=port)
    desk.tell("update-port", ident=port, patch=operations_of([("add", "/portgroup_uuid", group)]))

    attach(desk, "v2")

    assert place_of(desk, "v2") == "p1"
    alone = operations_of([("replace", "/standalone_ports_supported", False)])
    with pytest.raises(Conflict, match="VIF v2 attached"):
        desk.tell("update-portgroup", ident="bond0", patch=alone)


def test_vifs_wait_for_who_holds_the_node(desk: Desk) -> None:
    add_port(desk, 1)
    desk.tell("take-lease", ident="n1", purpose="set boot device", ttl_s=60)
    with pytest.raises(Busy):
        attach(desk, "v1")
    with pytest.raises(Busy):
        desk.tell("detach-vif", ident="n1", vif_id="v1")


def test_shards_are_counted_with_those_in_none(desk: Desk) -> None:
    desk.create(shard="s1")
    assert desk.ask("shards")["shards"] == [{"name": "s1", "count": 2}, {"name": "None", "count": 1}]


def test_children_are_listed_below_their_parent(desk: Desk) -> None:
    parent = desk.ask("node", ident="n1")["uuid"]
    children = [desk.create(parent_node="n1")["uuid"] for _ in range(2)]

    answer = desk.ask("node-children", ident="n1")

    assert answer["children"] == children
    assert answer["links"] == {"href": f"{BASE_URL}/v1/nodes?parent_node={parent}", "rel": "children"}


def test_what_nobody_has_written_yet_is_empty_or_not_found(desk: Desk) -> None:
    assert desk.ask("node-bios", ident="n1") == {"bios": []}
    assert desk.ask("node-firmware", ident="n1") == {"firmware": []}
    assert desk.ask("node-history", ident="n1")["history"] == []
    for verb in ("node-bios-setting", "node-history-entry", "node-inventory"):
        with pytest.raises(NotFound):
            desk.ask(verb, ident="n1", name="x")
    for verb in ("node-bios", "node-firmware", "node-history", "node-inventory", "node-children", "vifs"):
        with pytest.raises(NotFound, match="Node nobody could not be found"):
            desk.ask(verb, ident="nobody")
