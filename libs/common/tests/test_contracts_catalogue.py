"""Rows of the catalogue: there and back, and what is refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from steelyard_common.contracts.catalogue import StepSpec, args_schema, is_external, is_interface
from steelyard_common.errors import InvalidRequest

ROW = StepSpec(
    interface="bios",
    name="apply_configuration",
    description="Set BIOS settings.",
    implementations=("fake",),
    args=args_schema({"settings": {"type": "array", "description": "name and value of each"}}, "settings"),
    kinds={"clean": 0, "deploy": 0},
    effects=("changes BIOS settings",),
)


def test_a_row_survives_the_bus() -> None:
    assert StepSpec.from_dict(orjson.loads(orjson.dumps(ROW.to_dict()))) == ROW


def test_what_a_newer_side_says_is_ignored_and_an_older_one_may_leave_out() -> None:
    row = StepSpec.from_dict({"interface": "vendor", "name": "log", "description": "", "colour": "blue"})

    assert (row.kinds, row.timeout_s, row.retries, row.implementations) == ({}, 120, 2, ())
    assert row.serves("anything")


def test_arguments_are_told_as_ironic_tells_them() -> None:
    assert ROW.argsinfo() == {"settings": {"description": "name and value of each", "required": True}}


def test_a_row_serves_its_implementations_only() -> None:
    assert ROW.serves("fake")
    assert not ROW.serves("redfish")
    assert not ROW.serves(None)


@pytest.mark.parametrize(
    "change",
    [
        {"interface": "Not.One"}, {"interface": "x"}, {"name": "spaced out"}, {"kinds": {"clean": "many"}},
        {"timeout_s": "soon"}, {"args": "none"}, {"interface": None}, {"kinds": 7},
    ],
)  # fmt: skip
def test_rows_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        StepSpec.from_dict(ROW.to_dict() | change)


def test_an_external_interface_is_any_good_name_that_is_not_ironics() -> None:
    assert is_interface("burn-in")
    assert is_external("burn-in")
    assert not is_external("bios")
    assert not is_interface("a.b")
    assert not is_interface(7)
