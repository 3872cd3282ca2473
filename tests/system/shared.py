"""One suite for many tests: as it comes, with nothing set; each test finds it empty. And when any suite is ready."""

from __future__ import annotations

import requests
from steelyard_common.testing import eventually
from steelyard_local.supervisor import unheard_of

from .operator import Operator

# What the tests that share a suite make: those that something else points at come later.
RECORDS = ("allocations", "nodes", "chassis", "deploy_templates", "runbooks", "inspection_rules")


def clear_away(operator: Operator) -> None:
    """Delete all records, in whatever state a test has left them."""
    for kind in RECORDS:
        path = f"/v1/{kind}" + ("?include_children=true" if kind == "nodes" else "")
        for each in operator.ask("GET", path)[kind]:
            place = f"/v1/{kind}/{each['uuid']}"
            if kind == "nodes":
                operator.ask("PUT", f"{place}/maintenance", {"reason": "a test is over"})
            operator.ask("DELETE", place)


def wait_for_workers(url: str, token: str) -> None:
    """Where users sign in by tokens: until every kind of worker has announced what it can. Others' suites wait so."""
    headers = {"Authorization": f"Bearer {token}", "X-OpenStack-Ironic-API-Version": "1.115"}

    def are_known() -> bool:
        answer = requests.get(f"{url}/v1/conductors", headers=headers, timeout=30).json()
        return not unheard_of(answer.get("conductors", []))

    eventually(are_known, timeout_s=60, every_s=0.2)
