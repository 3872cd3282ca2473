"""The API as clients see it: the gateway in front of the real inventory and a real database, over the bus's twin.

What the two promise one another: idents, filters, pages, patches, secrets and errors, end to end.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from steelyard_api_gateway.domain import listings, record_listings
from steelyard_api_gateway.testing import Api, make_api, message
from steelyard_common.contracts.api import NODE_FIELDS, NODE_SUBLINKS, PORT_FIELDS
from steelyard_inventory.testing import SITE, Desk

SECRET = "c4nary-s3cret"
ALLOWED = {200, 201, 202, 204, 400, 403, 404, 405, 406, 409, 413}


@pytest.fixture
def api(desk: Desk) -> Api:
    return make_api(desk.bus, site=SITE)


def create(api: Api, **node: Any) -> dict[str, Any]:
    response = api("POST", "/v1/nodes", {"driver": "fake-hardware", **node})
    assert response.status_code == 201, response.data
    document: dict[str, Any] = response.get_json()
    assert response.headers["Location"] == f"http://localhost/v1/nodes/{document['uuid']}"
    return document


def test_a_new_node_is_answered_whole_and_found_by_uuid_and_name(api: Api) -> None:
    made = create(api, name="web.json", properties={"cpus": 4})

    whole = NODE_FIELDS.keys() | NODE_SUBLINKS.keys() | {"links"}
    assert made.keys() == whole
    assert made["links"][0]["href"] == f"http://localhost/v1/nodes/{made['uuid']}"
    for ident in (made["uuid"], made["uuid"].upper(), made["uuid"].replace("-", ""), "web.json"):
        assert api("GET", f"/v1/nodes/{ident}").get_json() == made
    assert api("GET", "/v1/nodes/web.json", version="1.90").get_json()["uuid"] == made["uuid"]
    assert api("GET", "/v1/nodes/web", version="1.91").status_code == 404


@pytest.mark.parametrize("minor", [1, 5, 20, 46, 88, 115])
def test_a_document_holds_the_fields_of_its_version(api: Api, minor: int) -> None:
    uuid = create(api)["uuid"]

    shown = api("GET", f"/v1/nodes/{uuid}", version=f"1.{minor}").get_json()

    links = {name for name, since in NODE_SUBLINKS.items() if since <= minor}
    assert shown.keys() == {name for name, field in NODE_FIELDS.items() if field.since <= minor} | links | {"links"}


def test_pages_lead_from_one_to_the_next_and_carry_all_filters(api: Api) -> None:
    names = [create(api, name=f"n{number}", resource_class="big", owner="a&b")["name"] for number in range(5)]
    create(api, name="other")
    seen, url = [], "/v1/nodes?resource_class=big&owner=a%26b&maintenance=False&limit=2&sort_key=name&fields=name"

    while url:
        page = api("GET", url).get_json()
        seen += [node["name"] for node in page["nodes"]]
        url = page.get("next", "").removeprefix("http://localhost")
        assert not url or ("owner=a%26b" in url and "limit=2" in url)

    assert seen == names


def test_every_filter_and_sort_key_that_the_gateway_lets_through_works(api: Api) -> None:
    uuid = create(api)["uuid"]
    values = {"provision_state": "enroll", "fault": "power failure", "type": "dynamic", "address": "aa:bb:cc:dd:ee:ff"}
    booleans = {"associated", "maintenance", "retired", "sharded", "include_children"}
    asked = {
        "nodes": listings.NODES,
        "ports": listings.PORTS,
        "drivers": listings.DRIVERS,
        "conductors": listings.CONDUCTORS,
        f"nodes/{uuid}/ports": listings.NODE_PORTS,
        "chassis": record_listings.CHASSIS,
        "portgroups": record_listings.PORTGROUPS,
        "volume/connectors": record_listings.CONNECTORS,
        "volume/targets": record_listings.TARGETS,
        f"nodes/{uuid}/bios": record_listings.BIOS,
        f"nodes/{uuid}/firmware": record_listings.FIRMWARE,
        f"nodes/{uuid}/history": record_listings.HISTORY,
        f"nodes/{uuid}/portgroups": record_listings.without_filters(record_listings.PORTGROUPS),
        f"nodes/{uuid}/volume/targets": record_listings.without_filters(record_listings.TARGETS),
    }
    for path, listing in asked.items():
        for name in listing.filters:
            value = values.get(name) or ("True" if name in booleans else uuid)
            response = api("GET", f"/v1/{path}?{name}={value}")
            expected = {200, 404} if name in ("portgroup", "chassis_uuid") else {200}
            assert response.status_code in expected, (path, name, response.data)
        for key in listing.sortable:
            assert api("GET", f"/v1/{path}?sort_key={key}&sort_dir=desc").status_code == 200, (path, key)
        for field in listing.fields:
            assert api("GET", f"/v1/{path}?fields={field}").status_code == 200, (path, field)


def test_a_patch_is_applied_as_a_whole_or_not_at_all(api: Api) -> None:
    uuid = create(api, extra={"a": 1})["uuid"]
    good = {"op": "add", "path": "/extra/b", "value": {"c": [1]}}
    bad = {"op": "replace", "path": "/extra/nope", "value": 1}

    assert api("PATCH", f"/v1/nodes/{uuid}", [good, bad]).status_code == 400
    assert api("GET", f"/v1/nodes/{uuid}").get_json()["extra"] == {"a": 1}
    changed = api("PATCH", f"/v1/nodes/{uuid}", [good, {"op": "remove", "path": "/extra/a"}])
    assert changed.get_json()["extra"] == {"b": {"c": [1]}}


def test_a_secret_is_masked_in_answers_and_kept_when_its_mask_comes_back(api: Api, desk: Desk) -> None:
    made = create(api, driver="redfish", driver_info={"redfish_address": "https://bmc", "redfish_password": SECRET})
    path = f"/v1/nodes/{made['uuid']}"

    assert made["driver_info"] == {"redfish_address": "https://bmc", "redfish_password": "******"}
    api("PATCH", path, [{"op": "replace", "path": "/driver_info", "value": made["driver_info"]}])
    api("PATCH", path, [{"op": "add", "path": "/instance_info", "value": {"configdrive": SECRET}}])
    sealed = desk.ask("node-for-provider", ident=made["uuid"])["node"]["sealed"]
    assert sealed["/redfish_password"].startswith("sealed:")
    assert api("GET", path).get_json()["instance_info"] == {"configdrive": "******"}
    for url in (path, "/v1/nodes/detail"):
        assert SECRET not in api("GET", url).get_data(as_text=True)
    assert SECRET not in repr(desk.bus.published)
    with desk.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM nodes").all()
    assert SECRET not in repr(rows)


def test_errors_of_inventory_reach_the_client_in_their_kind(api: Api) -> None:
    uuid = create(api, name="n1")["uuid"]

    for method, path, body, status in (
        ("POST", "/v1/nodes", {"driver": "fake-hardware", "name": "n1"}, 409),
        ("POST", "/v1/nodes", {"driver": "nope"}, 400),
        ("POST", "/v1/nodes", {"driver": "fake-hardware", "chassis_uuid": uuid}, 400),
        ("GET", "/v1/nodes/n2", None, 404),
        ("GET", "/v1/nodes?marker=8ac951e5-0800-43ec-be85-0af36c7d3000", None, 404),
        ("POST", "/v1/ports", {"address": "aa:bb:cc:dd:ee:ff", "node_ident": "n2"}, 400),
        ("PUT", "/v1/nodes/n2/states/power", {"target": "power on"}, 404),
        ("PUT", "/v1/nodes/n1/states/provision", {"target": "provide"}, 400),
        ("DELETE", "/v1/nodes/n1/traits/CUSTOM_A", None, 404),
        ("PUT", "/v1/nodes/n1/traits/HW_NO_SUCH_TRAIT", None, 400),
    ):
        response = api(method, path, body)
        assert response.status_code == status, (method, path, response.data)
        assert message(response)


def test_ports_are_made_listed_by_node_changed_and_deleted(api: Api) -> None:
    node = create(api, name="n1")["uuid"]

    made = api("POST", "/v1/ports", {"address": "AA:BB:CC:DD:EE:FF", "node_ident": "n1", "name": "p1"}).get_json()
    assert made.keys() == PORT_FIELDS.keys() | {"links"}
    assert (made["address"], made["node_uuid"]) == ("aa:bb:cc:dd:ee:ff", node)
    for below in ("ports?node=n1", f"ports?node_uuid={node}", "nodes/n1/ports", f"nodes/{node}/ports/detail"):
        assert [port["uuid"] for port in api("GET", f"/v1/{below}").get_json()["ports"]] == [made["uuid"]]
    change = [{"op": "replace", "path": "/pxe_enabled", "value": "no"}]
    assert api("PATCH", "/v1/ports/p1", change).get_json()["pxe_enabled"] is False
    assert api("DELETE", "/v1/ports/p1").status_code == 400
    assert api("DELETE", f"/v1/ports/{made['uuid']}").status_code == 204
    assert api("GET", "/v1/nodes/n1/ports").get_json() == {"ports": []}


def test_maintenance_traits_and_deletion_go_their_way(api: Api) -> None:
    create(api, name="n1")

    assert api("PUT", "/v1/nodes/n1/maintenance", {"reason": "why"}).status_code == 202
    assert api("GET", "/v1/nodes/n1?fields=maintenance_reason").get_json()["maintenance_reason"] == "why"
    assert api("DELETE", "/v1/nodes/n1/maintenance").status_code == 202
    assert api("PUT", "/v1/nodes/n1/traits", {"traits": ["CUSTOM_B", "CUSTOM_A"]}).status_code == 204
    assert api("PUT", "/v1/nodes/n1/traits/HW_CPU_X86_VMX").status_code == 204
    assert api("GET", "/v1/nodes/n1/traits").get_json() == {"traits": ["CUSTOM_A", "CUSTOM_B", "HW_CPU_X86_VMX"]}
    assert api("DELETE", "/v1/nodes/n1").status_code == 204
    assert api("GET", "/v1/nodes/n1").status_code == 404


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_fields = st.sampled_from(sorted(NODE_FIELDS.keys() | PORT_FIELDS.keys()))
_operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "replace", "remove"]),
        "path": st.builds(
            lambda root, rest: f"/{root}{rest}", _fields, st.sampled_from(["", "/a", "/a/0", "/a/-", "/b/c"])
        ),
        "value": _json,
    }
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    body=st.dictionaries(_fields, _json, max_size=5),
    patch=st.lists(_operations, max_size=4),
    kind=st.sampled_from(["nodes", "ports"]),
    minor=st.integers(1, 115),
)
def test_no_nonsense_makes_a_server_error_in_any_service(
    api: Api, body: dict[str, Any], patch: list[Any], kind: str, minor: int
) -> None:
    known = api("GET", "/v1/nodes?limit=1").get_json()["nodes"]
    node = known[0]["uuid"] if known else create(api)["uuid"]
    needed = {"nodes": {"driver": "fake-hardware"}, "ports": {"address": "aa:bb:cc:dd:ee:ff", "node_uuid": node}}

    made = api("POST", f"/v1/{kind}", needed[kind] | body, version=f"1.{minor}")
    target = made.get_json()["uuid"] if made.status_code == 201 else node
    changed = api("PATCH", f"/v1/{kind}/{target}", patch, version=f"1.{minor}")

    assert made.status_code in ALLOWED, made.data
    assert changed.status_code in ALLOWED, changed.data


def test_records_around_a_node_live_and_go_end_to_end(api: Api) -> None:
    chassis = api("POST", "/v1/chassis", {"description": "rack 1"}).get_json()
    node = create(api, name="n1", network_interface="flat", chassis_uuid=chassis["uuid"])
    group = api("POST", "/v1/portgroups", {"node_uuid": node["uuid"], "name": "bond0", "mode": "802.3ad"}).get_json()
    body = {"node_uuid": node["uuid"], "address": "aa:bb:cc:dd:ee:01", "portgroup_uuid": group["uuid"]}
    port = api("POST", "/v1/ports", body).get_json()
    target = {"node_uuid": node["uuid"], "volume_type": "iscsi", "boot_index": 0, "volume_id": "v"}
    made = api("POST", "/v1/volume/targets", target | {"properties": {"auth_password": SECRET}})

    assert made.status_code == 201
    assert SECRET.encode() not in made.data
    assert [each["name"] for each in api("GET", f"/v1/chassis/{chassis['uuid']}/nodes").get_json()["nodes"]] == ["n1"]
    for path in ("/v1/portgroups/bond0/ports", f"/v1/portgroups/{group['uuid']}/ports", "/v1/ports?portgroup=bond0"):
        assert [each["uuid"] for each in api("GET", path).get_json()["ports"]] == [port["uuid"]]
    assert [each["uuid"] for each in api("GET", "/v1/nodes/n1/portgroups").get_json()["portgroups"]] == [group["uuid"]]
    assert len(api("GET", "/v1/nodes/n1/volume/targets?detail=True").get_json()["targets"]) == 1
    assert api("POST", "/v1/nodes/n1/vifs", {"id": "vif"}).status_code == 204
    assert api("GET", "/v1/nodes/n1/vifs").get_json() == {"vifs": [{"id": "vif"}]}
    assert api("POST", "/v1/nodes/n1/vifs", {"id": "vif"}).status_code == 409
    assert api("POST", "/v1/nodes/n1/vifs", {"id": "more"}).status_code == 400
    assert api("DELETE", "/v1/nodes/n1/vifs/vif").status_code == 204
    assert api("DELETE", f"/v1/chassis/{chassis['uuid']}").status_code == 400
    assert api("DELETE", "/v1/portgroups/bond0").status_code == 400
    assert api("DELETE", "/v1/nodes/n1").status_code == 204
    assert api("DELETE", f"/v1/chassis/{chassis['uuid']}").status_code == 204
    assert api("GET", "/v1/volume/targets").get_json() == {"targets": []}
