"""An upgrade check of a running suite, and services that leave and come back one at a time while machines live on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from steelyard_common.testing import eventually
from steelyard_local.testing import RunningSuite, running_suite

from .operator import Operator

STEELYARD = str(Path(sys.executable).parent / "steelyard")
WELL_WITHIN_S = 120.0


@pytest.fixture(scope="module")
def suite() -> Iterator[RunningSuite]:
    with running_suite("--replicas", "2") as suite:
        yield suite


def check(suite: RunningSuite, *words: str) -> tuple[int, dict[str, Any]]:
    command = [STEELYARD, "upgrade-check", "--data", str(suite.data), "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def reasons(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["reason"], each["about"]) for each in told["findings"]]


def see(suite: RunningSuite, *wanted: str, options: Sequence[str] = ()) -> dict[str, Any]:
    """What is told once these are the reasons; on a busy machine there may be others for a moment."""
    end = time.monotonic() + WELL_WITHIN_S
    while True:
        status, told = check(suite, *options)
        if status == bool(wanted) and {reason for reason, _ in reasons(told)} == set(wanted):
            return told
        assert time.monotonic() < end, told
        time.sleep(1)


@pytest.mark.slow
def test_a_healthy_suite_may_be_upgraded_and_one_that_holds_work_may_not(suite: RunningSuite) -> None:
    operator = Operator(suite.url)
    see(suite)

    body = {"name": "held", "driver": "fake-hardware", "driver_info": {"fake_password": "s3cret"}}
    uuid = operator.ask("POST", "/v1/nodes", body)["uuid"]
    operator.ask("PUT", f"/v1/nodes/{uuid}/states/provision", {"target": "manage"})
    operator.wait("held", lambda node: node["provision_state"] == "manageable")
    steps = [{"interface": "deploy", "step": "hold", "order": 1}]
    # One inventory may only just hear of the workers that the other knows: until then nobody knows the step there.
    operator.until_taken("PUT", f"/v1/nodes/{uuid}/states/provision", {"target": "clean", "clean_steps": steps})
    operator.wait("held", lambda node: node["provision_state"] == "clean hold")
    see(suite, "workflow-parked")
    eventually(lambda: check(suite, "--allow", "workflow-parked")[0] == 0, timeout_s=WELL_WITHIN_S)

    (suite.data / "seal.keys").rename(suite.data / "seal.away")
    see(suite, "workflow-parked", "secret-unreadable")
    (suite.data / "seal.away").rename(suite.data / "seal.keys")
    operator.ask("PUT", f"/v1/nodes/{uuid}/states/provision", {"target": "abort"})
    operator.wait("held", lambda node: node["provision_state"] == "clean failed")
    see(suite)


@pytest.mark.slow
def test_releases_that_are_too_far_away_or_know_too_little_are_refused(suite: RunningSuite, tmp_path: Path) -> None:
    release = subprocess.run(
        [STEELYARD, "upgrade-check", "--print-release"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    body = json.loads(release)
    file = tmp_path / "release.json"
    file.write_text(json.dumps(body | {"version": "0.2.0"}))
    see(suite, options=("--to", str(file)))
    file.write_text(json.dumps(body | {"version": "0.3.0"}))
    told = see(suite, "version-apart", options=("--to", str(file)))
    assert {"inventory", "inventory-2", "api-gateway"} <= {about for _, about in reasons(told)}
