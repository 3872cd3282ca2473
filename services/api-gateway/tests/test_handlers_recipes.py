"""Deploy templates, runbooks, inspection rules and allocations: each route, its versions, its refusals, its secrets."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.main import TABLES
from steelyard_api_gateway.testing import Api, Others, fault, message
from steelyard_common.errors import NotFound
from steelyard_common.secrets import MASK, Sealer

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
STEP = {"interface": "raid", "step": "create", "args": {}, "priority": 1}
RUN = {"interface": "raid", "step": "create", "order": 1}
ACTION = {"op": "fail", "args": ["no"]}
BODIES: dict[str, dict[str, Any]] = {
    "deploy_templates": {"name": "CUSTOM_T", "steps": [STEP]},
    "runbooks": {"name": "CUSTOM_R", "steps": [RUN]},
    "inspection_rules": {"actions": [ACTION]},
    "allocations": {"resource_class": "baremetal"},
}
SINCE = {"deploy_templates": 55, "runbooks": 92, "inspection_rules": 96, "allocations": 52}
TRAITS, OF_NODE = "/v1/runbooks/r1/traits", "/v1/nodes/n1/allocation"


def one(plural: str) -> str:
    """The path of one item."""
    return f"/v1/{plural}/{UUID}"


# method, path, body → status, verb on the bus, what its body holds, end of Location
Case = tuple[str, str, Any, int, str, dict[str, Any], str | None]
CALLS: list[Case] = [
    ("GET", TRAITS, None, 200, "qry.runbook-traits", {"ident": "r1"}, None),
    ("PUT", TRAITS, {"traits": ["CUSTOM_A"]}, 204, "cmd.set-runbook-traits", {"mode": "replace"}, None),
    ("PUT", f"{TRAITS}/CUSTOM_A", None, 204, "cmd.set-runbook-traits", {"mode": "add"}, f"{TRAITS}/CUSTOM_A"),
    ("DELETE", f"{TRAITS}/CUSTOM_A", None, 204, "cmd.set-runbook-traits", {"mode": "remove"}, None),
    ("DELETE", TRAITS, None, 204, "cmd.set-runbook-traits", {"mode": "clear", "traits": []}, None),
    ("GET", OF_NODE, None, 200, "qry.node-allocation", {"ident": "n1", "fields": None}, None),
    ("GET", f"{OF_NODE}?fields=state", None, 200, "qry.node-allocation", {"fields": ["state"]}, None),
    ("DELETE", OF_NODE, None, 204, "cmd.delete-node-allocation", {"ident": "n1"}, None),
    ("GET", "/v1/runbooks?project=p&detail=true", None, 200, "qry.runbooks",
     {"filters": {"project": "p"}, "detail": True}, None),
    ("GET", "/v1/inspection_rules?phase=main&sort_key=priority", None, 200, "qry.inspection-rules",
     {"filters": {"phase": "main"}, "sort_key": "priority"}, None),
    ("GET", "/v1/allocations?node=n1&state=active&owner=o&resource_class=c", None, 200, "qry.allocations",
     {"filters": {"node": "n1", "state": "active", "owner": "o", "resource_class": "c"}}, None),
    ("GET", "/v1/deploy_templates/CUSTOM_T?fields=name", None, 200, "qry.deploy-template",
     {"ident": "CUSTOM_T", "fields": ["name"]}, None),
]  # fmt: skip
for _plural, _body in BODIES.items():
    _word = _plural.removesuffix("s").replace("_", "-")
    _path = one(_plural)
    CALLS += [
        ("GET", f"/v1/{_plural}", None, 200, f"qry.{_word}s", {"resource_url": _plural, "detail": False}, None),
        ("POST", f"/v1/{_plural}", _body | {"uuid": UUID}, 201, f"cmd.create-{_word}", {}, _path),
        ("GET", _path, None, 200, f"qry.{_word}", {"ident": UUID, "fields": None}, None),
        ("PATCH", _path, [], 200, f"cmd.update-{_word}", {"ident": UUID, "patch": []}, None),
        ("DELETE", _path, None, 204, f"cmd.delete-{_word}", {"ident": UUID}, None),
        ("GET", f"{_path}/uuid", None, 200, f"qry.{_word}", {"ident": UUID, "fields": ["uuid"]}, None),
    ]


@pytest.mark.parametrize("case", CALLS, ids=[f"{case[0]} {case[1]}" for case in CALLS])
def test_a_route_asks_one_thing_and_passes_its_bytes_on(api: Api, others: Others, case: Case) -> None:
    method, path, body, status, verb, holds, location = case
    response = api(method, path, body)

    assert response.status_code == status, response.data
    assert [name for name, _, _ in others.asked] == [verb]
    assert others.last[1].items() >= holds.items()
    assert response.headers.get("Location") == (location and f"http://localhost{location}")
    assert response.data == (b"" if status == 204 else b'{"canned": "' + verb.encode() + b'"}')


def test_every_route_of_these_tables_is_among_the_calls_above() -> None:
    tried = {(method, re.sub(r"\?.*", "", path)) for method, path, *_ in CALLS}
    for name in ("recipes", "allocations"):
        for route in TABLES[name][0]:
            pattern = re.compile("/v1" + re.sub(r"<\w+>", "[^/]+", route.path))
            assert any(method == route.method and pattern.fullmatch(path) for method, path in tried), route


@pytest.mark.parametrize("plural", BODIES)
def test_below_its_version_a_resource_is_not_found_and_takes_no_writes(api: Api, others: Others, plural: str) -> None:
    old, new = f"1.{SINCE[plural] - 1}", f"1.{SINCE[plural]}"
    for path in (f"/v1/{plural}", one(plural)):
        assert api("GET", path, version=old).status_code == 404
    for method, path in (("POST", f"/v1/{plural}"), ("PATCH", one(plural)), ("DELETE", one(plural))):
        response = api(method, path, {}, version=old)
        assert response.status_code == 405
        # As in Ironic: of the older two it is the router that refuses.
        shape = "title" if plural in ("deploy_templates", "runbooks") else "faultstring"
        assert shape in fault(response)
    assert others.asked == []
    assert api("GET", f"/v1/{plural}", version=new).status_code == 200
    assert plural in api("GET", "/v1", version=new).get_json()
    assert plural not in api("GET", "/v1", version=old).get_json()


@pytest.mark.parametrize(
    ("method", "path", "body", "since", "status"),
    [
        ("PATCH", one("allocations"), [], 57, 405),
        ("GET", OF_NODE, None, 52, 404),
        ("DELETE", OF_NODE, None, 52, 404),
        ("GET", TRAITS, None, 112, 404),
        ("POST", "/v1/allocations", {"resource_class": "c", "owner": "o"}, 60, 406),
        ("POST", "/v1/allocations", {"resource_class": "c", "node": UUID, "uuid": UUID}, 58, 406),
        ("GET", "/v1/allocations?owner=o", None, 60, 406),
        ("GET", "/v1/allocations?fields=owner", None, 60, 406),
        ("GET", "/v1/allocations?sort_key=owner", None, 60, 406),
        ("POST", "/v1/runbooks", BODIES["runbooks"] | {"description": "d"}, 112, 406),
        ("GET", "/v1/runbooks?fields=traits", None, 112, 406),
        ("PATCH", one("runbooks"), [{"op": "add", "path": "/description", "value": "d"}], 112, 406),
    ],
)
def test_what_is_newer_than_its_resource_has_a_version_of_its_own(
    api: Api, method: str, path: str, body: Any, since: int, status: int
) -> None:
    assert api(method, path, body, version=f"1.{since - 1}").status_code == status
    assert api(method, path, body, version=f"1.{since}").status_code < 300


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/v1/deploy_templates", {"steps": [STEP]}, "'name' is a required property"),
        ("POST", "/v1/deploy_templates", {"name": "CUSTOM_T"}, "'steps' is a required property"),
        ("POST", "/v1/deploy_templates", {"name": "CUSTOM_T", "steps": {}}, "'steps' must be a list"),
        ("POST", "/v1/runbooks", BODIES["runbooks"] | {"traits": []}, "'traits' cannot be set here"),
        ("POST", "/v1/runbooks", BODIES["runbooks"] | {"colour": 1}, "'colour' cannot be set here"),
        ("POST", "/v1/inspection_rules", {"actions": [ACTION], "priority": "1"}, "'priority' must be a whole"),
        ("POST", "/v1/inspection_rules", {"actions": [ACTION], "phase": "x" * 17}, "'phase' must have"),
        ("POST", "/v1/inspection_rules", {}, "'actions' is a required property"),
        ("POST", "/v1/allocations", {"resource_class": "c", "name": "in valid"}, "invalid name"),
        ("POST", "/v1/allocations", {"resource_class": "c", "traits": ["gold"]}, "'gold' is not a trait"),
        ("POST", "/v1/allocations", {"resource_class": "c", "candidate_nodes": [1]}, "candidate_nodes"),
        ("POST", "/v1/allocations", {"resource_class": "c", "state": "active"}, "'state' cannot be set here"),
        ("POST", "/v1/allocations", [], "must be a JSON object"),
        ("GET", "/v1/allocations?detail=true", None, "Unexpected arguments: detail"),
        ("GET", "/v1/allocations?sort_key=extra", None, "invalid field for sorting"),
        ("GET", "/v1/allocations?sort_key=node_uuid", None, "invalid field for sorting"),
        ("GET", "/v1/deploy_templates?name=x", None, "Unexpected arguments: name"),
        ("GET", "/v1/inspection_rules/by-name", None, "Expected UUID"),
        ("PATCH", one("deploy_templates"), [{"op": "remove", "path": "/steps"}], "'steps' is a required property"),
        ("PATCH", one("inspection_rules"), [{"op": "remove", "path": "/actions"}], "'actions' is a required"),
        ("PATCH", one("allocations"), [{"op": "add", "path": "/owner", "value": "x"}], "following can be updated"),
        ("PATCH", one("allocations"), [{"op": "add", "path": "/name", "value": "a b"}], "invalid name"),
        ("PATCH", "/v1/deploy_templates", [], "Missing mandatory parameter"),
        ("DELETE", "/v1/inspection_rules", None, "Missing mandatory parameter: inspection_rule_uuid"),
        ("DELETE", "/v1/allocations", None, "Missing mandatory parameter: allocation_ident"),
        ("PUT", f"{TRAITS}/CUSTOM_A", {"a": 1}, "takes no body"),
    ],
)
def test_odd_requests_get_400_in_the_fault_shape(
    api: Api, others: Others, method: str, path: str, body: Any, said: str
) -> None:
    response = api(method, path, body)

    assert response.status_code == 400
    assert said in message(response)
    assert others.asked == []


def test_a_backfilled_allocation_takes_the_uuid_that_inventory_chose(api: Api, others: Others) -> None:
    others.replies["cmd.create-allocation"] = orjson.dumps({"uuid": UUID})

    response = api("POST", "/v1/allocations", {"node": "n1"})

    assert others.last[1]["record"] == {"node": "n1"}
    assert response.headers["Location"] == f"http://localhost/v1/allocations/{UUID}"


def test_without_a_node_the_uuid_is_made_here(api: Api, others: Others) -> None:
    response = api("POST", "/v1/allocations", {"resource_class": "c", "candidate_nodes": ["n1", UUID.upper()]})

    record = others.last[1]["record"]
    assert response.headers["Location"].endswith(record["uuid"])
    assert record["candidate_nodes"] == ["n1", UUID]


def test_secrets_in_steps_leave_sealed(api: Api, others: Others, sealer: Sealer) -> None:
    step = STEP | {"args": {"user": "u", "password": "p", "deep": [{"token": 7}]}}

    api("POST", "/v1/deploy_templates", {"name": "CUSTOM_T", "steps": [step]})

    args = others.last[1]["record"]["steps"][0]["args"]
    assert args["user"] == "u"
    assert sealer.open(args["password"]) == "p"
    assert sealer.open(args["deep"][0]["token"]) == "7"


@pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        ("/steps/0/args/password", "p", ()),
        ("/steps/-", STEP | {"args": {"password": "p"}}, ("args", "password")),
        ("/steps", [STEP | {"args": {"password": "p"}}], (0, "args", "password")),
    ],
)
def test_secrets_in_patches_of_steps_leave_sealed(
    api: Api, others: Others, sealer: Sealer, path: str, value: Any, at: tuple[Any, ...]
) -> None:
    api("PATCH", one("runbooks"), [{"op": "add", "path": path, "value": value}])

    sent = others.last[1]["patch"][0]["value"]
    for key in at:
        sent = sent[key]
    assert sealer.open(sent) == "p"


def test_masks_and_what_looks_like_a_token_are_told_apart(api: Api, others: Others) -> None:
    masked = [{"op": "add", "path": "/steps/0/args/password", "value": MASK}]
    assert api("PATCH", one("runbooks"), masked).status_code == 200
    assert others.last[1]["patch"] == masked
    forged = [{"op": "add", "path": "/steps/0/args/user", "value": "sealed:k1:AAAA"}]
    assert api("PATCH", one("runbooks"), forged).status_code == 400


def test_a_cut_suffix_may_be_part_of_the_name(api: Api, others: Others) -> None:
    others.errors["qry.allocation"] = NotFound("no")
    assert api("GET", "/v1/allocations/web.json", version="1.60").status_code == 404
    assert [body["ident"] for _, body, _ in others.asked] == ["web", "web.json"]
