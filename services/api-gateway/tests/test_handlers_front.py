"""What every request meets first: versions, common headers, the root documents, paths and verbs that are none."""

from __future__ import annotations

import re

import pytest
from steelyard_api_gateway.testing import Api, Others, fault, make_api, message
from steelyard_common.bus import MemoryBus

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
VERSION, LOWEST, HIGHEST = (
    "X-OpenStack-Ironic-API-Version",
    "X-OpenStack-Ironic-API-Minimum-Version",
    "X-OpenStack-Ironic-API-Maximum-Version",
)
N1 = "/v1/nodes/n1"


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
