"""The gate: what each caller may change, see, name; what is hidden and what is blanked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.domain.policy.guards import node_rules
from steelyard_api_gateway.drivers.over_bus import OverBus
from steelyard_api_gateway.service.access import Gate
from steelyard_api_gateway.service.policy import Policy
from steelyard_api_gateway.testing import Api, Others, fault, make_api
from steelyard_api_gateway.testing_policy import CALLERS, LESSEE, OTHER, OWNER, NamedCallers
from steelyard_common.bus import MemoryBus
from steelyard_common.errors import InvalidRequest, NotFound

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
N1 = "/v1/nodes/n1"


@pytest.fixture
def guarded(bus: MemoryBus, others: Others) -> Api:
    whose = {"node.owner": OWNER, "node.lessee": LESSEE, "runbook.owner": OWNER}
    others.replies["qry.access"] = orjson.dumps({"uuid": UUID, "public": False, "target": whose})
    return make_api(bus, sign_in=NamedCallers(CALLERS))


def asks(api: Api, role: str, method: str, path: str, json: Any = None, **more: Any) -> Any:
    return api(method, path, json, headers={"X-Auth-Token": role}, **more)


FIELDS: list[tuple[str, Any, str]] = [
    ("name", "x", "owner member"),
    ("extra", {}, "lessee member"),
    ("description", "x", "lessee member"),
    ("instance_info", {}, "lessee admin"),
    ("instance_name", "x", "lessee admin"),
    ("maintenance", True, "lessee admin"),
    ("driver_info", {}, "owner member"),
    ("properties", {}, "owner member"),
    ("retired", True, "owner member"),
    ("retired_reason", "x", "owner member"),
    ("lessee", "x", "owner member"),
    ("network_data", {}, "owner member"),
    ("driver", "ipmi", "owner manager"),
    ("power_interface", "ipmitool", "owner manager"),
    ("owner", "x", "system member"),
    ("conductor_group", "x", "system member"),
    ("parent_node", UUID, "system member"),
    ("chassis_uuid", UUID, "system admin"),
    ("shard", "x", "system admin"),
    ("disable_power_off", True, "system admin"),
    ("automated_clean", False, "system admin"),
    ("automated_clean", True, "lessee member"),
]
# From the least to the most that may change a field; who comes before the one named above may not.
LADDER = [
    "owner reader", "lessee member", "lessee admin", "owner member", "owner manager", "system member", "system admin",
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "least"), FIELDS)
def test_each_field_of_a_node_is_changed_by_whom_its_rule_names(
    guarded: Api, others: Others, field: str, value: Any, least: str
) -> None:
    for role in LADDER:
        others.asked.clear()

        answer = asks(guarded, role, "PATCH", N1, [{"op": "replace", "path": f"/{field}", "value": value}])

        may = LADDER.index(role) >= LADDER.index(least)
        assert answer.status_code == (200 if may else 403), (role, answer.data)
        assert [name for name, _, _ in others.asked].count("qry.access") <= 1


def test_a_patch_needs_the_rules_of_all_its_fields() -> None:
    assert node_rules([("extra", 1), ("name", "x")]) == ["baremetal:node:update_extra", "baremetal:node:update:name"]
    assert node_rules([]) == ["baremetal:node:update"]


def test_a_route_without_a_rule_of_the_table_stops_the_start(others: Others) -> None:
    gate = Gate(Policy(), OverBus(others.bus, "local", "inventory", query_timeout_s=1, command_timeout_s=1))

    with pytest.raises(InvalidRequest, match="baremetal:node:fly"):
        gate.check_rule("baremetal:node:fly")


def test_what_was_judged_is_what_is_acted_on(guarded: Api, others: Others) -> None:
    asks(guarded, "owner member", "PUT", f"{N1}/states/power", {"target": "power on"})

    (asked, question, _), (done, command, _) = others.asked
    assert (asked, question) == ("qry.access", {"kind": "node", "ident": "n1"})
    assert (done, command["ident"]) == ("cmd.set-power", UUID)


def test_calls_that_the_power_service_answers_are_judged_first(guarded: Api, others: Others) -> None:
    answer = asks(guarded, "other admin", "GET", f"{N1}/management/boot_device")

    assert answer.status_code == 404
    assert [name for name, _, _ in others.asked] == ["qry.access"]


def test_hidden_and_missing_cannot_be_told_apart(guarded: Api, others: Others) -> None:
    hidden = [asks(guarded, "other admin", "GET", path, version="1.80") for path in (N1, f"{N1}.json")]
    others.errors["qry.access"] = NotFound("Node n1 could not be found.")
    missing = [asks(guarded, "other admin", "GET", path, version="1.80") for path in (N1, f"{N1}.json")]

    assert [each.status_code for each in hidden] == [404, 404]
    assert hidden[0].data == missing[0].data


def test_a_name_that_ends_in_json_is_judged_too(guarded: Api, others: Others) -> None:
    others.nodes = frozenset({"n1.json", UUID})

    answer = asks(guarded, "owner reader", "GET", f"{N1}.json", version="1.80")

    assert answer.status_code == 200
    assert [body["ident"] for _, body, _ in others.asked] == ["n1", "n1.json", UUID]


def test_a_project_enrols_nodes_of_its_own_only(guarded: Api, others: Others) -> None:
    own = asks(guarded, "owner admin", "POST", "/v1/nodes", {"driver": "ipmi"})
    sent = others.last[1]["node"]
    foreign = asks(guarded, "owner admin", "POST", "/v1/nodes", {"driver": "ipmi", "owner": OTHER})

    assert (own.status_code, sent["owner"]) == (201, OWNER)
    assert foreign.status_code == 400
    assert asks(guarded, "system admin", "POST", "/v1/nodes", {"driver": "ipmi", "owner": OTHER}).status_code == 201


def test_a_project_allocates_for_itself_only(guarded: Api, others: Others) -> None:
    own = asks(guarded, "lessee member", "POST", "/v1/allocations", {"resource_class": "x"})
    sent = others.last[1]["record"]
    foreign = asks(guarded, "lessee member", "POST", "/v1/allocations", {"resource_class": "x", "owner": OTHER})

    assert (own.status_code, sent["owner"]) == (201, LESSEE)
    assert foreign.status_code == 403


def test_a_projects_runbook_is_its_own_and_not_public(guarded: Api, others: Others) -> None:
    recipe = {"name": "CUSTOM_R", "steps": [{"interface": "bios", "step": "reset", "order": 1}]}

    own = asks(guarded, "owner manager", "POST", "/v1/runbooks", recipe)
    sent = others.last[1]["record"]

    assert (own.status_code, sent["owner"]) == (201, OWNER)
    for more in ({"owner": OTHER}, {"public": True}):
        assert asks(guarded, "owner manager", "POST", "/v1/runbooks", recipe | more).status_code == 400
    for path in ("/owner", "/public"):
        patch = [{"op": "replace", "path": path, "value": "true"}]
        assert asks(guarded, "owner manager", "PATCH", "/v1/runbooks/CUSTOM_R", patch).status_code == 403


CLEAN = {"target": "clean", "clean_steps": [{"interface": "vendor", "step": "send_raw", "args": {}}]}


def test_a_denied_step_is_denied_to_everybody(guarded: Api, api: Api) -> None:
    recipe = {"name": "CUSTOM_R", "steps": [{"interface": "vendor", "step": "send_raw", "order": 1}]}

    for role in ("system admin", "owner admin"):
        answer = asks(guarded, role, "PUT", f"{N1}/states/provision", CLEAN)
        assert answer.status_code == 403
        assert "baremetal:step:execute:vendor.send_raw" in fault(answer)["faultstring"]
        assert asks(guarded, role, "POST", "/v1/runbooks", recipe).status_code == 403
    assert api("PUT", f"{N1}/states/provision", CLEAN).status_code == 403


def test_a_step_may_be_left_to_some_by_the_file(bus: MemoryBus, others: Others, tmp_path: Path) -> None:
    text = '"baremetal:step:execute:bios.reset": "role:admin"\n'
    others.replies["qry.access"] = orjson.dumps({"uuid": UUID, "public": False, "target": {"node.owner": OWNER}})
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    api = make_api(bus, sign_in=NamedCallers(CALLERS), policy_file=str(file))
    clean = {"target": "clean", "clean_steps": [{"interface": "bios", "step": "reset"}]}

    assert asks(api, "owner admin", "PUT", f"{N1}/states/provision", clean).status_code == 202
    assert asks(api, "owner member", "PUT", f"{N1}/states/provision", clean).status_code == 403


def test_a_hidden_runbook_is_not_there_and_a_public_one_runs(guarded: Api, others: Others) -> None:
    clean = {"target": "clean", "runbook": "CUSTOM_R"}
    others.replies["qry.access"] = orjson.dumps(
        {"uuid": UUID, "public": False, "target": {"node.owner": OTHER, "runbook.owner": OWNER}}
    )
    hidden = asks(guarded, "other admin", "PUT", f"{N1}/states/provision", clean)
    others.replies["qry.access"] = orjson.dumps({"uuid": UUID, "public": True, "target": {"node.owner": OTHER}})
    public = asks(guarded, "other admin", "PUT", f"{N1}/states/provision", clean)

    assert (hidden.status_code, public.status_code) == (400, 202)


def test_an_order_by_what_is_redacted_is_refused(guarded: Api) -> None:
    assert asks(guarded, "lessee reader", "GET", "/v1/nodes?sort_key=last_error").status_code == 403
    assert asks(guarded, "system reader", "GET", "/v1/nodes?sort_key=last_error").status_code == 200


def test_inventory_is_told_what_to_blank(guarded: Api, others: Others) -> None:
    asks(guarded, "lessee reader", "GET", "/v1/nodes")

    told = orjson.loads(others.last_headers["Steelyard-Caller"])
    fields = told["redacted"]["fields"]
    assert told["redacted"]["project"] == LESSEE
    assert fields["driver_info"] == fields["last_error"] == ["owner"]
    assert fields["target_properties"] == []
