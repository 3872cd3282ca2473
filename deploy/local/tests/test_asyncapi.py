"""The AsyncAPI document: it is up to date, whole, and one by the standard's own rules."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from marshmallow import Schema, fields, validate
from steelyard_api_gateway.handlers.asyncapi import SOURCE, asyncapi
from steelyard_common.contracts.facts import FACTS
from steelyard_common.contracts.steps import Again, Done, Failed, Outcome, ResultMessage, Step, StepMessage, Wait
from steelyard_common.errors import DeviceUnreachable
from steelyard_local.asyncapi import asyncapi_text
from steelyard_local.json_schemas import of_request
from steelyard_local.requests_served import requests_served

ROOT = Path(__file__).parents[3]
# The standard's own schema, of the npm package @asyncapi/specs: `make asyncapi` fetches it.
FETCHED = ROOT / ".cache" / "asyncapi" / "package" / "schemas" / "3.0.0.json"
STANDARD = Path(os.environ.get("STEELYARD_ASYNCAPI_SCHEMA", FETCHED))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(asyncapi_text())
    return loaded


def _at(document: dict[str, Any], pointer: str) -> Any:
    place: Any = document
    for part in pointer.removeprefix("#/").split("/"):
        place = place[part]
    return place


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _refs(each)
    elif isinstance(value, list):
        for each in value:
            yield from _refs(each)


def _judge(document: dict[str, Any], message: str, body: Any) -> list[str]:
    schema = document["components"]["messages"][message]["payload"] | {"components": document["components"]}
    return [error.message for error in Draft7Validator(schema).iter_errors(body)]


def test_what_the_gateway_serves_is_what_the_contracts_say() -> None:
    assert SOURCE.read_text() == asyncapi_text(), "run `make docs`"


def test_the_gateway_serves_it_for_its_site() -> None:
    assert json.loads(asyncapi("lab7"))["components"]["parameters"]["site"]["default"] == "lab7"


@pytest.mark.skipif(not STANDARD.exists(), reason="the standard's schema is not here: `make asyncapi` fetches it")
def test_the_document_is_valid_by_the_standards_own_schema(document: dict[str, Any]) -> None:
    errors = [error.message[:300] for error in Draft7Validator(json.loads(STANDARD.read_text())).iter_errors(document)]

    assert errors == []


def test_everything_that_is_referred_to_is_there(document: dict[str, Any]) -> None:
    found = set(_refs(document))

    assert len(found) > 300
    for pointer in found:
        assert _at(document, pointer), pointer


def test_each_channel_has_its_operation_its_message_and_the_parameters_of_its_address(document: dict[str, Any]) -> None:
    channels = {name: each for name, each in document["channels"].items() if name != "answers"}

    assert channels.keys() == document["operations"].keys()
    for name, channel in channels.items():
        operation = document["operations"][name]
        assert operation["channel"] == {"$ref": f"#/channels/{name}"}
        assert operation["action"] in ("send", "receive")
        [message] = operation["messages"]
        assert _at(document, message["$ref"])["$ref"] in _refs(channel["messages"])
        assert set(re.findall(r"{(\w+)}", channel["address"])) == channel["parameters"].keys()


def test_every_schema_is_a_json_schema_of_draft_7(document: dict[str, Any]) -> None:
    for message in document["components"]["messages"].values():
        Draft7Validator.check_schema(message["payload"])
        Draft7Validator.check_schema(message["headers"])


def test_every_request_and_every_fact_has_a_channel(document: dict[str, Any]) -> None:
    addresses = {channel["address"] for channel in document["channels"].values()}
    asked = {
        f"{{site}}.{service}.{row.kind}.{row.verb.replace('*', '{user}')}"
        for service, rows in requests_served("site").items()
        for row in rows
    }
    told = {f"{{site}}.{service}.evt.{fact}.{{id}}" for service, facts in FACTS.items() for fact in facts}

    assert len(asked) > 130
    others = {None, "{site}.step.{interface}.{node}", "{site}.result.{workflow}", "{site}.bus.evt.dead-letter.{letter}"}
    assert addresses == asked | told | others


def test_what_only_services_may_ask_is_said(document: dict[str, Any]) -> None:
    said_by = {name: each["x-said-by"] for name, each in document["operations"].items() if "x-said-by" in each}

    assert "api-gateway" in said_by["inventory.cmd.create-node"]
    assert "power" not in said_by["inventory.cmd.create-node"]
    assert "api-gateway" not in said_by["inventory.cmd.take-lease"]
    assert "power" in said_by["inventory.cmd.take-lease"]
    assert "a step provider of your own" in said_by["inventory.cmd.announce-steps"]


RESULTS = [
    Done(facts={"power_state": "power on"}),
    Again(after_s=5, memo={"task": "7"}),
    Wait(signal="heartbeat", progress="it boots"),
    Failed(error=DeviceUnreachable("no answer")),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_each_result_of_a_step_fits_its_schema(document: dict[str, Any], result: Any) -> None:
    outcome = Outcome(index=0, attempt=1, result=result)
    body = ResultMessage(workflow="w", node="n", fence=1, provider="p", outcomes=[outcome]).to_dict()

    assert _judge(document, "result", body) == []
    assert _judge(document, "result", body | {"outcomes": [outcome.to_dict() | {"outcome": "maybe"}]}) != []


def test_a_step_message_fits_its_schema(document: dict[str, Any]) -> None:
    body = StepMessage(workflow="w", fence=1, node={}, steps=[Step(index=0, interface="power", name="on")]).to_dict()

    assert _judge(document, "step", body) == []
    assert _judge(document, "step", body | {"steps": [{"interface": "power"}]}) != []


def test_a_rule_that_a_json_schema_cannot_say_is_not_lost() -> None:
    class Odd(Schema):
        word = fields.String(validate=validate.ContainsOnly("ab"))

    with pytest.raises(TypeError, match="ContainsOnly"):
        of_request(Odd)


def test_limits_choices_defaults_and_nulls_are_kept() -> None:
    class Asked(Schema):
        number = fields.Integer(required=True, validate=validate.Range(1, 9))
        word = fields.String(allow_none=True, load_default=None, validate=validate.OneOf(["a", "b"]))
        names = fields.List(fields.String(), data_key="the-names", validate=validate.Length(max=3))
        digest = fields.String(validate=validate.Regexp(r"[0-9a-f]{4}\Z"))
        shown = fields.String(dump_only=True)

    assert of_request(Asked) == {
        "type": "object",
        "properties": {
            "number": {"type": "integer", "minimum": 1, "maximum": 9},
            "word": {"type": ["string", "null"], "enum": ["a", "b", None], "default": None},
            "the-names": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "digest": {"type": "string", "pattern": "^(?:[0-9a-f]{4}$)"},
        },
        "required": ["number"],
    }
