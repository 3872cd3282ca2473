"""The messages page of the reference, made from the contracts and from each service's own table of endpoints."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from marshmallow import Schema, fields, validate
from nats.js.api import DiscardPolicy, RetentionPolicy
from steelyard_common.bus.streams import DUPLICATES_S, stream_configs
from steelyard_common.contracts.facts import FACTS, EventType
from steelyard_common.contracts.shapes import Part
from steelyard_common.contracts.steps import Again, Done, Failed, Outcome, ResultMessage, Step, StepMessage, Wait
from steelyard_common.errors import DeviceUnreachable

from .requests_served import RequestRow, requests_served

SITE = "SITE"
_HEAD = """\
# Messages

What travels on NATS: requests, steps, results, events. `SITE` stands for the site's name (`STEELYARD_SITE`). Bodies
are JSON. Unknown fields are ignored, so that the newer side may speak first. Who may say and hear what:
[secure the bus](../howto/secure-the-bus.md). For programs: the AsyncAPI document at `/v1/asyncapi.json`, which needs no
sign-in. (Made from code: `make docs`.)

| subject | kind | carried by |
| --- | --- | --- |
| `SITE.<service>.qry.<verb>` | question; changes nothing | request and reply, one of the service's instances answers |
| `SITE.<service>.cmd.<verb>` | command; safe to repeat | the same |
| `SITE.step.<interface>.<node>` | consecutive steps of one provider | stream STEPS |
| `SITE.result.<workflow>` | what became of them | stream RESULTS |
| `SITE.<service>.evt.<fact>.<id>` | what happened | stream EVENTS |

An error reply has the headers `Nats-Service-Error` and `Nats-Service-Error-Code`, and a body as in [errors](errors.md).
"""
_KINDS: Mapping[type[fields.Field[Any]], str] = {
    fields.Integer: "integer", fields.Float: "number", fields.Boolean: "boolean", fields.Dict: "object",
    fields.Nested: "object", fields.String: "text", fields.List: "list",
}  # fmt: skip
_WORDS = {"string": "text", "array": "list"}
_EVENTS = """\
## Events

CloudEvents 1.0 in JSON (`Content-Type: application/cloudevents+json`): `type` is `org.steelyard.<service>.<fact>`,
`subject` the id, `source` `/steelyard/SITE/<service>`, `cause` (if known) a JSON text {user, request_id, origin}. `id`
is also the `Nats-Msg-Id`, so a repeat is dropped. The columns: the fact, whose UUID ends the subject, what it says, the
fields of `data`. What a consumer could not handle is kept as `SITE.bus.evt.dead-letter.<consumer>-<sequence>`.
How to read them: [follow events](../howto/follow-events.md).
"""


def messages_page() -> str:
    """Markdown: streams, requests of each service, steps and results, events."""
    parts = [_HEAD, _streams()]
    parts += [_requests(service, rows) for service, rows in requests_served(SITE).items()]
    parts += [_shapes(), _EVENTS]
    parts += [_events(service, facts) for service, facts in FACTS.items()]
    return "\n".join(parts)


def _streams() -> str:
    rows = []
    for stream in stream_configs(SITE, 1):
        keeps = "until it is acknowledged" if stream.retention is RetentionPolicy.WORK_QUEUE else _days(stream.max_age)
        full = "refuses new ones" if stream.discard is DiscardPolicy.NEW else "drops the oldest"
        listed = [f"`{subject}`" for subject in stream.subjects or []]
        rows.append((str(stream.name), " ".join(listed), keeps, f"{(stream.max_bytes or 0) >> 20} MiB; {full}"))
    about = (
        f"On disk; three copies on a cluster of three. The same `Nats-Msg-Id` within {DUPLICATES_S} s is one message.\n"
    )
    return "\n".join(["## Streams\n", about, *_table(("stream", "subjects", "keeps a message", "limit"), rows), ""])


def _days(seconds: float | None) -> str:
    return f"{(seconds or 0) / 86400:.0f} days"


def _requests(service: str, rows: Iterable[RequestRow]) -> str:
    table = [(f"`{row.kind}.{row.verb}`", _body(row.schema)) for row in rows]
    about = "Fields in *italics* may be left out.\n"
    return "\n".join([f"## Requests to {service}\n", about, *_table((f"`{SITE}.{service}.`", "body"), table), ""])


def _body(schema: type[Schema] | None) -> str:
    if schema is None:
        return "any object"
    return ", ".join(_field(name, field) for name, field in schema().fields.items() if not field.dump_only) or "–"


def _field(name: str, field: fields.Field[Any]) -> str:
    kind = next((word for known, word in _KINDS.items() if isinstance(field, known)), "any")
    choices = [v.choices for v in field.validators if isinstance(v, validate.OneOf)]
    if choices:
        kind = " or ".join(str(choice) for choice in choices[0])
    name = field.data_key or name
    shown = f"`{name}`" if field.required else f"*`{name}`*"
    return f"{shown} {kind}{' or null' if field.allow_none else ''}"


def _shapes() -> str:
    parts = ["## Steps and results\n"]
    for shape in (StepMessage, Step, ResultMessage):
        about = " ".join((shape.__doc__ or "").split())
        listed = [(f"`{each.name}`", f"`{each.type}`") for each in dataclasses.fields(shape)]
        parts += [f"### {shape.__name__}\n", about + "\n", *_table(("field", "type"), listed), ""]
    parts += ["### Outcome\n", "The result of one step, told by `outcome`:\n", "```json"]
    error = DeviceUnreachable("no answer from the BMC")
    results = Done(facts={"power_state": "power on"}), Again(after_s=5, memo={"task": "7"}), Wait(signal="heartbeat")
    for result in (*results, Failed(error=error)):
        parts.append(json.dumps(Outcome(index=0, attempt=1, result=result).to_dict()))
    return "\n".join([*parts, "```", ""])


def _events(service: str, facts: Mapping[str, EventType]) -> str:
    rows = [
        (f"`{name}`", fact.of, fact.about, "; ".join(f"`{field}`: {_told(part)}" for field, part in fact.data.items()))
        for name, fact in facts.items()
    ]
    return "\n".join([f"### Events of {service}\n", *_table(("fact", "of", "what", "data"), rows), ""])


def _told(part: Part) -> str:
    """``UUID of the node``; null and missing are said when they may be."""
    said = part.schema["type"]
    kinds: list[str] = said if isinstance(said, list) else [said]
    kind = " or ".join(_WORDS.get(each, each) for each in kinds)
    return f"{part.about} ({kind}{', may be missing' if part.is_optional else ''})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines]
