"""The tables of routes: what each call asks of whom, and what it passes on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.handlers.reference import routes_page
from steelyard_api_gateway.main import TABLES, main
from steelyard_api_gateway.testing import Api, Others

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
ROOT = Path(__file__).parents[3]
OWN_BODY = {"driver": "ipmi"}
PORT_BODY = {"address": "aa:bb:cc:dd:ee:ff", "node_uuid": UUID}
N1 = "/v1/nodes/n1"
ELSEWHERE = (
    "artifacts",
    "events",
    "operations",
    "webhooks",
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
