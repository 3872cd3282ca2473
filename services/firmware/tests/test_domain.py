"""The steps' arguments and kinds as Ironic has them, and what becomes of a target_raid_config."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from steelyard_common.errors import InvalidRequest
from steelyard_firmware.domain import STEPS, raid_config, wanted_disks

ROOT = {"raid_level": "1", "size_gb": 100, "is_root_volume": True}
DATA = {"raid_level": "5", "size_gb": "MAX"}
BY_LABEL = {f"{spec.interface}.{spec.name}": spec for spec in STEPS}


@pytest.mark.parametrize(
    ("args", "left"),
    [
        ({}, [ROOT, DATA]),
        ({"create_root_volume": False}, [DATA]),
        ({"create_nonroot_volumes": False}, [ROOT]),
    ],
)
def test_arguments_leave_out_the_root_volume_or_the_others(args: dict[str, Any], left: list[dict[str, Any]]) -> None:
    assert wanted_disks({"logical_disks": [ROOT, DATA]}, args) == left


@pytest.mark.parametrize("target", [None, {}, {"logical_disks": []}])
def test_a_node_that_wants_no_raid_is_told_how_to_want_one(target: dict[str, Any] | None) -> None:
    with pytest.raises(InvalidRequest, match="states/raid"):
        wanted_disks(target, {})


def test_leaving_everything_out_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="nothing is left"):
        wanted_disks({"logical_disks": [ROOT]}, {"create_root_volume": False})


def test_the_result_says_when() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    assert raid_config([ROOT], now) == {"logical_disks": [ROOT], "last_updated": "2026-01-02T03:04:05+00:00"}


def test_nothing_here_happens_unasked() -> None:
    assert all(set(spec.kinds.values()) == {0} and not spec.core for spec in STEPS)


@pytest.mark.parametrize(
    ("label", "good", "bad"),
    [
        ("bios.apply_configuration", {"settings": [{"name": "a", "value": "b"}]}, {"settings": []}),
        ("firmware.update", {"settings": [{"component": "bmc", "url": "http://x"}]}, {}),
        ("raid.apply_configuration", {"raid_config": {"logical_disks": [ROOT]}}, {"raid_config": {}}),
        ("raid.create_configuration", {"delete_existing": True}, {"delete": True}),
        ("bios.factory_reset", {}, {"really": True}),
    ],
)
def test_arguments_are_judged_by_their_schema(label: str, good: dict[str, Any], bad: dict[str, Any]) -> None:
    jsonschema.validate(good, BY_LABEL[label].args)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad, BY_LABEL[label].args)
