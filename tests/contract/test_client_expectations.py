"""What gophercloud and Metal3's baremetal-operator insist on (API facts §22): the gateway, the real inventory and the
power service with fake hardware, over the bus's twin.

gophercloud takes one status code for each call and fails on any other; Metal3 reads fields by name and takes 409 for
"busy, again later", 404 for "gone".
"""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_api_gateway.testing import Api

UUID = "5c217000-0000-4000-8000-000000000001"
NODE = "/v1/nodes/metal3~worker-0"
BMO_VERSIONS = ("1.110", "1.109", "1.95", "1.93", "1.89")
NEVER_LEFT_OUT = ("target_provision_state", "last_error", "maintenance", "fault", "power_state", "provision_state")
MAC = "52:54:00:00:00:01"


@pytest.fixture
def api(api: Api) -> Api:
    """With one node, named as Metal3 names its nodes."""
    body = {"uuid": UUID, "name": "metal3~worker-0", "driver": "fake-hardware"}
    assert api("POST", "/v1/nodes", body, version="1.89").status_code == 201
    return api


# method, path below the node, body, the only status that gophercloud takes
GOPHERCLOUD: list[tuple[str, str, Any, int]] = [
    ("GET", "", None, 200),
    ("PATCH", "", [{"op": "replace", "path": "/extra", "value": {"a": 1}}], 200),
    ("GET", "/validate", None, 200),
    ("PUT", "/states/provision", {"target": "manage"}, 202),
    ("PUT", "/states/power", {"target": "power on"}, 202),
    ("PUT", "/maintenance", {"reason": "r"}, 202),
    ("DELETE", "/maintenance", None, 202),
    ("PUT", "/management/boot_device", {"boot_device": "pxe", "persistent": True}, 204),
    ("GET", "/management/boot_device", None, 200),
    ("GET", "/management/boot_device/supported", None, 200),
    ("PUT", "/traits", {"traits": ["CUSTOM_A"]}, 204),
    ("PUT", "/traits/CUSTOM_A", None, 204),
    ("DELETE", "/traits", None, 204),
    ("GET", "/vifs", None, 200),
    ("POST", "/vifs", {"id": "1974dcfa-836f-41b2-b541-686c100900e5"}, 204),
    ("DELETE", "/vifs/1974dcfa-836f-41b2-b541-686c100900e5", None, 204),
    ("GET", "/bios?detail=true", None, 200),
    ("GET", "/firmware", None, 200),
    ("DELETE", "", None, 204),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), GOPHERCLOUD, ids=[f"{c[0]} {c[1]}" for c in GOPHERCLOUD])
def test_each_call_has_the_one_status_that_gophercloud_takes(
    api: Api, method: str, path: str, body: Any, status: int
) -> None:
    response = api(method, NODE + path, body, version="1.89")

    assert response.status_code == status, response.data


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/ports", {"node_uuid": UUID, "address": MAC}), ("/v1/portgroups", {"node_uuid": UUID}),
        ("/v1/allocations", {"resource_class": "metal"}),
        ("/v1/volume/connectors", {"node_uuid": UUID, "type": "iqn", "connector_id": "x"}),
    ],
)  # fmt: skip
def test_records_are_created_with_201_shown_with_200_and_deleted_with_204(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    made = api("POST", path, body)
    one = f"{path}/{made.get_json()['uuid']}"

    assert (made.status_code, api("GET", one).status_code, api("GET", path).status_code) == (201, 200, 200)
    assert api("DELETE", one).status_code == 204


@pytest.mark.parametrize("version", BMO_VERSIONS)
def test_a_node_has_all_that_metal3_reads_in_types_that_go_can_read(api: Api, version: str) -> None:
    node = api("GET", f"/v1/nodes/{UUID}", version=version).get_json()

    assert node.keys() >= set(NEVER_LEFT_OUT)
    for name in ("maintenance", "console_enabled", "protected", "retired"):
        assert node[name] is False, name
    assert node["automated_clean"] is None
    assert [type(node[name]) for name in ("traits", "links", "ports", "portgroups", "states")] == [list] * 5
    for name in ("driver_info", "instance_info", "properties", "extra", "clean_step", "raid_config"):
        assert node[name] == {}, name
    assert node["created_at"].endswith("+00:00")


def test_metal3_finds_a_version_that_it_speaks_in_the_root_document(api: Api) -> None:
    version = api("GET", "/v1", version=None).get_json()["version"]

    assert (version["status"], version["min_version"]) == ("CURRENT", "1.1")
    assert all(int(version["version"].split(".")[1]) >= int(each.split(".")[1]) for each in BMO_VERSIONS)


def test_metal3_lists_nodes_with_the_fields_it_names(api: Api) -> None:
    listed = api("GET", "/v1/nodes?fields=uuid,name,provision_state,driver_info", version="1.89").get_json()["nodes"]

    assert [node.keys() - {"links"} for node in listed] == [{"uuid", "name", "provision_state", "driver_info"}]


def test_a_node_that_is_held_answers_409_and_one_that_is_gone_404(api: Api) -> None:
    assert api("PUT", f"{NODE}/states/provision", {"target": "manage"}, version="1.89").status_code == 202

    # nothing here does the steps, so that the node stays held
    for target in ("manage", "provide"):
        assert api("PUT", f"{NODE}/states/provision", {"target": target}, version="1.89").status_code == 409
    patch = [{"op": "add", "path": "/extra/a", "value": 1}]
    assert api("PATCH", NODE, patch, version="1.89").status_code == 409
    for path in ("/v1/nodes/gone", "/v1/nodes/gone/states", "/v1/nodes/gone/vmedia", "/v1/nodes/gone/inventory"):
        assert api("GET", path, version="1.95").status_code == 404


def test_what_metal3_asks_of_hardware_that_cannot_is_a_400_and_no_5xx(api: Api) -> None:
    iso = {"device_type": "cdrom", "image_url": "http://i/x.iso"}

    assert api("POST", f"{NODE}/vmedia", iso, version="1.89").status_code == 400
    assert api("DELETE", f"{NODE}/vmedia", version="1.89").status_code == 400
    assert api("GET", f"{NODE}/vmedia", version="1.93").status_code == 400
    for method, call in (("GET", "get_all_subscriptions"), ("POST", "create_subscription")):
        assert api(method, f"{NODE}/vendor_passthru?method={call}", {}, version="1.89").status_code == 400
