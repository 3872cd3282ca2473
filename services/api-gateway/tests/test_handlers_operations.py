"""`/v1/operations`: what is asked of inventory, and who may begin one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from steelyard_api_gateway.testing import Api, Others, make_api, message
from steelyard_api_gateway.testing_policy import CALLERS, LESSEE, OWNER, NamedCallers
from steelyard_common.bus import MemoryBus

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
NODE = "6b8e7a1c-2f3d-4f0e-9a55-0c1d2e3f4a5b"


@pytest.fixture
def others() -> Others:
    made = Others(MemoryBus())
    made.serve()
    return made


@pytest.fixture
def api(others: Others) -> Api:
    return make_api(others.bus, sign_in=NamedCallers(CALLERS))


def create(api: Api, role: str = "system admin", **body: Any) -> Any:
    return api("POST", "/v1/operations", body, headers={"X-Auth-Token": role})


def test_an_operation_is_accepted_with_the_place_to_look_at(api: Api, others: Others) -> None:
    answer = create(
        api, verb="clean", selector={"provision_state": "manageable", "maintenance": False},
        parameters={"clean_steps": [{"interface": "bios", "step": "reset", "args": {"password": "hush"}}]},
    )  # fmt: skip
    name, body = others.last
    assert answer.status_code == 202
    assert answer.headers["Location"].endswith(f"/v1/operations/{body['uuid']}")
    assert name == "cmd.create-operation"
    assert (body["verb"], body["parallelism"], body["nodes"]) == ("clean", 50, None)
    assert body["selector"] == {"provision_state": "manageable", "maintenance": False}
    assert "hush" not in str(body)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"selector": {}}, "verb"),
        ({"verb": "fly", "selector": {}}, "fly"),
        ({"verb": "manage"}, "selector"),
        ({"verb": "manage", "nodes": [], "selector": None}, "at least one"),
        ({"verb": "manage", "nodes": ["a"], "selector": {}}, "selector"),
        ({"verb": "manage", "selector": {"colour": "red"}}, "colour"),
        ({"verb": "manage", "nodes": ["a"], "parallelism": 0}, "parallelism"),
        ({"verb": "manage", "nodes": ["a"], "parameters": {"timeout": 3}}, "timeout"),
        ({"verb": "power on", "nodes": ["a"], "parameters": {"clean_steps": []}}, "clean_steps"),
        ({"verb": "clean", "nodes": ["a"]}, "clean_steps"),
        ({"verb": "manage", "nodes": ["a"] * 10_001}, "10000"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anybody_is_asked(
    api: Api, others: Others, body: dict[str, Any], word: str
) -> None:
    answer = create(api, **body)
    assert answer.status_code == 400
    assert word in message(answer)
    assert others.asked == []


def test_a_projects_caller_is_judged_for_each_node_and_told_which_it_may_not(api: Api, others: Others) -> None:
    others.replies["qry.operation-targets"] = orjson.dumps({"nodes": [
        {"uuid": NODE, "name": None, "owner": OWNER, "lessee": None},
        {"uuid": UUID, "name": "leased", "owner": "somebody", "lessee": OWNER},
    ]})  # fmt: skip
    answer = create(api, "owner member", verb="provide", selector={})
    assert answer.status_code == 403
    assert "1 of 2 nodes, as leased" in message(answer)
    assert "baremetal:node:set_provision_state" in message(answer)
    assert [name for name, _, _ in others.asked] == ["qry.operation-targets"]


def test_nodes_that_were_judged_are_the_ones_that_are_meant(api: Api, others: Others) -> None:
    others.replies["qry.operation-targets"] = orjson.dumps(
        {"nodes": [{"uuid": NODE, "name": "n1", "owner": OWNER, "lessee": LESSEE}]}
    )
    assert create(api, "owner member", verb="power off", parameters={"timeout": 9}, selector={}).status_code == 202
    _, body = others.last
    assert (body["nodes"], body["selector"], body["parameters"]) == ([NODE], {}, {"timeout_s": 9})


def test_pages_outcomes_retry_and_abort_reach_inventory(api: Api, others: Others) -> None:
    token = {"X-Auth-Token": "system admin"}
    api("GET", f"/v1/operations/{UUID}/nodes?outcome=failed&limit=5", headers=token)
    assert others.last[0] == "qry.operation-nodes"
    assert (others.last[1]["outcome"], others.last[1]["limit"]) == ("failed", 5)
    assert api("GET", f"/v1/operations/{UUID}/nodes?outcome=lost", headers=token).status_code == 400
    assert api("POST", f"/v1/operations/{UUID}/abort", {"running": "abort"}, headers=token).status_code == 202
    assert others.last[0] == "cmd.abort-operation"
    assert others.last[1]["stops_running"] is True
    assert api("POST", f"/v1/operations/{UUID}/abort", {"running": "away"}, headers=token).status_code == 400
    assert api("POST", f"/v1/operations/{UUID}/retry", headers=token).status_code == 202
    assert others.last[0] == "cmd.retry-operation"
