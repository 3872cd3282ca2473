"""Chassis, port groups, volumes and what hangs on a node: what is refused before the bus, and what leaves sealed."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.main import TABLES
from steelyard_api_gateway.testing import Api, Others, message
from steelyard_common.secrets import Sealer

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
MAC = "aa:bb:cc:dd:ee:ff"
GROUP, CONNECTOR = {"node_uuid": UUID}, {"node_uuid": UUID, "type": "iqn", "connector_id": "x"}
TARGET = {"node_uuid": UUID, "volume_type": "iscsi", "boot_index": 0, "volume_id": "v1"}
EVENT = {"event": "network.bind_port", "port_id": UUID, "mac_address": MAC, "status": "ACTIVE"}
N1, TARGETS, CONNECTORS = "/v1/nodes/n1", "/v1/volume/targets", "/v1/volume/connectors"
CHASSIS = f"/v1/chassis/{UUID}"
TABLES_HERE = ("node_parts", "portgroups", "chassis", "volumes")
# Answered by the gateway itself, tested below.
OWN_ANSWERS = {("GET", "/v1/volume"), ("GET", "/v1/nodes/n1/volume"), ("POST", "/v1/events")}

# method, path, body → status, verb on the bus, what its body holds, end of Location
CALLS: list[tuple[str, str, Any, int, str, dict[str, Any], str | None]] = [
    ("GET", "/v1/chassis", None, 200, "qry.all-chassis", {"resource_url": "chassis", "detail": False}, None),
    ("GET", "/v1/chassis/detail", None, 200, "qry.all-chassis", {"detail": True}, None),
    ("POST", "/v1/chassis", {"uuid": UUID}, 201, "cmd.create-chassis", {"record": {"uuid": UUID}}, CHASSIS),
    ("GET", CHASSIS, None, 200, "qry.chassis", {"ident": UUID, "fields": None}, None),
    ("GET", f"{CHASSIS}/description", None, 200, "qry.chassis", {"fields": ["description"]}, None),
    ("PATCH", CHASSIS, [], 200, "cmd.update-chassis", {"patch": []}, None),
    ("DELETE", CHASSIS, None, 204, "cmd.delete-chassis", {"ident": UUID}, None),
    ("GET", f"{CHASSIS}/nodes", None, 200, "qry.nodes", {"filters": {"chassis_uuid": UUID}, "detail": False}, None),
    ("GET", f"{CHASSIS}/nodes/detail", None, 200, "qry.nodes", {"filters": {"chassis_uuid": UUID}}, None),
    ("GET", "/v1/portgroups?node=n1", None, 200, "qry.portgroups", {"filters": {"node": "n1"}}, None),
    ("GET", "/v1/portgroups/detail", None, 200, "qry.portgroups", {"resource_url": "portgroups/detail"}, None),
    ("POST", "/v1/portgroups", GROUP, 201, "cmd.create-portgroup", {}, f"/v1/portgroups/{UUID}"),
    ("GET", "/v1/portgroups/g1", None, 200, "qry.portgroup", {"ident": "g1"}, None),
    ("GET", "/v1/portgroups/g1/mode", None, 200, "qry.portgroup", {"fields": ["mode"]}, None),
    ("PATCH", "/v1/portgroups/g1", [], 200, "cmd.update-portgroup", {"patch": []}, None),
    ("DELETE", "/v1/portgroups/g1", None, 204, "cmd.delete-portgroup", {"ident": "g1"}, None),
    ("GET", "/v1/portgroups/g1/ports", None, 200, "qry.ports", {"filters": {"portgroup": "g1"}}, None),
    ("GET", "/v1/portgroups/g1/ports/detail", None, 200, "qry.ports", {"detail": True}, None),
    ("GET", f"{N1}/portgroups", None, 200, "qry.portgroups", {"filters": {"node_ident": "n1"}}, None),
    ("GET", f"{N1}/portgroups/detail", None, 200, "qry.portgroups", {"detail": True}, None),
    ("GET", CONNECTORS, None, 200, "qry.volume-connectors", {"resource_url": "volume/connectors"}, None),
    ("POST", CONNECTORS, CONNECTOR, 201, "cmd.create-volume-connector", {}, f"{CONNECTORS}/{UUID}"),
    ("GET", f"{CONNECTORS}/{UUID}", None, 200, "qry.volume-connector", {"ident": UUID}, None),
    ("PATCH", f"{CONNECTORS}/{UUID}", [], 200, "cmd.update-volume-connector", {"patch": []}, None),
    ("DELETE", f"{CONNECTORS}/{UUID}", None, 204, "cmd.delete-volume-connector", {"ident": UUID}, None),
    ("GET", f"{TARGETS}?detail=True", None, 200, "qry.volume-targets", {"detail": True}, None),
    ("POST", TARGETS, TARGET, 201, "cmd.create-volume-target", {}, f"{TARGETS}/{UUID}"),
    ("GET", f"{TARGETS}/{UUID}", None, 200, "qry.volume-target", {"ident": UUID}, None),
    ("PATCH", f"{TARGETS}/{UUID}", [], 200, "cmd.update-volume-target", {"patch": []}, None),
    ("DELETE", f"{TARGETS}/{UUID}", None, 204, "cmd.delete-volume-target", {"ident": UUID}, None),
    ("GET", f"{N1}/volume/connectors", None, 200, "qry.volume-connectors", {"filters": {"node_ident": "n1"}}, None),
    ("GET", f"{N1}/volume/targets", None, 200, "qry.volume-targets", {"filters": {"node_ident": "n1"}}, None),
    ("GET", "/v1/shards", None, 200, "qry.shards", {}, None),
    ("GET", f"{N1}/vifs", None, 200, "qry.vifs", {"ident": "n1"}, None),
    ("POST", f"{N1}/vifs", {"id": "v1", "more": 1}, 204, "cmd.attach-vif", {"vif": {"id": "v1"}}, None),
    ("DELETE", f"{N1}/vifs/v1", None, 204, "cmd.detach-vif", {"vif_id": "v1"}, None),
    ("GET", f"{N1}/children", None, 200, "qry.node-children", {"ident": "n1"}, None),
    ("GET", f"{N1}/bios?detail=True", None, 200, "qry.node-bios", {"ident": "n1"}, None),
    ("GET", f"{N1}/bios/BootMode", None, 200, "qry.node-bios-setting", {"name": "BootMode"}, None),
    ("GET", f"{N1}/firmware?fields=component", None, 200, "qry.node-firmware", {"ident": "n1"}, None),
    ("GET", f"{N1}/history?detail=True&limit=5", None, 200, "qry.node-history", {"marker": None}, None),
    ("GET", f"{N1}/history/{UUID}", None, 200, "qry.node-history-entry", {"name": UUID}, None),
    ("GET", f"{N1}/inventory", None, 200, "qry.node-inventory", {"ident": "n1"}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "verb", "holds", "location"), CALLS, ids=[f"{c[0]} {c[1]}" for c in CALLS]
)
def test_a_route_asks_one_thing_and_passes_its_bytes_on(
    api: Api, others: Others, method: str, path: str, body: Any, status: int, verb: str, holds: dict[str, Any],
    location: str | None,
) -> None:  # fmt: skip
    response = api(method, path, body | {"uuid": UUID} if status == 201 else body)

    assert response.status_code == status, response.data
    assert [name for name, _, _ in others.asked] == [verb]
    assert others.last[1].items() >= holds.items()
    assert response.headers.get("Location") == (location and f"http://localhost{location}")
    assert response.data == (b"" if status == 204 else b'{"canned": "' + verb.encode() + b'"}')


def test_every_route_of_these_tables_is_among_the_calls_above() -> None:
    tried = {(method, re.sub(r"\?.*", "", path)) for method, path, *_ in CALLS} | OWN_ANSWERS

    for name in TABLES_HERE:
        for route in TABLES[name][0]:
            pattern = re.compile("/v1" + re.sub(r"<\w+>", "[^/]+", route.path))
            assert any(method == route.method and pattern.fullmatch(path) for method, path in tried), route


def replace(path: str, value: Any) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": path, "value": value}]


def remove(path: str) -> list[dict[str, Any]]:
    return [{"op": "remove", "path": path}]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/chassis/rack1", None),
        ("GET", "/v1/chassis/rack1/nodes", None),
        ("GET", "/v1/chassis?sort_key=extra", None),
        ("GET", "/v1/chassis?name=x", None),
        ("POST", "/v1/chassis", {"description": "x" * 256}),
        ("POST", "/v1/chassis", {"name": "x"}),
        ("PATCH", "/v1/chassis", []),
        ("PATCH", f"/v1/chassis/{UUID}", remove("/uuid")),
        ("PATCH", f"/v1/chassis/{UUID}", replace("/nodes", [])),
        ("POST", f"/v1/chassis/{UUID}/nodes", {}),
        ("GET", f"/v1/chassis/{UUID}/bogus", None),
        ("GET", "/v1/portgroups?node=n1&address=" + MAC, None),
        ("GET", "/v1/portgroups?fields=uuid&detail=True", None),
        ("GET", "/v1/portgroups?sort_key=properties", None),
        ("GET", "/v1/portgroups/a b", None),
        ("POST", "/v1/portgroups", {}),
        ("POST", "/v1/portgroups", GROUP | {"name": "a b"}),
        ("POST", "/v1/portgroups", GROUP | {"name": UUID}),
        ("POST", "/v1/portgroups", GROUP | {"address": "x"}),
        ("POST", "/v1/portgroups", GROUP | {"standalone_ports_supported": "maybe"}),
        ("POST", "/v1/portgroups", GROUP | {"dynamic_portgroup": True}),
        ("POST", "/v1/portgroups", GROUP | {"physical_network": "x" * 65}),
        ("PATCH", "/v1/portgroups/g1", remove("/mode")),
        ("PATCH", "/v1/portgroups/g1", replace("/internal_info", {})),
        ("POST", f"{N1}/portgroups", GROUP),
        ("GET", f"{N1}/portgroups/g1", None),
        ("POST", "/v1/portgroups/g1/ports", {}),
        ("GET", f"{CONNECTORS}/c1", None),
        ("POST", CONNECTORS, GROUP),
        ("POST", CONNECTORS, CONNECTOR | {"type": 5}),
        ("PATCH", f"{CONNECTORS}/{UUID}", remove("/type")),
        ("GET", f"{TARGETS}?detail=True&fields=uuid", None),
        ("POST", TARGETS, TARGET | {"boot_index": "0"}),
        ("POST", TARGETS, TARGET | {"boot_index": True}),
        ("POST", TARGETS, TARGET | {"boot_index": 2**31}),
        ("POST", TARGETS, TARGET | {"properties": []}),
        ("PATCH", f"{TARGETS}/{UUID}", remove("/boot_index")),
        ("PATCH", f"{TARGETS}/{UUID}", replace("/uuid", UUID)),
        ("DELETE", TARGETS, None),
        ("POST", f"{N1}/volume/targets", TARGET),
        ("POST", f"{N1}/vifs", {}),
        ("POST", f"{N1}/vifs", []),
        ("POST", f"{N1}/vifs", {"id": "a b"}),
        ("POST", f"{N1}/vifs", {"id": "v", "port_uuid": UUID, "portgroup_uuid": UUID}),
        ("POST", f"{N1}/vifs", {"id": "v", "port_uuid": "p"}),
        ("POST", f"{N1}/vifs", {"id": "v", "physical_network": 5}),
        ("GET", f"{N1}/bios?fields=bogus", None),
        ("GET", f"{N1}/firmware?sort_key=component", None),
        ("GET", f"{N1}/history?limit=0", None),
        ("GET", "/v1/shards?name=x", None),
        ("POST", "/v1/events", {}),
        ("POST", "/v1/events", {"events": []}),
        ("POST", "/v1/events", {"events": [EVENT | {"event": "other"}]}),
        ("POST", "/v1/events", {"events": [EVENT | {"extra": 1}]}),
        ("POST", "/v1/events", {"events": [EVENT, {"event": "network.bind_port"}]}),
        ("POST", "/v1/events", {"events": [EVENT | {"mac_address": "x"}]}),
        ("POST", "/v1/events", {"events": [EVENT | {"device_id": "x"}]}),
    ],
)
def test_what_makes_no_sense_is_refused_without_asking_anybody(
    api: Api, others: Others, method: str, path: str, body: Any
) -> None:
    response = api(method, path, body)

    assert response.status_code == 400, response.data
    assert message(response)
    assert others.asked == []


@pytest.mark.parametrize(
    ("since", "method", "path", "below"),
    [
        (23, "GET", "/v1/portgroups", 404),
        (24, "GET", f"{N1}/portgroups", 404),
        (24, "GET", "/v1/portgroups/g1/ports", 404),
        (28, "GET", f"{N1}/vifs", 404),
        (32, "GET", "/v1/volume", 404),
        (32, "GET", TARGETS, 404),
        (32, "GET", f"{N1}/volume/connectors", 404),
        (40, "GET", f"{N1}/bios", 404),
        (78, "GET", f"{N1}/history", 404),
        (81, "GET", f"{N1}/inventory", 404),
        (82, "GET", "/v1/shards", 404),
        (83, "GET", f"{N1}/children", 404),
        (86, "GET", f"{N1}/firmware", 404),
        (12, "GET", "/v1/drivers/redfish/raid/logical_disk_properties", 406),
        (106, "GET", "/v1/portgroups?shard=a", 406),
        (99, "GET", "/v1/portgroups?conductor_groups=a", 406),
        (74, "GET", f"{N1}/bios?fields=name", 406),
        (114, "GET", f"{N1}/firmware?fields=vendor", 406),
    ],
)
def test_each_is_there_from_its_version_on(api: Api, since: int, method: str, path: str, below: int) -> None:
    path = path.replace("n1", UUID).replace("g1", UUID)
    assert api(method, path, version=f"1.{since}").status_code == 200
    assert api(method, path, version=f"1.{since - 1}").status_code == below


@pytest.mark.parametrize(("since", "field", "value"), [(26, "mode", "802.3ad"), (102, "physical_network", "a")])
def test_a_field_newer_than_the_request_cannot_be_written(api: Api, since: int, field: str, value: str) -> None:
    body = GROUP | {field: value}
    for minor, created, changed in ((since - 1, 406, 406), (since, 201, 200)):
        assert api("POST", "/v1/portgroups", body, version=f"1.{minor}").status_code == created
        patch = replace(f"/{field}", value)
        assert api("PATCH", f"/v1/portgroups/{UUID}", patch, version=f"1.{minor}").status_code == changed


def test_a_chassis_may_be_taken_from_a_node_since_its_version(api: Api) -> None:
    for patch in (remove("/chassis_uuid"), replace("/chassis_uuid", None)):
        assert api("PATCH", f"/v1/nodes/{UUID}", patch, version="1.24").status_code == 406
        assert api("PATCH", f"/v1/nodes/{UUID}", patch, version="1.25").status_code == 200


def test_secrets_of_a_volume_target_leave_sealed(api: Api, others: Others, sealer: Sealer) -> None:
    properties = {"auth_username": "ada", "auth_password": "s3cret", "target_lun": 1}

    assert api("POST", TARGETS, TARGET | {"properties": properties}).status_code == 201
    sent = others.last[1]["record"]["properties"]
    assert (sent["auth_username"], sent["target_lun"]) == ("ada", 1)
    assert sealer.open(sent["auth_password"]) == "s3cret"

    for path, value in (("/properties", properties), ("/properties/auth_password", "s3cret")):
        assert api("PATCH", f"{TARGETS}/{UUID}", replace(path, value)).status_code == 200
        assert b"s3cret" not in orjson.dumps(others.last[1])
    assert api("POST", TARGETS, TARGET | {"properties": {"a": "sealed:k1:x"}}).status_code == 400


def test_a_vif_names_its_place_only_where_the_version_knows_places(api: Api, others: Others) -> None:
    body = {"id": "v1", "port_uuid": UUID.upper(), "physical_network": "green"}

    assert api("POST", f"{N1}/vifs", body).status_code == 204
    assert others.last[1]["vif"] == {"id": "v1", "port_uuid": UUID, "physical_networks": ["green"]}
    assert api("POST", f"{N1}/vifs", body, version="1.66").status_code == 204
    assert others.last[1]["vif"] == {"id": "v1", "physical_networks": ["green"]}


def test_network_events_are_checked_and_taken(api: Api, others: Others) -> None:
    whole = EVENT | {"device_id": None, "binding:host_id": UUID, "binding:vnic_type": "baremetal"}
    response = api("POST", "/v1/events", {"events": [EVENT, whole]})
    assert (response.status_code, response.data, others.asked) == (204, b"", [])
    assert api("POST", "/v1/events", {"events": [EVENT]}, version="1.53").status_code == 404


@pytest.mark.parametrize(("path", "below"), [("/v1/volume", "volume"), (f"{N1}/volume", "nodes/n1/volume")])
def test_the_volume_document_links_to_its_lists(api: Api, path: str, below: str) -> None:
    shown = api("GET", path).get_json()
    assert shown["links"][0] == {"href": f"http://localhost/v1/{below}/", "rel": "self"}
    for name in ("connectors", "targets"):
        hrefs = [link["href"] for link in shown[name]]
        assert hrefs == [f"http://localhost/v1/{below}/{name}", f"http://localhost/{below}/{name}"]


def test_a_logical_disk_is_described_where_the_hardware_type_has_raid(api: Api) -> None:
    path = "/v1/drivers/{}/raid/logical_disk_properties"
    shown = api("GET", path.format("redfish")).get_json()
    assert {"raid_level", "size_gb", "is_root_volume", "physical_disks"} <= shown.keys()
    assert all(isinstance(text, str) for text in shown.values())
    for name in ("ipmi", "nonsense"):
        assert api("GET", path.format(name)).status_code == 404


def test_one_shard_is_no_path(api: Api) -> None:
    assert api("GET", "/v1/shards/a").status_code == 404


def test_the_v1_document_lists_what_its_version_has(api: Api) -> None:
    def listed(minor: int) -> set[str]:
        shown: dict[str, Any] = api("GET", "/v1", version=f"1.{minor}").get_json()
        return {"chassis", "portgroups", "volume", "events", "shards"} & shown.keys()

    assert listed(22) == {"chassis"}
    assert listed(23) == {"chassis", "portgroups"}
    assert listed(53) == {"chassis", "portgroups", "volume"}
    assert listed(115) == {"chassis", "portgroups", "volume", "events", "shards"}
