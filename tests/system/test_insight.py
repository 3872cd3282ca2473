"""A node tells its own story on the whole suite; a plan asks no BMC."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.testing import eventually
from steelyard_rack.testing import RunningRack

from .operator import Operator

ENROLLED = {("record", "node-created", None), ("workflow", "verify", "done"), ("step", "power.verify", "done")}


@pytest.fixture
def settings() -> dict[str, str]:
    """Nothing looks at the BMCs by itself: whatever one hears is asked for here."""
    return {"STEELYARD_POWER_SYNC_INTERVAL_S": "0", "STEELYARD_POWER_SENSOR_INTERVAL_S": "0"}


def timeline(operator: Operator, name: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator.ask("GET", f"/v1/nodes/{name}/timeline{query}")["timeline"]
    return found


def tells(operator: Operator, name: str) -> set[tuple[str, str, str | None]]:
    """Its timeline as (kind, name, outcome)."""
    return {(row["kind"], row["name"], row["outcome"]) for row in timeline(operator, name)}


@pytest.mark.slow
def test_the_timeline_alone_says_what_happened_and_a_plan_asks_no_bmc(operator: Operator, rack: RunningRack) -> None:
    name, *_ = operator.enrol(node for node in rack.nodes() if node["driver"] == "redfish")
    assert operator.call("PUT", f"/v1/nodes/{name}/states/provision", {"target": "unhold"})[0] == 400

    eventually(lambda: timeline(operator, name, "?kind=call"), timeout_s=60, every_s=0.2)
    eventually(lambda: tells(operator, name) >= ENROLLED, timeout_s=60, every_s=0.2)
    told = timeline(operator, name)
    assert all(row["duration_s"] >= 0 for row in told if row["kind"] == "workflow" and row["outcome"] == "done")
    assert [row["at"] for row in told] == sorted((row["at"] for row in told), reverse=True)
    assert operator.ask("GET", f"/v1/nodes/{name}/explain")["situation"] == "idle"
    assert operator.ask("GET", f"/v1/nodes/{name}/history")["history"]

    rack.clear_record()
    plan = operator.ask("POST", f"/v1/nodes/{name}/plans", {"target": "provide"})

    assert plan["node_uuid"]
    assert operator.ask("GET", f"/v1/nodes/{name}/plans/{plan['uuid']}")["uuid"] == plan["uuid"]
    assert rack.record() == []
