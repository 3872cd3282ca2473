"""Our rules against those of a real Ironic 39: for every rule and every role the same decision, for every call the
same rule. What only one side has stands in differences.toml, with the reason.

Ironic judges in its own environment (``ironic_rules.py``, run there); we judge here. Scopes are enforced in both.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from steelyard_api_gateway.domain.policy import IMPLIED, RULES, STEP, UNUSED
from steelyard_api_gateway.main import TABLES
from steelyard_api_gateway.service.call import Caller
from steelyard_api_gateway.service.policy import Policy

from .differences import ALLOWED
from .real_ironic import environment

ME, OTHER = "p-me", "p-other"
ROLES = ("admin", "manager", "member", "reader", "service", "visitor")
# How Ironic writes a path that has another form here.
WRITTEN = {
    "nodes/{}/management/indicators/{}/{}": "nodes/{}/management/indicators/{}",
    "runbooks/{}/owner": "runbooks/{}",
    "runbooks/{}/public": "runbooks/{}",
}
# Ironic refuses it for everybody who passes its rule.
NOT_SERVED = {("DELETE", "inspection_rules")}


def contexts() -> list[dict[str, Any]]:
    """A caller and a target each, as plain data."""
    callers = [{"role": role, "scope": scope} for role in ROLES for scope in ("system", "project")]
    owners = ((ME, OTHER), (OTHER, ME), (OTHER, OTHER), (ME, ME), (ME, None))
    targets = [
        {"node.owner": owner, "node.lessee": lessee, "allocation.owner": other, "runbook.owner": other}
        for (owner, lessee), other in itertools.product(owners, (ME, OTHER))
    ]
    return [
        {**caller, "roles": [caller["role"], *IMPLIED.get(caller["role"], ())], "project": ME, "target": target}
        for caller, target in itertools.product(callers, targets)
    ]


@pytest.fixture(scope="module")
def theirs() -> dict[str, dict[str, Any]]:
    script = Path(__file__).with_name("ironic_rules.py")
    asked = json.dumps(contexts())
    done = subprocess.run(
        [str(environment() / "bin" / "python"), "-W", "ignore", str(script)],
        input=asked, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return answers


def test_both_have_the_same_rules_but_those_that_have_a_reason(theirs: dict[str, dict[str, Any]]) -> None:
    ours = {name for name in RULES if not name.startswith(STEP)}
    patterns = {pattern for row in ALLOWED for pattern in row.rules}

    alone = ours ^ theirs.keys()

    assert {name for name in alone if not any(re.fullmatch(pattern, name) for pattern in patterns)} == set()
    assert {pattern for pattern in patterns if not any(re.fullmatch(pattern, name) for name in alone)} == set()
    assert theirs.keys() - ours == UNUSED.keys()


def _plain(path: str) -> str:
    plain = re.sub(r"{[^}]*}|<[^>]*>", "{}", path).partition("?")[0].lstrip("/")
    return WRITTEN.get(plain, plain)


def test_each_call_is_guarded_by_the_rule_that_ironic_names_for_it(theirs: dict[str, dict[str, Any]]) -> None:
    guards: dict[tuple[str, str], set[str]] = {}
    for name, rule in theirs.items():
        for method, path in rule["calls"]:
            guards.setdefault((method, _plain(path)), set()).add(name)
    ours = {(route.method, _plain(route.path)): route.policy for routes, _ in TABLES.values() for route in routes}

    assert guards.keys() - ours.keys() == NOT_SERVED
    for call in guards.keys() - NOT_SERVED:
        names = guards[call]
        # Ironic's reference names the rule of one port for lists below something; its code asks that of lists, as ours.
        lists = {re.sub(":get$", ":list", name) for name in names}
        assert ours[call] in names | lists, call


def test_each_rule_decides_as_ironics_does(theirs: dict[str, dict[str, Any]]) -> None:
    policy, differ = Policy(), []

    for name in sorted(theirs.keys() & RULES.keys()):
        for asked, expected in zip(contexts(), theirs[name]["decisions"], strict=True):
            is_system = asked["scope"] == "system"
            caller = Caller(user="u", roles=(asked["role"],), project=None if is_system else ME, system=is_system)
            target = {key: value for key, value in asked["target"].items() if value}
            if policy.allows(caller, name, target) != expected:
                differ.append((name, asked["role"], asked["scope"], asked["target"], f"Ironic says {expected}"))

    assert not differ, differ[:20]
