"""Every route × every role, over HTTP. What is expected stands in MAY, written from what Ironic documents of each rule.

All that is asked about belongs to the project p-owner; its node is leased to p-lessee. Who cannot see it finds nothing
(404); who sees it and may not is told so (403); everybody else gets through to the service behind.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.handlers.routes import Route
from steelyard_api_gateway.main import TABLES
from steelyard_api_gateway.testing import Api, Others, make_api
from steelyard_api_gateway.testing_policy import ANONYMOUS, CALLERS, LESSEE, OWNER, NamedCallers
from steelyard_common.bus import MemoryBus

from tests.contract.who_may import MAY, SEEN, SYSTEM_READER

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
WHOSE = {
    "node.owner": OWNER, "node.lessee": LESSEE, "allocation.owner": OWNER, "runbook.owner": OWNER,
    "operation.owner": OWNER, "webhook.owner": OWNER,
}  # fmt: skip

# No node is asked about here, so only those get through who may read volumes of all nodes (as in Ironic).
EXCEPTIONS = {("GET", "/volume"): SYSTEM_READER}
STEP = [{"interface": "bios", "step": "reset", "args": {}, "priority": 1}]
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/nodes"): {"driver": "ipmi"},
    ("POST", "/artifacts"): {"url": "https://h/k", "kind": "kernel"},
    ("PUT", "/nodes/<ident>/traits"): {"traits": []},
    ("PUT", "/nodes/<ident>/tags"): {"tags": ["a"]},
    ("PUT", "/quotas/<project>"): {"quotas": {"big": 1}},
    ("PUT", "/nodes/<ident>/states/power"): {"target": "power on"},
    ("PUT", "/nodes/<ident>/states/provision"): {"target": "manage"},
    ("PUT", "/nodes/<ident>/states/boot_mode"): {"target": "uefi"},
    ("PUT", "/nodes/<ident>/states/secure_boot"): {"target": True},
    ("PUT", "/nodes/<ident>/states/raid"): {},
    ("PUT", "/nodes/<ident>/states/console"): {"enabled": True},
    ("PUT", "/nodes/<ident>/management/boot_device"): {"boot_device": "pxe"},
    ("PUT", "/nodes/<ident>/management/indicators/<name>"): {"state": "on"},
    ("POST", "/nodes/<ident>/vifs"): {"id": "v1"},
    ("POST", "/nodes/<ident>/vmedia"): {
        "device_type": "cdrom",
        "image_url": "http://images/x.iso",
        "image_download_source": "http",
    },
    ("POST", "/nodes/<ident>/plans"): {"target": "manage"},
    ("POST", "/ports"): {"address": "aa:bb:cc:dd:ee:ff", "node_uuid": UUID},
    ("POST", "/portgroups"): {"node_uuid": UUID},
    ("POST", "/volume/connectors"): {"node_uuid": UUID, "type": "iqn", "connector_id": "i"},
    ("POST", "/volume/targets"): {"node_uuid": UUID, "volume_type": "iscsi", "boot_index": 0, "volume_id": "v"},
    ("POST", "/chassis"): {},
    ("POST", "/events"): {
        "events": [
            {"event": "network.bind_port", "port_id": UUID, "mac_address": "aa:bb:cc:dd:ee:ff", "status": "ACTIVE"}
        ]
    },
    ("POST", "/heartbeat/<ident>"): {"callback_url": "http://192.0.2.1:9999", "agent_token": "t"},
    ("POST", "/continue_inspection"): {"inventory": {"interfaces": [{"mac_address": "aa:bb:cc:dd:ee:ff"}]}},
    ("POST", "/deploy_templates"): {"name": "CUSTOM_T", "steps": STEP},
    ("POST", "/runbooks"): {"name": "CUSTOM_R", "steps": [{"interface": "bios", "step": "reset", "order": 1}]},
    ("PUT", "/runbooks/<ident>/traits"): {"traits": []},
    ("POST", "/inspection_rules"): {"actions": [{"op": "fail", "args": {"msg": "x"}}]},
    ("POST", "/allocations"): {"resource_class": "x"},
    ("POST", "/operations"): {"verb": "power on", "selector": {}},
    ("POST", "/webhooks"): {"url": "https://hooks.example/steelyard"},
}
# The node stands in the body or the query: to whom it is hidden, the body names nothing (400), the query neither (404).
NAMES_NODE = {
    ("POST", "/ports"): 400,
    ("POST", "/portgroups"): 400,
    ("POST", "/volume/connectors"): 400,
    ("POST", "/volume/targets"): 400,
    ("GET", "/nodes/validate"): 404,
}
# Refused to everybody, after the policy: no driver has methods without a node.
AFTERWARDS = {"/drivers/<name>/vendor_passthru": 400, "/drivers/<name>/vendor_passthru/<method>": 400}
QUERIES = {
    "/nodes/validate": f"node={UUID}",
    "/lookup": "addresses=aa:bb:cc:dd:ee:ff",
    "/nodes/<ident>/vendor_passthru": "method=m",
    "/drivers/<name>/vendor_passthru": "method=m",
}
ROUTES = [route for routes, _ in TABLES.values() for route in routes]
ROLES = (*CALLERS, ANONYMOUS)


def expected(route: Route, role: str) -> int | None:
    """The status of a refusal; None: this role gets through."""
    allowed = EXCEPTIONS.get((route.method, route.path), MAY[route.policy.removeprefix("baremetal:")])
    if "ipa_" in route.policy:
        return None
    if role == ANONYMOUS:
        return 401
    for start, seers in SEEN.items():
        if (route.path == start or route.path.startswith(f"{start}/")) and role not in seers:
            return 404
    hidden = NAMES_NODE.get((route.method, route.path))
    if hidden and role == "other admin":
        return hidden
    return None if role in allowed else 403


@pytest.fixture(scope="module")
def others() -> Others:
    others = Others(MemoryBus())
    others.serve()
    others.replies |= {
        "qry.access": orjson.dumps({"uuid": UUID, "public": False, "target": WHOSE}),
        "qry.vendor-methods": b'{"methods": {}}',
        "qry.virtual-media": b'{"media": []}',
        "qry.operation-targets": b'{"nodes": []}',
        "cmd.call-vendor": b'{"async": true, "return": null}',
        "cmd.take-inspection": orjson.dumps({"uuid": UUID}),
    }
    return others


@pytest.fixture(scope="module")
def api(others: Others) -> Api:
    return make_api(others.bus, sign_in=NamedCallers(CALLERS))


def path_of(route: Route) -> str:
    names = {"trait": "CUSTOM_X", "field": "name", "method": "m", "hostname": "h", "vif": "v1", "sha256": "a" * 64}
    if route.path.startswith("/drivers"):
        names["name"] = "redfish"
    elif "indicators" in route.path:
        names["name"] = "led@chassis"
    else:
        names["name"] = "uuid"
    path = re.sub(r"<(\w+)>", lambda found: names.get(found[1], UUID), f"/v1{route.path}")
    return f"{path}?{QUERIES[route.path]}" if route.path in QUERIES else path


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_each_route_lets_in_whom_its_rule_names(api: Api, others: Others, route: Route) -> None:
    for role in ROLES:
        check(api, others, route, role)


def check(api: Api, others: Others, route: Route, role: str) -> None:
    """One case. What is refused is refused before anything is done."""
    patch: Any = {} if "vendor_passthru" in route.path else []
    body = BODIES.get((route.method, route.path), patch if route.method == "PATCH" else None)
    others.asked.clear()

    answer = api(route.method, path_of(route), body, headers={"X-Auth-Token": role})

    asked = [name for name, _, _ in others.asked]
    refusal = expected(route, role)
    if refusal is not None:
        assert answer.status_code == refusal, (role, answer.data)
        assert set(asked) <= {"qry.access"}, "nothing was done, and only asked whose it is"
    else:
        assert answer.status_code == AFTERWARDS.get(route.path, route.success), (role, answer.data)
    assert asked.count("qry.access") <= 1
    if role.startswith("system"):
        assert "qry.access" not in asked, "the scope of the system costs no question"


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len(ROUTES) * len(ROLES) >= 1000
    assert {route.policy.removeprefix("baremetal:") for route in ROUTES} <= MAY.keys()


@pytest.mark.parametrize("role", ["owner reader", "lessee member", "other admin"])
@pytest.mark.parametrize("path", [route.path for route in ROUTES if route.policy.endswith(":list_all")])
def test_a_list_of_a_project_is_narrowed_by_inventory(api: Api, others: Others, path: str, role: str) -> None:
    api("GET", f"/v1{path.replace('<ident>', UUID)}", headers={"X-Auth-Token": role})

    told = orjson.loads(others.last_headers["Steelyard-Caller"])
    assert told["visible"] == {"project": CALLERS[role].project}


def test_the_scope_of_the_system_sends_no_word_of_what_may_be_seen(api: Api, others: Others) -> None:
    api("GET", "/v1/nodes", headers={"X-Auth-Token": "system reader"})

    assert not {"visible", "redacted"} & orjson.loads(others.last_headers["Steelyard-Caller"]).keys()
