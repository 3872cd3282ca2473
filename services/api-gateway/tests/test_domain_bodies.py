"""What stands in bodies: patches, verbs with their parameters, steps, config drives. No server, no bus."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import pytest
from steelyard_api_gateway.domain import (
    configdrive,
    patches,
    verbs,
)
from steelyard_common.contracts.api import NODE_FIELDS
from steelyard_common.errors import InvalidRequest, NotAcceptable


def patch(*operations: Any, minor: int = 115) -> list[patches.Operation]:
    return patches.parse(list(operations), NODE_FIELDS, minor, mandatory=("driver",))


@pytest.mark.parametrize(
    "operation",
    [
        1,
        {},
        {"op": "add"},
        {"op": "test", "path": "/extra/a", "value": 1},
        {"op": "ADD", "path": "/extra", "value": {}},
        {"op": [], "path": "/extra"},
        {"op": "add", "path": "/extra/a"},
        {"op": "add", "path": "/extra/q", "value": 1, "from": "/extra/r"},
        {"op": "add", "path": "/name/x", "value": 1},
        {"op": "remove", "path": "/uuid"},
        {"op": "remove", "path": "/traits"},
        {"op": "remove", "path": "/driver"},
        *(
            {"op": "add", "path": path, "value": 1}
            for path in ("extra/a", "/", "", 5, "/extra/a.b", "/extra/", "/bogus", "/extra/~2", "/extra/a\n")
        ),
    ],
)
def test_a_malformed_operation_is_an_invalid_request(operation: Any) -> None:
    with pytest.raises(InvalidRequest):
        patch(operation)


def test_a_patch_is_a_list() -> None:
    bodies: list[Any] = [{}, None, "x", 1]

    for body in bodies:
        with pytest.raises(InvalidRequest, match="list of operations"):
            patches.parse(body, NODE_FIELDS, 115, mandatory=("driver",))
    assert patch() == []


def test_escaped_keys_may_be_patched_from_their_version_on() -> None:
    operation = {"op": "add", "path": "/extra/a~1b~0", "value": 1}

    assert patch(operation)[0].segments == ("extra", "a/b~")
    with pytest.raises(InvalidRequest):
        patch(operation, minor=97)


def test_a_root_newer_than_the_request_is_not_acceptable_but_may_be_removed() -> None:
    with pytest.raises(NotAcceptable):
        patch({"op": "replace", "path": "/name", "value": "x"}, minor=4)
    assert patch({"op": "remove", "path": "/name"}, minor=4)[0].to_dict() == {"op": "remove", "path": "/name"}


def test_the_value_of_a_removal_is_dropped() -> None:
    assert "value" not in patch({"op": "remove", "path": "/extra/a", "value": 1})[0].to_dict()


@pytest.mark.parametrize("target", verbs.PROVISION_VERBS)
def test_a_verb_is_not_acceptable_below_its_version(target: str) -> None:
    since = verbs.PROVISION_VERBS[target]
    required: dict[str, dict[str, Any]] = {
        "clean": {"clean_steps": [_STEP]},
        "service": {"service_steps": [_STEP]},
        "rescue": {"rescue_password": "x"},
    }
    given = required.get(target, {})

    verbs.check_provision(target, given, since)
    if since > 1:
        with pytest.raises(NotAcceptable):
            verbs.check_provision(target, given, since - 1)


_STEP = {"interface": "bios", "step": "reset"}
_DEPLOY_STEP = _STEP | {"args": {}, "priority": 10}


@pytest.mark.parametrize("parameter", verbs.PARAMETERS)
@pytest.mark.parametrize("target", verbs.PROVISION_VERBS)
def test_a_parameter_goes_only_with_its_verbs(parameter: str, target: str) -> None:
    samples: dict[str, Any] = {
        "configdrive": "http://x/y", "runbook": "r1", "disable_ramdisk": True, "clean_steps": [_STEP],
        "service_steps": [_STEP], "deploy_steps": [_DEPLOY_STEP], "rescue_password": "x",
    }  # fmt: skip
    needed = {"clean": "clean_steps", "service": "service_steps", "rescue": "rescue_password"}.get(target)
    given = {parameter: samples[parameter]}
    if needed and parameter != "runbook":
        given[needed] = samples[needed]

    if target in verbs.PARAMETERS[parameter]:
        verbs.check_provision(target, given, 115)
    else:
        with pytest.raises(InvalidRequest):
            verbs.check_provision(target, given, 115)


def test_a_verb_without_what_it_needs_is_refused() -> None:
    for target, given in (
        ("clean", {}),
        ("clean", {"clean_steps": []}),
        ("service", {}),
        ("rescue", {}),
        ("rescue", {"rescue_password": " "}),
        ("clean", {"clean_steps": [_STEP], "runbook": "r1"}),
        ("bogus", {}),
    ):
        with pytest.raises(InvalidRequest):
            verbs.check_provision(target, given, 115)


@pytest.mark.parametrize(
    "step",
    [
        1, {}, {"interface": "bios"}, {"interface": "z.z", "step": "x"}, {"interface": "network", "step": "x"},
        _STEP | {"args": []}, _STEP | {"order": -1},
        _STEP | {"order": True}, _STEP | {"bogus": 1}, _STEP | {"execute_on_child_nodes": "yes"}, _STEP | {"step": ""},
        _STEP | {"priority": 1}, _STEP | {"interface": []},
    ],
)  # fmt: skip
def test_a_malformed_step_is_refused_by_its_place(step: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"clean_steps\[1\]"):
        verbs.check_provision("clean", {"clean_steps": [_STEP, step]}, 115)


def test_a_step_of_a_users_own_interface_is_left_to_inventory_to_judge() -> None:
    verbs.check_provision("clean", {"clean_steps": [{"interface": "burn-in", "step": "stress"}]}, 115)


@pytest.mark.parametrize(
    ("value", "minor", "error"),
    [
        ("http://x/y", 1, None),
        (base64.b64encode(gzip.compress(b"iso", mtime=0)).decode(), 1, None),
        (base64.b64encode(b"iso").decode(), 1, InvalidRequest),
        ("not base64!", 1, InvalidRequest),
        (5, 115, InvalidRequest),
        ({"meta_data": {}}, 55, NotAcceptable),
        ({"meta_data": {}, "user_data": None}, 56, None),
        ({"vendor_data": {"a": 1}}, 58, NotAcceptable),
        ({"vendor_data": {"a": 1}}, 59, None),
        ({"meta_data": []}, 115, InvalidRequest),
        ({"bogus": 1}, 115, InvalidRequest),
    ],
)
def test_a_config_drive_has_one_of_its_forms(value: Any, minor: int, error: type[Exception] | None) -> None:
    if error is None:
        configdrive.check("configdrive", value, minor)
        return
    with pytest.raises(error):
        configdrive.check("configdrive", value, minor)


@pytest.mark.parametrize(
    ("target", "timeout_s", "minor", "error"),
    [
        ("power on", None, 1, None),
        ("soft power off", None, 26, NotAcceptable),
        ("soft power off", 5, 27, None),
        ("power on", 5, 26, NotAcceptable),
        ("power on", 0, 27, InvalidRequest),
        ("POWER ON", None, 115, InvalidRequest),
        ("None", None, 115, InvalidRequest),
    ],
)
def test_power_targets_and_time_outs(target: str, timeout_s: int | None, minor: int, error: Any) -> None:
    if error is None:
        verbs.check_power(target, timeout_s, minor)
        return
    with pytest.raises(error):
        verbs.check_power(target, timeout_s, minor)
