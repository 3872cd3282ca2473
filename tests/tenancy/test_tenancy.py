"""What one project can learn of another, and do to it: nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from steelyard_api_gateway.main import TABLES
from steelyard_api_gateway.testing import message

from tests.tenancy.world import CANARY, World, unknown

OWN = {
    "/v1/nodes": ("nodes", {"b1"}),
    "/v1/nodes/detail": ("nodes", {"b1"}),
    "/v1/ports": ("ports", {"port-b"}),
    "/v1/ports/detail": ("ports", {"port-b"}),
    "/v1/portgroups": ("portgroups", {"group-b"}),
    "/v1/volume/connectors": ("connectors", {"connector-b"}),
    "/v1/volume/targets": ("targets", {"target-b"}),
    "/v1/allocations": ("allocations", {"allocation-b"}),
    "/v1/runbooks": ("runbooks", {"runbook-b"}),
}
OF_A = [
    "/v1/nodes/{a1}", "/v1/nodes/{node}", "/v1/nodes/{node}/states", "/v1/nodes/{node}/validate",
    "/v1/nodes/{node}/traits",
    "/v1/nodes/{node}/ports", "/v1/nodes/{node}/portgroups", "/v1/nodes/{node}/volume/targets", "/v1/nodes/{node}/vifs",
    "/v1/nodes/{node}/history", "/v1/nodes/{node}/children", "/v1/nodes/{node}/allocation",
    "/v1/nodes/validate?node={node}",
    "/v1/ports/{port-a}", "/v1/ports/{port}", "/v1/portgroups/{group-a}", "/v1/portgroups/{group}/ports",
    "/v1/volume/connectors/{connector-a}", "/v1/volume/targets/{target-a}", "/v1/allocations/{allocation-a}",
    "/v1/runbooks/{runbook-a}", "/v1/runbooks/{runbook}", "/v1/runbooks/{runbook}/traits",
    "/v1/ports?node={node}", "/v1/ports?portgroup={group}", "/v1/portgroups?node={node}",
    "/v1/volume/targets?node={node}",
    "/v1/nodes?marker={a1}", "/v1/ports?marker={port-a}", "/v1/portgroups?marker={group-a}",
    "/v1/volume/targets?marker={target-a}", "/v1/allocations?marker={allocation-a}", "/v1/runbooks?marker={runbook-a}",
]  # fmt: skip


@pytest.mark.parametrize("path", OWN)
def test_a_list_holds_what_the_project_owns_or_leases(world: World, path: str) -> None:
    plural, names = OWN[path]

    found = world.ask("b reader", "GET", path)

    assert {each["uuid"] for each in found.get_json()[plural]} == {world.ids[name] for name in names}
    assert CANARY.encode() not in found.data


def test_the_lessee_sees_the_node_and_what_hangs_on_it(world: World) -> None:
    seen = {
        path: world.ask("c reader", "GET", path).get_json() for path in ("/v1/nodes", "/v1/ports", "/v1/portgroups")
    }

    assert [each["uuid"] for each in seen["/v1/nodes"]["nodes"]] == [world.ids["a1"]]
    assert [each["uuid"] for each in seen["/v1/ports"]["ports"]] == [world.ids["port-a"]]
    assert [each["uuid"] for each in seen["/v1/portgroups"]["portgroups"]] == [world.ids["group-a"]]


def test_pages_of_a_project_are_full_and_complete(world: World) -> None:
    made = [
        world.made("operator", "/v1/nodes", {"driver": "fake-hardware", "owner": ("p-b", "p-a")[place % 2]})
        for place in range(10)
    ]
    path, pages = "/v1/nodes?limit=2&sort_key=created_at&sort_dir=desc", []

    while path:
        page = world.ask("b reader", "GET", path).get_json()
        pages.append([each["uuid"] for each in page["nodes"]])
        path = page.get("next", "")

    assert [len(page) for page in pages] == [2, 2, 2, 0]
    assert {uuid for page in pages for uuid in page} == {world.ids["b1"], *made[::2]}


@pytest.mark.parametrize("path", OF_A)
def test_what_is_anothers_is_answered_like_what_is_not_there(world: World, path: str) -> None:
    names = {"node": "a1", "port": "port-a", "group": "group-a", "runbook": "CUSTOM_A"}
    nothing = {name: unknown() for name in world.ids} | {name: f"no-{name}" for name in names}

    hidden = world.ask("b admin", "GET", path.format(**world.ids, **names))
    missing = world.ask("b admin", "GET", path.format(**nothing))

    def shape(answer: Any) -> tuple[int, int]:
        return answer.status_code, len(message(answer).split())

    assert hidden.status_code == 404, hidden.data
    assert shape(hidden) == shape(missing)
    assert CANARY.encode() not in hidden.data


@pytest.mark.parametrize("role", ["b admin", "c reader"])
def test_nothing_of_anothers_can_be_changed(world: World, role: str) -> None:
    before = world.everything_of_a()

    for path in ("nodes/{a1}", "ports/{port-a}", "portgroups/{group-a}", "volume/targets/{target-a}",
                 "allocations/{allocation-a}", "runbooks/{runbook-a}"):  # fmt: skip
        for method, body in (("PATCH", [{"op": "add", "path": "/extra", "value": {"x": 1}}]), ("DELETE", None)):
            answer = world.ask(role, method, f"/v1/{path}".format(**world.ids), body)
            assert answer.status_code in (403, 404), answer.data

    assert world.everything_of_a() == before


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/ports/{port-b}", "/node_uuid"), ("/v1/ports/{port-b}", "/node_ident"),
        ("/v1/portgroups/{group-b}", "/node_uuid"), ("/v1/volume/targets/{target-b}", "/node_uuid"),
    ],
)  # fmt: skip
def test_nothing_moves_to_anothers_node(world: World, path: str, field: str) -> None:
    def moved(who: str, node: str) -> Any:
        return world.ask(who, "PATCH", path.format(**world.ids), [{"op": "add", "path": field, "value": node}])

    hidden, missing = moved("b admin", world.ids["a1"]), moved("b admin", unknown())

    assert hidden.status_code == missing.status_code == 400
    assert message(hidden).replace(world.ids["a1"], "") == message(missing).replace(
        message(missing).partition("'")[2].partition("'")[0], ""
    )
    assert moved("operator", world.ids["a1"]).status_code == 400, "not even the operator mixes owners"


def test_a_port_moves_between_nodes_of_one_owner(world: World) -> None:
    move = [{"op": "replace", "path": "/node_uuid", "value": world.ids["a2"]}]
    world.write("UPDATE nodes SET provision_state = 'manageable'")

    assert world.ask("a manager", "PATCH", "/v1/ports/port-a", move).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/ports", {"address": "aa:bb:cc:00:00:01"}),
        ("/v1/portgroups", {}),
        ("/v1/volume/connectors", {"type": "iqn", "connector_id": "x"}),
        ("/v1/volume/targets", {"volume_type": "iscsi", "boot_index": 3, "volume_id": "x"}),
    ],
)
def test_nothing_is_put_onto_anothers_node(world: World, path: str, body: dict[str, Any]) -> None:
    hidden = world.ask("b admin", "POST", path, body | {"node_uuid": world.ids["a1"]})
    missing = world.ask("b admin", "POST", path, body | {"node_uuid": unknown()})
    own = world.ask("b admin", "POST", path, body | {"node_uuid": world.ids["b1"]})

    assert (hidden.status_code, missing.status_code, own.status_code) == (400, 400, 201)
    assert len(message(hidden).split()) == len(message(missing).split())


def test_a_project_is_allocated_its_own_nodes_only(world: World) -> None:
    for more in ({"candidate_nodes": ["a2"]}, {"candidate_nodes": [world.ids["a2"]]}, {"node": "a2"}):
        answer = world.ask("b member", "POST", "/v1/allocations", {"resource_class": "metal", **more})
        assert answer.status_code == 400
        assert "could not be found" in message(answer)
    taken = world.made("b member", "/v1/allocations", {"resource_class": "metal"})
    empty = world.made("b member", "/v1/allocations", {"resource_class": "metal"})

    while world.desk.inventory.matcher.match_one():
        pass

    found = world.ask("b member", "GET", f"/v1/allocations/{taken}").get_json()
    assert (found["state"], found["node_uuid"]) == ("active", world.ids["b1"])
    assert world.ask("b member", "GET", f"/v1/allocations/{empty}").get_json()["state"] in ("error", "allocating")


def test_a_child_has_the_owner_of_its_parent_and_a_hidden_parent_is_none(world: World) -> None:
    def enrolled(parent: str) -> Any:
        return world.ask("b admin", "POST", "/v1/nodes", {"driver": "fake-hardware", "parent_node": parent})

    hidden, missing, own = enrolled("a1"), enrolled("zz"), enrolled("b1")

    assert (hidden.status_code, missing.status_code, own.status_code) == (400, 400, 201)
    assert message(hidden).replace("a1", "zz") == message(missing)


def test_a_project_enrols_and_deletes_its_own_nodes(world: World) -> None:
    uuid = world.made("b admin", "/v1/nodes", {"driver": "fake-hardware"})

    assert world.ask("b reader", "GET", f"/v1/nodes/{uuid}").get_json()["owner"] == "p-b"
    assert world.ask("a admin", "DELETE", f"/v1/nodes/{uuid}").status_code == 404
    assert world.ask("b member", "DELETE", f"/v1/nodes/{uuid}").status_code == 403
    assert world.ask("b admin", "DELETE", f"/v1/nodes/{uuid}").status_code == 204


def test_runbooks_of_others_are_seen_when_they_are_public(world: World) -> None:
    publish = [{"op": "replace", "path": "/public", "value": True}]
    assert world.ask("operator", "PATCH", "/v1/runbooks/CUSTOM_A", publish).status_code == 200

    listed = world.ask("b reader", "GET", "/v1/runbooks").get_json()["runbooks"]

    assert {each["name"] for each in listed} == {"CUSTOM_A", "CUSTOM_B"}
    assert world.ask("b reader", "GET", "/v1/runbooks/CUSTOM_A").status_code == 200
    assert world.ask("b manager", "DELETE", "/v1/runbooks/CUSTOM_A").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/nodes/a1", None),
        ("GET", "/v1/nodes/detail", None),
        ("GET", "/v1/nodes?fields=driver_info,last_error,driver_internal_info,reservation", None),
        ("GET", "/v1/nodes/a1/last_error", None),
        ("GET", "/v1/nodes/a1/driver_info", None),
        ("GET", "/v1/nodes/a1/states", None),
        ("PATCH", "/v1/nodes/a1", [{"op": "replace", "path": "/description", "value": "x"}]),
    ],
)
def test_a_lessee_is_not_shown_what_is_the_owners(world: World, method: str, path: str, body: Any) -> None:
    world.ask("operator", "PATCH", "/v1/nodes/a1", [{"op": "replace", "path": "/extra", "value": {}}])

    lessees = world.ask("c member", method, path, body)
    owners = world.ask("a member", method, path, body)

    assert lessees.status_code == owners.status_code == 200
    assert CANARY.encode() not in lessees.data
    assert b"redacted" in lessees.data
    assert CANARY.encode() in owners.data
    assert b"redacted" not in owners.data


def test_properties_of_volume_targets_are_for_admins(world: World) -> None:
    paths = ("/v1/volume/targets?detail=true", "/v1/volume/targets/{target-a}".format(**world.ids))

    for path in paths:
        assert b"redacted" in world.ask("a manager", "GET", path).data
        assert b'"auth_password":"******"' in world.ask("a admin", "GET", path).data.replace(b" ", b"")


def test_the_owner_of_a_node_in_use_changes_by_the_system_admin_alone(world: World) -> None:
    world.write("UPDATE nodes SET provision_state = 'active' WHERE name = 'a2'")
    give = [{"op": "replace", "path": "/owner", "value": "p-b"}]

    assert world.ask("helper", "PATCH", "/v1/nodes/a2", give).status_code == 409
    assert world.ask("operator", "PATCH", "/v1/nodes/a2", give).status_code == 200


def test_the_owner_of_an_allocated_node_stays(world: World) -> None:
    world.made("b member", "/v1/allocations", {"resource_class": "metal"})
    while world.desk.inventory.matcher.match_one():
        pass

    answer = world.ask("operator", "PATCH", "/v1/nodes/b1", [{"op": "replace", "path": "/owner", "value": "p-a"}])

    assert answer.status_code == 409


# Whatever a tenant sends

# Without the stream of events, which needs a connection to hand over: tests/system/test_tenants.py has one.
ROUTES = [
    (route.method, route.path) for routes, _ in TABLES.values() for route in routes if route.path != "/events/stream"
]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=12) | st.sampled_from(["a1", "p-a", "clean"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WORDS = [
    "owner", "lessee", "node_uuid", "node_ident", "node", "parent_node", "candidate_nodes", "resource_class", "extra",
    "driver", "driver_info", "address", "name", "target", "runbook", "clean_steps", "id", "portgroup_uuid", "public",
]  # fmt: skip
AT_POWER = ("/management", "/vendor_passthru", "/vmedia")
FILTERS = [
    "node",
    "owner",
    "lessee",
    "project",
    "marker",
    "sort_key",
    "fields",
    "portgroup",
    "parent_node",
    "instance_uuid",
]


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_request_of_a_tenant_shows_changes_or_breaks_anything_of_another(world: World, data: st.DataObject) -> None:
    idents = st.sampled_from([*world.ids.values(), *world.ids, "CUSTOM_A", "CUSTOM_B", "a9"])
    method, path = data.draw(st.sampled_from(ROUTES))
    while "<" in path:
        start, rest = path.split("<", 1)
        path = start + quote(data.draw(idents), safe="") + rest.split(">", 1)[1]
    keys, inside = st.sampled_from(WORDS), values | idents
    operation = st.fixed_dictionaries({
        "op": st.sampled_from(["add", "replace", "remove"]), "path": keys.map(lambda key: f"/{key}"), "value": inside,
    })  # fmt: skip
    body = data.draw(
        st.lists(operation, max_size=3) if method == "PATCH" else st.dictionaries(keys, inside, max_size=6)
    )
    query = data.draw(
        st.dictionaries(st.sampled_from(FILTERS), idents | st.sampled_from(["name", "last_error"]), max_size=2)
    )
    role = data.draw(st.sampled_from(["b admin", "b member", "b reader"]))
    before = world.everything_of_a()

    answer = world.ask(role, method, f"/v1{path}?{urlencode(query)}", None if method == "GET" else body)

    is_bmcs = any(word in path for word in AT_POWER)  # nobody stands behind these here
    assert answer.status_code < 500 or (is_bmcs and answer.status_code == 503), (method, path, body, answer.data)
    assert CANARY.encode() not in answer.data
    assert world.everything_of_a() == before
