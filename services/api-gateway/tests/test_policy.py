"""The rules of the policy, judged as oslo.policy judges them; the file that changes them; its page."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_policy import policy as oslo
from steelyard_api_gateway.domain.policy import RULES, UNUSED
from steelyard_api_gateway.handlers.policy_page import policy_page
from steelyard_api_gateway.main import main
from steelyard_api_gateway.service.call import OPERATOR, Caller
from steelyard_api_gateway.service.policy import Policy, credentials
from steelyard_api_gateway.service.policy_language import compile_rules
from steelyard_api_gateway.testing_policy import CALLERS, LESSEE, OTHER, OWNER, of_project
from steelyard_common.errors import InvalidRequest

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


def test_the_reference_page_of_the_policy_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs/reference/policy.md"

    assert page.read_text() == policy_page(), "make docs"
