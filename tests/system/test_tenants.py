"""Whatever one project sends: no 5xx, nothing of another project in any answer, and nothing of it is changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from schemathesis.checks import not_a_server_error
from steelyard_local.testing import running_suite

from tests.contract.oidc_issuer import AUDIENCE, Issuer

from .documented import dice_of, each_operation, run
from .shared import wait_for_workers

CANARY = "canary-Of-Another-4417"
VERSION = {"X-OpenStack-Ironic-API-Version": "1.115"}
TIMEOUT_S = 60
READY_S = 60
# For each operation; STEELYARD_TENANT_EXAMPLES asks for a longer look.
EXAMPLES = int(os.environ.get("STEELYARD_TENANT_EXAMPLES", "1"))
ROLES = {"admin": ["admin", "manager", "member", "reader"], "member": ["member", "reader"], "reader": ["reader"]}
OPERATORS = "operators"
STEP = {"interface": "deploy", "step": "deploy", "args": {"mark": CANARY}}


@dataclass(frozen=True, kw_only=True)
class World:
    """Two projects. ``theirs``: UUIDs and names of what the one has; ``mine``: of what the other has, who asks."""

    url: str
    tokens: dict[str, str]
    theirs: dict[str, str]
    mine: dict[str, str]

    def ask(self, who: str, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {**VERSION, "Authorization": f"Bearer {self.tokens[who]}"}
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=TIMEOUT_S)

    def made(self, path: str, body: Any) -> str:
        answer = self.ask("operator", "POST", f"/v1/{path}", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["uuid"])

    def everything(self) -> list[Any]:
        """What their admin sees."""
        lists = ("nodes/detail", "ports/detail", "portgroups/detail", "volume/targets", "allocations", "runbooks")
        return [self.ask("theirs", "GET", f"/v1/{each}").json() for each in lists]

    def furnish(self) -> None:
        """The same for both; what is theirs is marked."""
        wait_for_workers(self.url, self.tokens["operator"])
        for project, found, mark, number in (("theirs", self.theirs, CANARY, 1), ("mine", self.mine, "plain", 2)):
            node = {"driver": "fake-hardware", "name": f"node-{project}", "owner": project, "resource_class": "metal"}
            secrets = {"driver_info": {"fake_address": mark, "fake_password": mark}, "extra": {"mark": mark}}
            found[f"node-{project}"] = uuid = self.made("nodes", node | secrets)
            place = {"node_uuid": uuid, "extra": {"mark": mark}}
            found["group"] = self.made("portgroups", place | {"name": f"group-{project}"})
            found["port"] = self.made("ports", place | {"address": f"02:00:00:00:00:0{number}"})
            target = {"volume_type": "iscsi", "boot_index": 0, "volume_id": mark, "properties": {"auth_password": mark}}
            found["target"] = self.made("volume/targets", place | target)
            wish = {"resource_class": "none", "owner": project, "extra": {"mark": mark}}
            found["allocation"] = self.made("allocations", wish)
            name, steps = f"CUSTOM_{project.upper()}", [{**STEP, "order": 1, "args": {"mark": mark}}]
            found[name] = self.made("runbooks", {"name": name, "owner": project, "steps": steps})


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Issuer() as issuer:
        names = {"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": AUDIENCE, "OIDC_SYSTEM_ROLE": OPERATORS}
        # Here everything is to arrive; what a rate holds back is another test's.
        environment = {f"STEELYARD_{name}": value for name, value in names.items()} | {"STEELYARD_PROJECT_RATE": "0"}
        with running_suite("--auth", "oidc", environment=environment) as suite:
            far = int(time.time()) + 36_000
            tokens = {role: issuer.signed(roles=roles, project="mine", exp=far) for role, roles in ROLES.items()}
            tokens["theirs"] = issuer.signed(roles=ROLES["admin"], project="theirs", exp=far)
            tokens["operator"] = issuer.signed(roles=["admin", OPERATORS], project=None, exp=far)
            world = World(url=suite.url, tokens=tokens, theirs={}, mine={})
            world.furnish()
            yield world


@pytest.fixture(scope="module")
def before(world: World) -> list[Any]:
    """All that is theirs, settled: an allocation that nothing suits ends in an error."""
    end = time.monotonic() + READY_S
    while "allocating" in world.ask("theirs", "GET", "/v1/allocations").text:
        assert time.monotonic() < end
        time.sleep(0.2)
    return world.everything()


@pytest.mark.slow
@each_operation
def test_no_answer_is_a_5xx_or_shows_what_is_anothers(operation: str, world: World, before: list[Any]) -> None:
    assert before
    run(operation, lambda case: _judge(case, world), EXAMPLES)


def _judge(case: Any, world: World) -> None:
    parts, dice = case.path_parameters or {}, dice_of(case)
    for name in parts:
        if dice.random() < 0.7:
            owner = dice.choice((world.theirs, world.mine))
            parts[name] = dice.choice([*owner, *owner.values()])
    role = dice.choice(list(ROLES))
    case.headers = {**(case.headers or {}), **VERSION, "Authorization": f"Bearer {world.tokens[role]}"}

    answer = case.call_and_validate(base_url=world.url, checks=[not_a_server_error], timeout=TIMEOUT_S)

    sent = repr((parts, case.query, case.body))
    assert CANARY not in answer.text
    assert not [uuid for uuid in world.theirs.values() if uuid in answer.text and uuid not in sent], answer.text


@pytest.mark.slow
def test_nothing_of_anothers_was_changed(world: World, before: list[Any]) -> None:
    assert world.everything() == before
    assert all(CANARY in str(each) for each in before[:1])
