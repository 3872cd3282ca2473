"""Entrances: HTTP conventions, the two error shapes, and each route → one request on the bus."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.handlers.reference import routes_page
from steelyard_api_gateway.main import TABLES, main
from steelyard_api_gateway.testing import Api, Others, fault, make_api, message
from steelyard_common.bus import MemoryBus

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
ROOT = Path(__file__).parents[3]
REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
VERSION, LOWEST, HIGHEST = (
    "X-OpenStack-Ironic-API-Version",
    "X-OpenStack-Ironic-API-Minimum-Version",
    "X-OpenStack-Ironic-API-Maximum-Version",
)
OWN_BODY = {"driver": "ipmi"}
PORT_BODY = {"address": "aa:bb:cc:dd:ee:ff", "node_uuid": UUID}
N1 = "/v1/nodes/n1"
ELSEWHERE = (
    "insight",
    "tenancy",
    "recipes",
    "allocations",
    "node_parts",
    "portgroups",
    "chassis",
    "volumes",
    "node_vendor",
    "ramdisks",
    "tenancy",
)  # tables with a test file of their own
STATES = f"{N1}/states"

# method, path, body → status, verb on the bus, what its body holds, end of Location
CALLS: list[tuple[str, str, Any, int, str, dict[str, Any], str | None]] = [
    ("GET", "/v1/nodes", None, 200, "qry.nodes", {"detail": False, "resource_url": "nodes"}, None),
    ("GET", "/v1/nodes/detail", None, 200, "qry.nodes", {"detail": True, "resource_url": "nodes/detail"}, None),
    ("POST", "/v1/nodes", OWN_BODY | {"uuid": UUID}, 201, "cmd.create-node", {}, f"/v1/nodes/{UUID}"),
    ("GET", N1, None, 200, "qry.node", {"ident": "n1", "fields": None}, None),
    ("GET", f"{N1}?fields=uuid,name", None, 200, "qry.node", {"fields": ["uuid", "name"]}, None),
    ("GET", f"{N1}/driver", None, 200, "qry.node", {"fields": ["driver"]}, None),
    ("PATCH", N1, [], 200, "cmd.update-node", {"patch": [], "reset_interfaces": False}, None),
    ("DELETE", N1, None, 204, "cmd.delete-node", {"ident": "n1"}, None),
    ("GET", f"{N1}/validate", None, 200, "qry.validate-node", {"ident": "n1"}, None),
    ("GET", "/v1/nodes/validate?node=n1", None, 200, "qry.validate-node", {"ident": "n1"}, None),
    ("GET", f"/v1/nodes/validate?node_uuid={UUID}", None, 200, "qry.validate-node", {"ident": UUID}, None),
    ("PUT", f"{N1}/maintenance", None, 202, "cmd.set-maintenance", {"on": True, "reason": None}, None),
    ("PUT", f"{N1}/maintenance", {"reason": "r"}, 202, "cmd.set-maintenance", {"on": True, "reason": "r"}, None),
    ("DELETE", f"{N1}/maintenance", None, 202, "cmd.set-maintenance", {"on": False}, None),
    ("GET", f"{N1}/traits", None, 200, "qry.traits", {"ident": "n1"}, None),
    ("PUT", f"{N1}/traits", {"traits": ["CUSTOM_A"]}, 204, "cmd.set-traits", {"mode": "replace"}, None),
    ("PUT", f"{N1}/traits/CUSTOM_A", None, 204, "cmd.set-traits", {"mode": "add"}, f"{N1}/traits/CUSTOM_A"),
    ("PUT", f"{N1}/traits/CUSTOM_A", {}, 204, "cmd.set-traits", {"mode": "add"}, f"{N1}/traits/CUSTOM_A"),
    ("DELETE", f"{N1}/traits/CUSTOM_A", None, 204, "cmd.set-traits", {"mode": "remove"}, None),
    ("DELETE", f"{N1}/traits", None, 204, "cmd.set-traits", {"mode": "clear"}, None),
    ("GET", f"{N1}/states", None, 200, "qry.node-states", {"ident": "n1"}, None),
    (
        "PUT", f"{N1}/states/power", {"target": "power on", "timeout": "5"}, 202, "cmd.set-power",
        {"target": "power on", "timeout_s": 5}, f"{N1}/states",
    ),
    ("PUT", f"{STATES}/provision", {"target": "manage"}, 202, "cmd.set-provision", {"target": "manage"}, STATES),
    ("PUT", f"{STATES}/boot_mode", {"target": "uefi"}, 202, "cmd.set-boot-mode", {"target": "uefi"}, STATES),
    ("PUT", f"{STATES}/secure_boot", {"target": "yes"}, 202, "cmd.set-secure-boot", {"target": True}, STATES),
    ("PUT", f"{STATES}/raid", {}, 204, "cmd.set-target-raid", {"ident": "n1", "config": {}}, None),
    ("GET", f"{STATES}/console", None, 200, "qry.node-console", {"ident": "n1"}, None),
    ("PUT", f"{STATES}/console", {"enabled": "yes"}, 202, "cmd.set-console", {"enabled": True}, f"{STATES}/console"),
    ("GET", f"{N1}/management/boot_device", None, 200, "qry.boot-device", {"ident": "n1"}, None),
    (
        "PUT", f"{N1}/management/boot_device", {"boot_device": "pxe"}, 204, "cmd.set-boot-device",
        {"boot_device": "pxe", "persistent": False}, None,
    ),
    ("GET", f"{N1}/management/boot_device/supported", None, 200, "qry.supported-boot-devices", {"ident": "n1"}, None),
    ("PUT", f"{N1}/management/inject_nmi", None, 204, "cmd.inject-nmi", {"ident": "n1"}, None),
    ("GET", f"{N1}/management/indicators", None, 200, "qry.indicators", {"ident": "n1"}, None),
    ("GET", f"{N1}/management/indicators/led@chassis", None, 200, "qry.indicator", {"name": "led@chassis"}, None),
    (
        "PUT", f"{N1}/management/indicators/led@chassis", {"state": "on"}, 204, "cmd.set-indicator",
        {"name": "led@chassis", "state": "on"}, None,
    ),
    ("GET", "/v1/ports?node=n1", None, 200, "qry.ports", {"filters": {"node": "n1"}, "resource_url": "ports"}, None),
    ("GET", "/v1/ports/detail", None, 200, "qry.ports", {"detail": True, "resource_url": "ports/detail"}, None),
    ("POST", "/v1/ports", PORT_BODY | {"uuid": UUID}, 201, "cmd.create-port", {}, f"/v1/ports/{UUID}"),
    ("GET", "/v1/ports/p1", None, 200, "qry.port", {"ident": "p1"}, None),
    ("GET", "/v1/ports/p1/address", None, 200, "qry.port", {"fields": ["address"]}, None),
    ("PATCH", "/v1/ports/p1", [], 200, "cmd.update-port", {"patch": []}, None),
    ("DELETE", f"/v1/ports/{UUID}", None, 204, "cmd.delete-port", {"ident": UUID}, None),
    ("GET", f"{N1}/ports", None, 200, "qry.ports", {"filters": {"node_ident": "n1"}}, None),
    ("GET", f"{N1}/ports/detail", None, 200, "qry.ports", {"resource_url": "nodes/n1/ports/detail"}, None),
    ("GET", "/v1/drivers?type=dynamic", None, 200, "qry.drivers", {"type": "dynamic", "detail": False}, None),
    ("GET", "/v1/drivers/ipmi", None, 200, "qry.driver", {"name": "ipmi", "fields": None}, None),
    ("GET", "/v1/drivers/ipmi/hosts", None, 200, "qry.driver", {"fields": ["hosts"]}, None),
    ("GET", "/v1/conductors", None, 200, "qry.conductors", {"resource_url": "conductors"}, None),
    ("GET", "/v1/conductors/power-1.rack", None, 200, "qry.conductor", {"hostname": "power-1.rack"}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "verb", "holds", "location"), CALLS, ids=[f"{c[0]} {c[1]}" for c in CALLS]
)
def test_a_route_asks_one_thing_and_passes_its_bytes_on(
    api: Api, others: Others, method: str, path: str, body: Any, status: int, verb: str, holds: dict[str, Any],
    location: str | None,
) -> None:  # fmt: skip
    response = api(method, path, body)

    assert response.status_code == status, response.data
    assert [name for name, _, _ in others.asked] == [verb]
    assert others.last[1].items() >= holds.items()
    assert response.headers.get("Location") == (location and f"http://localhost{location}")
    if status in (202, 204):
        assert response.data == b""
        assert "Content-Type" not in response.headers
    else:
        assert response.content_type == "application/json"
        assert verb == "qry.indicators" or response.data == b'{"canned": "' + verb.encode() + b'"}'


def test_every_route_of_the_tables_is_among_the_calls_above() -> None:
    tried = {(method, re.sub(r"\?.*", "", path)) for method, path, *_ in CALLS}
    tried.add(("GET", "/v1/drivers/ipmi/properties"))  # answered by the gateway itself, tested below
    tried.add(("GET", "/v1/drivers/ipmi/raid/logical_disk_properties"))

    for name, (routes, _) in TABLES.items():
        for route in () if name in ELSEWHERE else routes:
            pattern = re.compile("/v1" + re.sub(r"<\w+>", "[^/]+", route.path))
            assert any(method == route.method and pattern.fullmatch(path) for method, path in tried), route


def test_the_properties_of_a_driver_need_no_other_service(api: Api, others: Others) -> None:
    for driver, key in (("redfish", "redfish_address"), ("ipmi", "ipmi_address")):
        assert api("GET", f"/v1/drivers/{driver}/properties").get_json()[key]
    assert api("GET", "/v1/drivers/fake-hardware/properties").get_json() == {}
    assert api("GET", "/v1/drivers/nope/properties").status_code == 404
    assert others.asked == []


def test_indicators_get_links(api: Api) -> None:
    (lamp,) = api("GET", f"{N1}/management/indicators").get_json()["indicators"]

    assert [link["href"] for link in lamp["links"]] == [
        "http://localhost/v1/nodes/n1/management/indicators/led@chassis",
        "http://localhost/nodes/n1/management/indicators/led@chassis",
    ]


# Versions and common headers


def test_the_root_documents_name_the_versions(api: Api) -> None:
    versions = api("GET", "/").get_json()
    v1 = api("GET", "/v1").get_json()

    expected = {
        "id": "v1",
        "links": [{"href": "http://localhost/v1/", "rel": "self"}],
        "status": "CURRENT",
        "min_version": "1.1",
        "version": "1.115",
    }
    assert versions["default_version"] == expected
    assert versions["versions"] == [expected]
    assert v1["version"] == expected
    assert v1["media_types"]["base"] == "application/json"
    assert [name for name in ("nodes", "ports", "drivers", "conductors") if name in v1] == [
        "nodes", "ports", "drivers", "conductors",
    ]  # fmt: skip
    assert "conductors" not in api("GET", "/v1", version="1.48").get_json()
    ramdisks = ("lookup", "heartbeat", "continue_inspection")
    assert [name for name in ramdisks if name in v1] == list(ramdisks)


@pytest.mark.parametrize("path", ["/v1/nodes", "/nodes", "/v1/nodes/", "/nodes/"])
def test_a_path_may_leave_v1_out_and_trail_a_slash(api: Api, others: Others, path: str) -> None:
    assert api("GET", path).status_code == 200
    assert others.last[0] == "qry.nodes"


def test_a_cut_json_suffix_is_forgotten_from_v91_on(api: Api, others: Others) -> None:
    assert api("GET", "/v1/nodes.json", version="1.90").status_code == 200
    assert api("GET", "/v1/nodes.json", version="1.91").status_code == 404
    assert api("GET", "/v1.json", version="1.90").get_json()["id"] == "v1"

    api("GET", "/v1/nodes/n1.json", version="1.90")
    assert others.last[1]["ident"] == "n1"
    api("GET", "/v1/nodes/n1.json", version="1.91")
    assert others.last[1]["ident"] == "n1.json"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nodes", "/v1/bogus", f"{N1}/vifs"])
def test_every_answer_carries_versions_and_request_ids(api: Api, path: str) -> None:
    response = api("GET", path, version="latest")

    assert [response.headers[name] for name in (LOWEST, HIGHEST, VERSION)] == ["1.1", "1.115", "1.115"]
    assert REQUEST_ID.fullmatch(response.headers["Openstack-Request-Id"])
    assert response.headers["X-Openstack-Request-Id"] == response.headers["Openstack-Request-Id"]


def test_no_version_header_means_the_lowest(api: Api, others: Others) -> None:
    response = api("GET", "/v1/nodes", version=None)

    assert response.headers[VERSION] == "1.1"
    assert others.last[1]["api"] == {"minor": 1, "base_url": "http://localhost"}


@pytest.mark.parametrize("version", ["1.116", "2.0", "nonsense"])
@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nodes"])
def test_a_version_that_is_not_spoken_gets_406_with_the_range(api: Api, path: str, version: str) -> None:
    response = api("GET", path, version=version)

    assert response.status_code == 406
    assert fault(response)["code"] == 406
    assert "[1.1, 1.115]" in message(response)
    assert [response.headers.get(name) for name in (LOWEST, HIGHEST, VERSION)] == ["1.1", "1.115", None]
    assert "Openstack-Request-Id" in response.headers


def test_a_global_request_id_is_passed_on_if_it_is_one(api: Api, others: Others) -> None:
    api("GET", "/v1/nodes", headers={"X-OpenStack-Request-ID": f"req-{UUID}"})
    assert f"req-{UUID}" in others.last_headers["Steelyard-Caller"]

    api("GET", "/v1/nodes", headers={"X-OpenStack-Request-ID": 'req-"}, evil'})
    assert "evil" not in others.last_headers["Steelyard-Caller"]


def test_links_follow_the_host_header_or_the_public_url(bus: MemoryBus, others: Others) -> None:
    by_host = make_api(bus)("GET", "/v1", headers={"Host": "[::1]:6385"})
    public = make_api(bus, public_url="https://metal.example")("GET", "/v1", headers={"Host": "x"})

    assert b'"http://[::1]:6385/v1/"' in by_host.data
    assert b'"https://metal.example/v1/"' in public.data
    assert make_api(bus)("GET", "/v1/nodes", headers={"Host": 'a"b<c'}).status_code == 400


# Verbs and paths


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/"])
def test_head_works_on_the_roots(api: Api, path: str) -> None:
    response = api("HEAD", path)

    assert (response.status_code, response.data) == (200, b"")
    assert response.headers[VERSION] == "1.115"
    assert int(response.headers["Content-Length"]) > 100


@pytest.mark.parametrize("path", ["/v1/nodes", N1, "/v1/bogus"])
def test_head_is_not_allowed_elsewhere(api: Api, others: Others, path: str) -> None:
    assert api("HEAD", path).status_code == 405
    assert others.asked == []


def test_options_answers_with_what_cors_needs_but_lets_no_foreign_origin_in(bus: MemoryBus, others: Others) -> None:
    origin = {"Origin": "https://ui.example", "Access-Control-Request-Method": "PUT"}

    closed = make_api(bus)("OPTIONS", "/v1/nodes", headers=origin)
    opened = make_api(bus, cors_origins=("https://ui.example",))
    preflight = opened("OPTIONS", "/v1/nodes", headers=origin)
    answer = opened("GET", "/v1/nodes", headers=origin)

    assert (closed.status_code, closed.data) == (200, b"")
    assert closed.headers["Access-Control-Allow-Methods"] == "GET, PUT, POST, DELETE, PATCH"
    assert "Access-Control-Allow-Origin" not in closed.headers
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://ui.example"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://ui.example"
    assert VERSION in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1", "GET, HEAD"), ("POST", "/v1", "GET, HEAD"), ("DELETE", "/", "GET, HEAD"),
        ("PUT", "/v1/nodes", "DELETE, GET, PATCH, POST"), ("POST", N1, "DELETE, GET, PATCH"),
        ("PUT", f"{N1}/states", "GET"), ("GET", f"{N1}/states/power", "PUT"), ("POST", f"{N1}/maintenance", None),
        ("GET", f"{N1}/maintenance", "DELETE, PUT"), ("GET", f"{N1}/management", None),
        ("GET", f"{N1}/traits/CUSTOM_A", "DELETE, PUT"), ("GET", f"{N1}/management/inject_nmi", "PUT"),
        ("POST", "/v1/drivers", "GET"), ("DELETE", "/v1/conductors/x", "GET"), ("FOO", "/v1/nodes", None),
    ],
)  # fmt: skip
def test_a_wrong_verb_gets_405_in_the_abort_shape(api: Api, method: str, path: str, allowed: str | None) -> None:
    response = api(method, path)

    assert response.status_code == 405
    said = fault(response)
    assert (said["code"], said["title"]) == (405, "Method Not Allowed")
    if allowed and path.startswith("/v1/"):
        assert said["description"] == f"This path takes {allowed}."
    if allowed:
        assert ", ".join(sorted(response.headers["Allow"].split(", "))) == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/bogus", "/v2", "/v2/nodes", "/v1/bogus", "/v1/v1/nodes", "/v1/nodes/n1/bogus/x", "/v1/nodes/n1/states/bogus",
        "/v1/nodes/n1/vmedia/a", "/v1/shards/a", "/v1/volume/bogus",
        "/v1/nodes//states",
    ],
)  # fmt: skip
def test_an_unknown_path_gets_404_in_the_abort_shape(api: Api, others: Others, path: str) -> None:
    response = api("GET", path)

    assert response.status_code == 404
    assert fault(response) == {"code": 404, "title": "Not Found", "description": "There is no such path."}
    assert others.asked == []


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", f"{N1}/bogus", "Field bogus is not a valid field."),
        ("GET", "/v1/ports/p1/bogus", "bogus"),
        ("GET", "/v1/drivers/ipmi/bogus", "bogus"),
        ("PATCH", "/v1/nodes", "Missing mandatory parameter: node_ident"),
        ("DELETE", "/v1/ports", "Missing mandatory parameter: port_ident"),
        ("DELETE", "/v1/ports/p1", "Expected UUID for port_uuid: p1"),
        ("GET", f"{N1}/ports/x", "Malformed request URI"),
        ("POST", f"{N1}/ports", "Malformed request URI"),
        ("GET", "/v1/nodes/validate", "Missing mandatory parameter: node"),
        ("GET", f"{N1}/management/indicators/led", "Malformed indicator name"),
        ("GET", "/v1/nodes/detail?fields=name", "Unexpected arguments: fields"),
        ("GET", "/v1/nodes?bogus=1&a=2", "Unexpected arguments: a, bogus"),
        ("DELETE", f"{N1}?force=1", "Unexpected arguments: force"),
        ("PUT", f"{N1}/maintenance?x=1", "Unexpected arguments: x"),
    ],
)
def test_odd_requests_get_400_in_the_fault_shape(api: Api, method: str, path: str, said: str) -> None:
    response = api(method, path)

    assert response.status_code == 400
    assert fault(response)["faultcode"] == "Client"
    assert said in message(response)


@pytest.mark.parametrize("path", ["/v1/nodes/a%20b", "/v1/nodes/a%20b/states", "/v1/ports/%00", "/v1/nodes/%C3%A9"])
def test_a_bad_identifier_gets_400_in_the_abort_shape(api: Api, path: str) -> None:
    response = api("GET", path)

    assert response.status_code == 400
    assert fault(response)["title"] == "Bad Request"


@pytest.mark.parametrize(
    ("method", "path", "since", "status"),
    [
        ("PUT", f"{N1}/states/boot_mode", 76, 404),
        ("PUT", f"{N1}/management/inject_nmi", 29, 404),
        ("GET", f"{N1}/management/indicators", 63, 404),
        ("GET", f"{N1}/traits", 37, 406),
        ("GET", "/v1/conductors", 49, 404),
    ],
)
def test_a_route_is_missing_below_its_version(api: Api, method: str, path: str, since: int, status: int) -> None:
    assert api(method, path, {}, version=f"1.{since - 1}").status_code == status
    assert api(method, path, version=f"1.{since}").status_code != status


# The command and the reference page


def test_the_command_refuses_to_serve_everybody_without_sign_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEELYARD_HTTP_BIND", "0.0.0.0:6385")

    assert main([]) == 2
    assert "bind a loopback address" in capsys.readouterr().err


def test_the_reference_page_of_the_routes_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes"]) == 0

    page = capsys.readouterr().out
    assert page == routes_page(TABLES)
    assert (ROOT / "docs/reference/routes.md").read_text() == page


def test_errors_are_json_inside_json(api: Api) -> None:
    outer = api("GET", "/v1/nodes?bogus=1").get_json()

    assert outer.keys() == {"error_message"}
    assert orjson.loads(outer["error_message"]).keys() == {"faultcode", "faultstring", "debuginfo"}
