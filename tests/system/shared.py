"""One suite for many tests: as it comes, with nothing set; each test finds it empty."""

from __future__ import annotations

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
