"""The API keeps what its OpenAPI document says: statuses, content types, shapes; and nothing sent to it is a 5xx."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from steelyard_local.testing import running_suite

from .documented import dice_of, each_operation, run

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NEWEST = {"X-OpenStack-Ironic-API-Version": "1.115"}
TIMEOUT_S = 60
# For each operation; STEELYARD_OPENAPI_EXAMPLES asks for a longer look.
EXAMPLES = int(os.environ.get("STEELYARD_OPENAPI_EXAMPLES", "5"))
# What stands in a path is mostly nonsense; half of the time it is the name of something that is there.
THERE = {
    "nodes": ["machine", "other"],
    "deploy_templates": ["CUSTOM_FAST"],
    "runbooks": ["CUSTOM_CARE"],
    "drivers": ["fake-hardware"],
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_suite("--auth", "none") as suite:
        steps = [{"interface": "deploy", "step": "deploy", "args": {}}]
        for path, body in (
            ("nodes", {"driver": "fake-hardware", "name": "machine", "resource_class": "a"}),
            ("nodes", {"driver": "fake-hardware", "name": "other"}),
            ("deploy_templates", {"name": "CUSTOM_FAST", "steps": [{**steps[0], "priority": 10}]}),
            ("runbooks", {"name": "CUSTOM_CARE", "steps": [{**steps[0], "order": 1}]}),
        ):
            made = requests.post(f"{suite.url}/v1/{path}", json=body, headers=NEWEST, timeout=TIMEOUT_S)
            assert made.status_code == 201, made.text
        yield suite.url


@each_operation
def test_what_is_sent_is_answered_as_documented(operation: str, url: str) -> None:
    run(operation, lambda case: _judge(case, url), EXAMPLES)


def _judge(case: Any, url: str) -> None:
    names = THERE.get(case.path.split("/")[2], [])[case.method == "DELETE" :]  # the first is to stay
    dice = dice_of(case)
    if names and "ident" in (case.path_parameters or {}) and dice.random() < 0.5:
        case.path_parameters["ident"] = dice.choice(names)
    case.headers = {**(case.headers or {}), **NEWEST}
    case.call_and_validate(base_url=url, checks=CHECKS, timeout=TIMEOUT_S)
