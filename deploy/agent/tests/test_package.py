"""What the agent is told of the package: the one file that imports it cannot be loaded here, but read."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
import steelyard_agent

PACKAGE = Path(steelyard_agent.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
GROUPS = ("ironic_python_agent.hardware_managers", "ironic_python_agent.extensions")


@pytest.mark.parametrize("group", GROUPS)
def test_what_the_entry_points_name_is_there(group: str) -> None:
    module, _, name = PROJECT["entry-points"][group]["steelyard"].partition(":")

    tree = ast.parse((PACKAGE / f"{module.rpartition('.')[2]}.py").read_text())

    assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def test_nothing_is_pulled_into_a_ramdisk() -> None:
    assert PROJECT["dependencies"] == []
