"""Our rules against those of a real Ironic 39: for every rule and every role, the same decision.

What Ironic has and we have not stands in UNUSED, with the reason.

Ironic judges in its own environment (``ironic_rules.py``, run there); we judge here. Scopes are enforced in both.
"""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from steelyard_api_gateway.domain.policy import IMPLIED, RULES, STEP, UNUSED
from steelyard_api_gateway.service.call import Caller
from steelyard_api_gateway.service.policy import Policy

from .real_ironic import environment

ME, OTHER = "p-me", "p-other"
ROLES = ("admin", "manager", "member", "reader", "service", "visitor")
# Ours alone: the shared checks, under names that Ironic does not have.
OURS = frozenset({
    "system_admin", "system_service", "system_member", "system_reader", "lists", "node_reader", "owner_reader",
    "node_member", "owner_member", "owner_member_or_lessee_manager", "owner_manager", "owner_manager_or_system_admin",
    "manager_of_node", "runbook_manager",
})  # fmt: skip


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
def theirs() -> dict[str, list[bool]]:
    script = Path(__file__).with_name("ironic_rules.py")
    asked = json.dumps(contexts())
    done = subprocess.run(
        [str(environment() / "bin" / "python"), "-W", "ignore", str(script)],
        input=asked, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    answers: dict[str, list[bool]] = json.loads(done.stdout)
    return answers


def test_both_have_the_same_rules(theirs: dict[str, list[bool]]) -> None:
    ours = {name for name in RULES if not name.startswith(STEP)} - OURS

    assert theirs.keys() - ours == UNUSED.keys()
    assert ours <= theirs.keys()


def test_each_rule_decides_as_ironics_does(theirs: dict[str, list[bool]]) -> None:
    policy, differ = Policy(), []

    for name in sorted(theirs.keys() & RULES.keys()):
        for asked, expected in zip(contexts(), theirs[name], strict=True):
            is_system = asked["scope"] == "system"
            caller = Caller(user="u", roles=(asked["role"],), project=None if is_system else ME, system=is_system)
            target = {key: value for key, value in asked["target"].items() if value}
            if policy.allows(caller, name, target) != expected:
                differ.append((name, asked["role"], asked["scope"], asked["target"], f"Ironic says {expected}"))

    assert not differ, differ[:20]
