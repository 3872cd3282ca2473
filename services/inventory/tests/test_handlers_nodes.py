"""Nodes as the gateway asks for them: documents, lists, pages, filters, versions."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from steelyard_common.contracts.api import NODE_FIELDS, NODE_SUBLINKS
from steelyard_common.errors import InvalidRequest, NotFound
from steelyard_common.testing import SetClock
from steelyard_inventory.store.tables import nodes
from steelyard_inventory.testing import BASE_URL, Desk

NOWHERE = "6f4a3a52-2f73-4b5a-9f0e-000000000000"


def set_columns(desk: Desk, name: str, **columns: Any) -> None:
    """Put a node into a state that only the lifecycle brings about."""
    with desk.database.begin() as transaction:
        transaction.connection.execute(sa.update(nodes).where(nodes.c.name == name).values(columns))


def names(answer: dict[str, Any]) -> list[str]:
    return [node["name"] for node in answer["nodes"]]


def test_a_new_node_is_answered_whole_with_the_defaults_of_its_hardware_type(desk: Desk) -> None:
    node = desk.create(name="n1", extra={"rack": 7}, driver="redfish")

    assert set(node) == set(NODE_FIELDS) | set(NODE_SUBLINKS) | {"links"}
    assert (node["provision_state"], node["power_state"], node["maintenance"]) == ("enroll", None, False)
    assert (node["boot_interface"], node["power_interface"], node["network_interface"]) == ("ipxe", "redfish", "noop")
    assert (node["extra"], node["driver_info"], node["traits"]) == ({"rack": 7}, {}, [])
    assert (node["conductor_group"], node["conductor"], node["updated_at"]) == ("", "power-1.here", None)
    assert node["created_at"].endswith("+00:00")
    assert node["links"] == [
        {"href": f"{BASE_URL}/v1/nodes/{node['uuid']}", "rel": "self"},
        {"href": f"{BASE_URL}/nodes/{node['uuid']}", "rel": "bookmark"},
    ]
    assert node["states"][0]["href"] == f"{BASE_URL}/v1/nodes/{node['uuid']}/states"
    assert desk.ask("node", ident="n1") == node
    assert desk.ask("node", ident=node["uuid"].upper()) == node


@pytest.mark.parametrize("minor", [1, 2, 5, 11, 31, 38, 39, 83, 109, 115])
def test_fields_newer_than_the_request_are_left_out(desk: Desk, minor: int) -> None:
    desk.create(name="n1")

    shown = desk.ask("node", ident="n1", minor=minor)

    expected = {name for name, field in NODE_FIELDS.items() if field.since <= minor}
    assert set(shown) == expected | {"links"} | {name for name, since in NODE_SUBLINKS.items() if since <= minor}


@pytest.mark.parametrize(
    ("state", "minor", "shown"),
    [
        ("available", 1, None),
        ("available", 2, "available"),
        ("inspect wait", 38, "inspecting"),
        ("inspect wait", 39, "inspect wait"),
    ],
)
def test_old_versions_see_old_words_for_states(desk: Desk, state: str, minor: int, shown: str | None) -> None:
    desk.create(name="n1")
    set_columns(desk, "n1", provision_state=state)

    assert desk.ask("node", ident="n1", minor=minor)["provision_state"] == shown
    assert desk.ask("node-states", ident="n1", minor=minor)["provision_state"] == shown
    assert desk.list_nodes(minor=minor)["nodes"][0]["provision_state"] == shown


def test_nodes_start_available_for_clients_that_do_not_know_enroll(desk: Desk) -> None:
    assert desk.create(minor=10)["provision_state"] == "available"


def test_states_are_the_states_and_nothing_else(desk: Desk) -> None:
    desk.create(name="n1")

    assert set(desk.ask("node-states", ident="n1", minor=1)) == {
        "console_enabled", "last_error", "power_state", "provision_state", "provision_updated_at",
        "target_power_state", "target_provision_state",
    }  # fmt: skip
    newest = desk.ask("node-states", ident="n1")
    assert {"raid_config", "target_raid_config", "boot_mode", "secure_boot"} < set(newest)


def test_fields_choose_what_is_shown_and_links_are_always_there(desk: Desk) -> None:
    desk.create(name="n1")

    assert set(desk.ask("node", ident="n1", fields=["name", "extra"])) == {"name", "extra", "links"}
    assert set(desk.list_nodes(fields=["conductor"])["nodes"][0]) == {"conductor", "links"}
    assert set(desk.list_nodes()["nodes"][0]) == {
        "uuid", "name", "instance_uuid", "power_state", "provision_state", "maintenance", "links",
    }  # fmt: skip
    assert desk.list_nodes(detail=True)["nodes"] == [desk.ask("node", ident="n1")]


@pytest.mark.parametrize("ident", [NOWHERE, "nobody"])
@pytest.mark.parametrize("verb", ["node", "node-states", "traits", "validate-node"])
def test_a_node_that_is_not_there_is_not_found(desk: Desk, verb: str, ident: str) -> None:
    with pytest.raises(NotFound, match=f"Node {ident} could not be found"):
        desk.ask(verb, ident=ident)


def test_a_full_page_names_the_next_one_and_the_pages_show_every_node_once(desk: Desk) -> None:
    for index in range(5):
        desk.create(name=f"n{index}", owner="ada")

    first = desk.list_nodes(limit=2, fields=["name", "uuid"], filters={"owner": "ada"}, query={"owner": "ada"})

    query = parse_qs(urlsplit(first["next"]).query)
    assert first["next"].startswith(f"{BASE_URL}/v1/nodes?sort_key=id&sort_dir=asc&owner=ada&fields=name,uuid&limit=2&")
    assert query["marker"] == [first["nodes"][1]["uuid"]]
    second = desk.list_nodes(limit=2, marker=query["marker"][0])
    third = desk.list_nodes(limit=2, marker=second["nodes"][1]["uuid"])
    assert names(first) + names(second) + names(third) == ["n0", "n1", "n2", "n3", "n4"]
    assert "next" not in third


def test_the_last_page_has_a_next_one_when_it_is_full(desk: Desk) -> None:
    desk.create(name="n1")

    only = desk.list_nodes(limit=1)

    assert "next" in only
    assert desk.list_nodes(limit=1, marker=only["nodes"][0]["uuid"]) == {"nodes": []}


@pytest.mark.parametrize("sort_dir", ["asc", "desc"])
@pytest.mark.parametrize(
    "sort_key", ["id", "name", "owner", "maintenance", "created_at", "provision_updated_at", "uuid"]
)
def test_pages_by_any_key_are_the_whole_list_in_order(desk: Desk, sort_key: str, sort_dir: str) -> None:
    owners = ["b", None, "a", "b", None, "a", "c"]
    for index, owner in enumerate(owners):
        desk.create(name=f"n{index}", owner=owner, maintenance=index % 2 == 0)
    asked: dict[str, Any] = {"sort_key": sort_key, "sort_dir": sort_dir}

    whole = desk.list_nodes(**asked)["nodes"]
    paged: list[Any] = []
    marker = None
    while page := desk.list_nodes(**asked, limit=2, marker=marker)["nodes"]:
        paged += page
        marker = page[-1]["uuid"]

    assert paged == whole
    assert len(whole) == len(owners)


def test_sorting_goes_by_the_key(desk: Desk) -> None:
    for name in ("b", "c", "a"):
        desk.create(name=name)

    assert names(desk.list_nodes(sort_key="name")) == ["a", "b", "c"]
    assert names(desk.list_nodes(sort_key="name", sort_dir="desc")) == ["c", "b", "a"]


@pytest.mark.parametrize("key", ["extra", "traits", "links", "conductor", "sealed", "nonsense"])
def test_a_key_that_is_no_plain_column_cannot_be_sorted_by(desk: Desk, key: str) -> None:
    with pytest.raises(InvalidRequest, match="invalid field for sorting"):
        desk.list_nodes(sort_key=key)


def test_an_unknown_marker_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound, match=NOWHERE):
        desk.list_nodes(marker=NOWHERE)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"associated": True}, ["b"]),
        ({"associated": False}, ["a", "c"]),
        ({"instance_uuid": NOWHERE}, ["b"]),
        ({"maintenance": True}, ["c"]),
        ({"maintenance": False}, ["a", "b"]),
        ({"driver": "redfish"}, ["a"]),
        ({"resource_class": "big"}, ["a"]),
        ({"owner": "ada"}, ["a"]),
        ({"lessee": "bob"}, ["b"]),
        ({"project": "bob"}, ["b", "c"]),
        ({"shard": ["s1", "s2"]}, ["b", "c"]),
        ({"sharded": False}, ["a"]),
        ({"sharded": True}, ["b", "c"]),
        ({"description_contains": "ROW"}, ["c"]),
        ({"description_contains": "%"}, ["a"]),
        ({"retired": True}, ["a"]),
        ({"provision_state": "enroll"}, ["a", "b", "c"]),
        ({"provision_state": "available"}, []),
        ({"fault": "power failure"}, []),
        ({"conductor_group": ""}, ["a", "b", "c"]),
        ({"instance_name": "web"}, ["b"]),
        ({"owner": "ada", "driver": "redfish"}, ["a"]),
        ({"owner": "ada", "driver": "ipmi"}, []),
    ],
)
def test_filters_choose_nodes(desk: Desk, filters: dict[str, Any], expected: list[str]) -> None:
    desk.create(name="a", driver="redfish", owner="ada", lessee=None, resource_class="big", retired=True,
                description="100% done")  # fmt: skip
    desk.create(name="b", lessee="bob", instance_uuid=NOWHERE, shard="s1", instance_name="web")
    desk.create(name="c", owner="bob", maintenance=True, shard="s2", description="first row")

    assert names(desk.list_nodes(filters=filters)) == expected


def test_a_chassis_that_is_filtered_by_must_be_there(desk: Desk) -> None:
    with pytest.raises(NotFound, match=f"Chassis {NOWHERE}"):
        desk.list_nodes(filters={"chassis_uuid": NOWHERE})


def test_children_are_hidden_unless_asked_for(desk: Desk) -> None:
    parent = desk.create(name="parent")
    desk.create(name="child", parent_node="parent")

    assert desk.ask("node", ident="child")["parent_node"] == parent["uuid"]
    assert names(desk.list_nodes()) == ["parent"]
    assert names(desk.list_nodes(filters={"include_children": False})) == ["parent"]
    assert names(desk.list_nodes(filters={"include_children": True})) == ["parent", "child"]
    assert names(desk.list_nodes(filters={"parent_node": parent["uuid"]})) == ["child"]
    assert names(desk.list_nodes(filters={"parent_node": "parent"})) == ["child"]
    assert names(desk.list_nodes(filters={"parent_node": "nobody"})) == []


def test_live_workers_share_the_nodes_and_the_filter_agrees_with_what_is_shown(desk: Desk, clock: SetClock) -> None:
    desk.announce("power-2.here")
    for index in range(6):
        desk.create(name=f"n{index}")

    shown = {node["name"]: node["conductor"] for node in desk.list_nodes(fields=["name", "conductor"])["nodes"]}

    assert sorted(shown.values()) == ["power-1.here"] * 3 + ["power-2.here"] * 3
    for host in ("power-1.here", "power-2.here"):
        mine = names(desk.list_nodes(fields=["name"], filters={"conductor": host}))
        assert mine == [name for name in shown if shown[name] == host]
    assert names(desk.list_nodes(filters={"conductor": "nobody"})) == []

    clock.advance(61)  # nobody was heard of since
    assert {node["conductor"] for node in desk.list_nodes(fields=["conductor"])["nodes"]} == {None}


def test_a_malformed_request_is_refused_before_anything_is_read(desk: Desk) -> None:
    with pytest.raises(InvalidRequest):
        desk.ask("nodes", resource_url="nodes", limit="many")
    with pytest.raises(InvalidRequest, match="Unexpected arguments: colour"):
        desk.list_nodes(filters={"colour": "red"})
    with pytest.raises(InvalidRequest):
        desk.tell("create-node", node="no object")
    with pytest.raises(InvalidRequest):
        desk.tell("set-traits", ident=str(uuid.uuid4()), mode="shuffle")


def test_power_sync_walks_every_node_once_and_learns_who_is_busy(desk: Desk, clock: SetClock) -> None:
    created = {desk.create(name=f"n{index}", driver_info={"a": index})["uuid"] for index in range(70)}
    busy = desk.tell("take-lease", ident="n3", purpose="boot device", ttl_s=30)["node"]["uuid"]

    seen: dict[str, Any] = {}
    for shard in range(64):
        after = 0
        while after is not None:
            page = desk.ask("power-targets", shard=shard, after_id=after, limit=1)
            seen |= {target["uuid"]: target for target in page["targets"]}
            after = page["next"]

    assert set(seen) == created
    assert [each for each, target in seen.items() if target["busy"]] == [busy]
    assert seen[busy]["interfaces"]["power"] == "fake"
    assert (seen[busy]["driver_info"], seen[busy]["recorded"], seen[busy]["provision_state"]) == (
        {"a": 3},
        None,
        "enroll",
    )

    clock.advance(31)
    with desk.database.read() as connection:
        shard = connection.execute(sa.select(nodes.c.id % 64).where(nodes.c.uuid == busy)).scalar_one()
    targets = desk.ask("power-targets", shard=shard, limit=100)["targets"]
    assert not any(target["busy"] for target in targets)
