"""The AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0) of all that travels on NATS.

Made from what serves the messages: each service's table of endpoints, the steps' dataclasses, the table of facts, the
bus's permissions. ``make docs`` writes it beside the gateway's code, which serves it at `/v1/asyncapi.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from steelyard_common import runner
from steelyard_common.bus.types import CALLER, DEADLINE, ERROR, ERROR_CODE, MSG_ID, TAG
from steelyard_common.contracts import events
from steelyard_common.contracts.facts import DEAD_LETTER, FACTS, EventType
from steelyard_common.contracts.permissions import EVERYTHING, ROWS, rights, step_provider
from steelyard_common.contracts.shapes import schema_of
from steelyard_common.contracts.steps import Again, Done, Failed, ResultMessage, Step, StepMessage, Wait

from .json_schemas import Json, of_dataclass, of_request
from .requests_served import RequestRow, requests_served

SITE = "{site}"
ANSWERS = "answers"
_ABOUT = """\
What travels on NATS between Steelyard's services, and what programs of your own may join in: questions and commands,
steps and their results, events. Unknown fields are ignored on the bus, so that the newer side may speak first; a field
never changes its meaning. `x-said-by` names the users of the bus that may ask. Events are heard by all of them that may
read events (`integration`), with consumers of their own on the stream EVENTS."""
_PARAMETERS: Mapping[str, str] = {
    "site": "Name of the site (STEELYARD_SITE): letters a-z, digits, hyphens",
    "interface": "One of Ironic's interface types, or a name of a step provider's own",
    "node": "UUID of the node",
    "workflow": "UUID of the workflow",
    "id": "UUID of what the event is about",
    "letter": "<consumer>-<sequence> of the message that could not be handled",
    "user": "Name of the user of the bus who asks",
}
_KINDS = {"qry": "A question: changes nothing.", "cmd": "A command: safe to repeat."}


def asyncapi() -> Json:
    """The document, for any site."""
    made = _Document()
    for service, rows in requests_served("site").items():
        for row in rows:
            made.add_request(service, row)
    made.add_steps()
    for service, facts in FACTS.items():
        for name, fact in facts.items():
            made.add_event(service, name, fact)
    made.add_dead_letters()
    return made.whole()


def asyncapi_text() -> str:
    """The document as JSON, a line for each channel, operation, message: changes can be read."""
    whole = asyncapi()
    parts = {name: _lines(part) if isinstance(part, dict) else json.dumps(part) for name, part in whole.items()}
    parts["components"] = _lines(whole["components"], _lines)
    return "{" + ",\n".join(f"{json.dumps(name)}: {text}" for name, text in parts.items()) + "}\n"


def _lines(part: Json, write: Callable[[Any], str] = json.dumps) -> str:
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {write(each)}" for name, each in part.items()) + "}"


class _Document:
    """Channels, operations and messages as they come together. One name goes through all three: the subject's own."""

    def __init__(self) -> None:
        self._channels: Json = {
            ANSWERS: {
                "address": None,
                "description": "The inbox that the asker names as the reply subject: `_INBOX_<user>.…`.",
                "messages": {name: _ref("messages", name) for name in ("answer", "refusal")},
            }
        }
        self._operations: Json = {}
        self._messages: Json = {
            "answer": {
                "title": "What was asked for",
                "summary": "JSON as the API shows it. A large one comes in parts: `Steelyard-Chunk: 3/7`.",
                "headers": _headers({TAG: "version of what it shows, if it has one", "Steelyard-Chunk": "part/parts"}),
                "payload": {},
            },
            "refusal": {
                "title": "Why it was not done",
                "headers": _headers({ERROR: "its message", ERROR_CODE: "its status"}, ERROR, ERROR_CODE),
                "payload": _schema_ref("Problem"),
            },
        }

    def whole(self) -> Json:
        return {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Steelyard's messages",
                "version": runner.version_of("api-gateway"),
                "description": _ABOUT,
                "license": {"name": "Apache-2.0"},
            },
            "defaultContentType": "application/json",
            "servers": {"bus": _server()},
            "channels": self._channels,
            "operations": self._operations,
            "components": {
                "messages": self._messages,
                "parameters": {name: {"description": about} for name, about in _PARAMETERS.items()},
                "schemas": _schemas(),
                "securitySchemes": {
                    "user": {"type": "userPassword", "description": "A user of NATS with rights of its own"},
                    "certificate": {"type": "X509", "description": "If the server asks clients for certificates"},
                },
            },
        }

    def add_request(self, service: str, row: RequestRow) -> None:
        verb = row.verb.removesuffix(".*")
        name = f"{service}.{row.kind}.{verb}"
        address = f"{SITE}.{service}.{row.kind}.{row.verb.replace('*', '{user}')}"
        self._messages[name] = {
            "title": verb,
            "headers": _schema_ref("RequestHeaders"),
            "payload": of_request(row.schema),
        }
        self._add(name, address, "receive", _KINDS[row.kind], service)
        self._operations[name] |= {
            "reply": {
                "channel": _ref("channels", ANSWERS),
                "messages": [_message_ref(ANSWERS, each) for each in ("answer", "refusal")],
            },
            "bindings": {"nats": {"queue": f"steelyard-{service}", "bindingVersion": "0.1.0"}},
            "x-said-by": list(_users(f"site.{service}.{row.kind}.{row.verb.replace('*', 'NAME')}")),
        }

    def add_steps(self) -> None:
        self._messages["step"] = {
            "title": "Consecutive steps of one provider",
            "headers": _headers({MSG_ID: "<workflow>.<step>.<attempt>: a repeat is dropped", "traceparent": "W3C"}),
            "payload": of_dataclass(StepMessage),
        }
        self._add("step", f"{SITE}.step.{{interface}}.{{node}}", "send", "Run these steps (stream STEPS).", "steps")
        self._messages["result"] = {
            "title": "What became of steps",
            "headers": _headers({MSG_ID: "a repeat is dropped"}),
            "payload": of_dataclass(ResultMessage) | {"properties": _result_parts()},
        }
        about = "A step provider says what became of its steps (stream RESULTS)."
        self._add("result", f"{SITE}.result.{{workflow}}", "receive", about, "steps")

    def add_event(self, service: str, fact: str, told: EventType) -> None:
        name = f"{service}.evt.{fact}"
        parts = {"type": {"const": events.event_type(service, fact)}, "data": schema_of(told.data)}
        self._messages[name] = {
            "name": events.event_type(service, fact),
            "title": fact,
            "summary": told.about,
            "contentType": events.CONTENT_TYPE,
            "headers": _schema_ref("EventHeaders"),
            "payload": {"allOf": [_schema_ref("CloudEvent"), {"type": "object", "properties": parts}]},
        }
        self._add(name, f"{SITE}.{service}.evt.{fact}.{{id}}", "send", told.about, service)

    def add_dead_letters(self) -> None:
        self._messages["dead-letter"] = {
            "title": "What a consumer could not handle",
            "headers": _schema_ref("EventHeaders"),
            "payload": schema_of(DEAD_LETTER),
        }
        about = "A message that a consumer could not handle, kept for a person to look at (stream EVENTS)."
        self._add("dead-letter", f"{SITE}.bus.evt.dead-letter.{{letter}}", "send", about, "bus")

    def _add(self, name: str, address: str, action: str, about: str, tag: str) -> None:
        self._channels[name] = {
            "address": address,
            "messages": {name: _ref("messages", name)},
            "parameters": {each: _ref("parameters", each) for each in _PARAMETERS if f"{{{each}}}" in address},
        }
        self._operations[name] = {
            "action": action,
            "channel": _ref("channels", name),
            "summary": about,
            "tags": [{"name": tag}],
            "messages": [_message_ref(name, name)],
        }


def _server() -> Json:
    return {
        "host": "127.0.0.1:4222",
        "protocol": "nats",
        "description": "NATS 2.12 or later with JetStream. `steelyard up` runs one on a port of its own.",
        "security": [
            {"$ref": "#/components/securitySchemes/user"},
            {"$ref": "#/components/securitySchemes/certificate"},
        ],
    }


def _schemas() -> Json:
    request = {
        DEADLINE: "milliseconds that the asker still waits",
        CALLER: "JSON {user, roles, project, domain, system, request_id}: for whom the gateway asks",
        "traceparent": "W3C trace context",
    }
    kept = {MSG_ID: "a repeat within two minutes is dropped"}
    return {
        "CloudEvent": schema_of(events.ENVELOPE),
        "EventHeaders": _headers(kept, MSG_ID),
        "Problem": of_dataclass(Failed)["properties"]["error"],
        "RequestHeaders": _headers(request),
    }


def _headers(about: Mapping[str, str], *required: str) -> Json:
    told = {name: {"type": "string", "description": words} for name, words in about.items()}
    return {"type": "object", "properties": told, "required": list(required)}


def _result_parts() -> Json:
    """Of a result: its outcomes are told apart by `outcome`."""
    shapes = {"done": Done, "again": Again, "wait": Wait, "failed": Failed}
    place = {name: of_dataclass(Step)["properties"][name] for name in ("index", "attempt")}
    outcomes = []
    for word, shape in shapes.items():
        made = of_dataclass(shape)
        head = {**place, "outcome": {"const": word}}
        made |= {"properties": head | made["properties"], "required": [*head, *made["required"]]}
        outcomes.append(made)
    known: Json = of_dataclass(ResultMessage)["properties"]
    return known | {"outcomes": {"type": "array", "items": {"oneOf": outcomes}}}


def _users(subject: str) -> Iterator[str]:
    """Who may publish there, by the table of permissions."""
    table = dict(ROWS) | {"a step provider of your own": step_provider("NAME")}
    for user in table:
        allowed = rights("site", user, table)
        denied = any(_fits(each, subject) for each in allowed.not_publish)
        if not denied and any(_fits(each, subject) for each in allowed.publish):
            yield user


def _fits(pattern: str, subject: str) -> bool:
    """NATS's own rule: ``*`` is one token, ``>`` is one or more at the end."""
    wanted, found = pattern.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == EVERYTHING:
            return len(found) > place
        if place >= len(found) or token not in ("*", found[place]):
            return False
    return len(wanted) == len(found)


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/{'channels' if kind == 'channels' else f'components/{kind}'}/{name}"}


def _schema_ref(name: str) -> Json:
    return _ref("schemas", name)


def _message_ref(channel: str, name: str) -> Json:
    return {"$ref": f"#/channels/{channel}/messages/{name}"}
