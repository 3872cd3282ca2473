"""The policy: its language, its table, the operator's file, and what the gate asks and lets through."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_policy import policy as oslo
from steelyard_api_gateway.domain.policy import RULES, UNUSED
from steelyard_api_gateway.domain.policy.guards import node_rules
from steelyard_api_gateway.drivers.over_bus import OverBus
from steelyard_api_gateway.handlers.policy_page import policy_page
from steelyard_api_gateway.main import main
from steelyard_api_gateway.service.access import Gate
from steelyard_api_gateway.service.call import OPERATOR, Caller
from steelyard_api_gateway.service.policy import Policy, credentials
from steelyard_api_gateway.service.policy_language import compile_rules
from steelyard_api_gateway.testing import Api, Others, fault, make_api
from steelyard_api_gateway.testing_policy import CALLERS, LESSEE, OTHER, OWNER, NamedCallers, of_project
from steelyard_common.bus import MemoryBus
from steelyard_common.errors import InvalidRequest, NotFound

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
N1 = "/v1/nodes/n1"
PROJECTS = (OWNER, LESSEE, OTHER, None)
TARGETS = [
    {
        name: value
        for name, value in zip(("node.owner", "node.lessee", "allocation.owner", "runbook.owner"), each, strict=True)
        if value
    }
    for each in itertools.product((OWNER, OTHER, None), (LESSEE, OWNER, None), (OWNER, None), (OWNER, None))
]


class Rules:
    """What oslo.policy's checks expect of an enforcer."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.rules = oslo.Rules.from_dict(texts)

    def allows(self, name: str, creds: dict[str, Any], target: dict[str, Any]) -> bool:
        listed = {**creds, "roles": sorted(creds["roles"])}
        return bool(self.rules[name](target, listed, self, name))  # type: ignore[arg-type] # it asks for rules alone


def test_every_rule_is_judged_as_oslo_policy_judges_it() -> None:
    texts = {name: rule.check.replace("%(config.service_project)s", "") for name, rule in RULES.items()}
    theirs, ours = Rules(texts), compile_rules(texts)

    for caller, target in itertools.product(CALLERS.values(), TARGETS):
        creds = credentials(caller)
        for name, check in ours.items():
            assert check(creds, target) == theirs.allows(name, creds, target), (name, caller, target)


LEAVES = st.sampled_from([
    "role:admin", "role:Reader", "role:%(wanted.role)s", "project_id:%(node.owner)s", "system_scope:all", "user_id:u",
    "'p-owner':%(node.owner)s", "None:%(node.lessee)s", "token.roles.name:x", "nothing:%(node.owner)s", "@", "!",
])  # fmt: skip
CHECKS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda each: f"({' '.join(each)})"),
        inner.map(lambda each: f"not {each}" if not each.startswith("not") else each),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(check=CHECKS, caller=st.sampled_from(list(CALLERS.values())), target=st.sampled_from(TARGETS))
def test_any_check_is_judged_as_oslo_policy_judges_it_and_never_otherwise_without_a_target(
    check: str, caller: Caller, target: dict[str, Any]
) -> None:
    creds = credentials(caller)
    ours = compile_rules({"a": check})["a"]

    whole, without = ours(creds, target), ours(creds, None)

    assert whole == Rules({"a": check}).allows("a", creds, target)
    assert without in (None, whole)


def test_what_is_remembered_for_a_caller_is_what_each_target_would_give() -> None:
    policy = Policy()

    for caller, name in itertools.product([*CALLERS.values(), OPERATOR], RULES):
        known = policy.decide(caller, name)
        if caller.system:
            assert known is not None, f"{name} would cost the system's scope a question"
        if known is not None:
            fresh = Policy.__new__(Policy)
            fresh.__dict__.update(policy.__dict__, _decisions={(caller, name): None})
            assert {fresh.allows(caller, name, target) for target in TARGETS} == {known}, name


def test_nothing_is_equal_to_nothing() -> None:
    policy = Policy()

    assert not policy.allows(of_project(None, "admin"), "is_node_owner", {})
    assert not policy.allows(of_project(None, "admin"), "baremetal:node:get", {})


def test_the_services_of_one_project_see_the_system_when_a_setting_names_it() -> None:
    nova = of_project("p-services", "service")

    assert Policy(service_project="p-services").decide(nova, "baremetal:node:list_all") is True
    assert Policy().decide(nova, "baremetal:node:list_all") is False


# The operator's file


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_rule_of_the_file_replaces_ours_and_may_use_rules_of_its_own(tmp_path: Path) -> None:
    text = 'auditor: "role:auditor"\n"baremetal:node:get": "rule:node_reader or rule:auditor"\n'
    policy = Policy(written(tmp_path / "policy.yaml", text))

    assert policy.decide(of_project(OTHER, "auditor"), "baremetal:node:get") is True
    assert policy.decide(of_project(OTHER, "reader"), "baremetal:node:get") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"baremetal:node:gett": "role:admin"', "there is no rule baremetal:node:gett"),
        ('"baremetal:node:get": "role:admin and"', "baremetal:node:get: 'role:admin and' cannot be read"),
        ('"baremetal:node:get": "(role:admin"', "cannot be read"),
        ('"baremetal:node:get": "admin"', "cannot be read"),
        ('"baremetal:node:get": "rule:nobody"', "there is no rule 'nobody'"),
        ('a: "rule:b"\nb: "rule:a"', "goes round in a circle: a → b → a"),
        ('"baremetal:node:get": "http://server/check"', "http: checks are not supported"),
        ('"baremetal:node:get": "role:%(a"', "is no value"),
        ('"baremetal:node:get": [role:admin]', "both texts"),
        ("- role:admin", "must hold lines"),
        ("a: b: c", "is no YAML at line 1"),
    ],
)
def test_a_wrong_file_is_refused_at_start_with_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    monkeypatch.setenv("STEELYARD_POLICY_FILE", str(written(tmp_path / "policy.yaml", text)))

    status = main([])

    assert status == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read: FileNotFoundError"):
        Policy(tmp_path / "none.yaml")


def test_names_of_ironic_that_mean_nothing_here_do_no_harm(tmp_path: Path) -> None:
    text = "".join(f'"{name}": "role:admin"\n' for name in UNUSED)

    assert not Policy(written(tmp_path / "policy.yaml", text)).has_rule("show_password")


def test_a_changed_file_counts_from_the_next_request_on_and_a_broken_one_does_not(tmp_path: Path) -> None:
    path = written(tmp_path / "policy.yaml", "")
    policy = Policy(path)
    reader = Caller(user="u", roles=("reader",))
    before = policy.decide(reader, "baremetal:driver:get")

    written(path, '"baremetal:driver:get": "rule:system_admin"')
    os.utime(path, ns=(1, 1))
    changed = policy.decide(reader, "baremetal:driver:get")
    written(path, '"baremetal:driver:get": "role:')
    os.utime(path, ns=(2, 2))

    assert (before, changed) == (True, False)
    assert policy.decide(reader, "baremetal:driver:get") is False


# The gate


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
    api = make_api(bus, sign_in=NamedCallers(CALLERS), policy_file=str(written(tmp_path / "policy.yaml", text)))
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


def test_the_reference_page_of_the_policy_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs/reference/policy.md"

    assert page.read_text() == policy_page(), "make docs"
