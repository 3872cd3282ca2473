"""A user's own step provider: the program of the how-to, as it stands there, beside a running suite."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from steelyard_common.testing import eventually
from steelyard_local.testing import RunningSuite, running_suite

from .operator import Operator

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "write-a-step-provider.md"
LINES = 60
STRESS = {"interface": "burn-in", "step": "stress", "args": {"seconds": 2}}


@pytest.fixture(scope="module")
def program() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, f"{PAGE} has no program"
    return found[1]


@pytest.fixture
def suite(program: str, tmp_path: Path) -> Iterator[RunningSuite]:
    """With the provider beside it, started as the page says."""
    file = tmp_path / "burn_in.py"
    file.write_text(program)
    with running_suite("--step-provider", "acme:burn-in") as suite, (tmp_path / "log").open("wb") as log:
        command = [sys.executable, str(file), str(suite.data / "bus" / "acme.json")]
        with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process:
            yield suite
            process.terminate()
            process.wait(60)
        assert b"Traceback" not in (tmp_path / "log").read_bytes()


def test_the_program_is_short_and_has_nothing_of_ours(program: str) -> None:
    assert len(program.splitlines()) <= LINES
    assert "steelyard" not in program


def _is(state: str) -> Any:
    return lambda node: node["provision_state"] == state


def steps_of(operator: Operator, name: str) -> set[tuple[str, str]]:
    """That its timeline tells of: name and outcome."""
    rows = operator.ask("GET", f"/v1/nodes/{name}/timeline?kind=step")["timeline"]
    return {(row["name"], row["outcome"]) for row in rows}


@pytest.mark.slow
def test_a_node_is_cleaned_with_a_step_of_ones_own(suite: RunningSuite) -> None:
    operator = Operator(suite.url)
    (name,) = operator.enrol([{"name": "oven", "driver": "fake-hardware"}])
    asked = {"target": "clean", "clean_steps": [STRESS]}
    # Its announcement may be a moment away: until then nobody knows the step.
    operator.until_taken("PUT", f"/v1/nodes/{name}/states/provision", asked)

    node = operator.wait(name, _is("manageable"))

    eventually(lambda: ("burn-in.stress", "done") in steps_of(operator, name), timeout_s=60, every_s=0.2)
    assert node["last_error"] is None
    refused, answer = operator.call(
        "PUT", f"/v1/nodes/{name}/states/provision",
        {"target": "clean", "clean_steps": [STRESS | {"args": {"seconds": "many"}}]},
    )  # fmt: skip
    assert refused == 400, answer
