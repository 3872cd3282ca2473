"""Events as the outside sees them: CloudEvents 1.0, JSON structured mode over the NATS binding (architecture §3)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from ..bus.types import Message
from . import subjects
from .shapes import Part, document, text, time

CONTENT_TYPE = "application/cloudevents+json"
TYPE_PREFIX = "org.steelyard"
# What stands around the data of each event.
ENVELOPE: Mapping[str, Part] = {
    "specversion": text("of CloudEvents", "1.0"),
    "id": text("of this event; also the message's Nats-Msg-Id, so that a repeat is dropped"),
    "source": text("/steelyard/<site>/<service>"),
    "type": text(f"{TYPE_PREFIX}.<service>.<fact>"),
    "subject": text("whose UUID stands last in the message's subject"),
    "time": time("when it was told, UTC"),
    "datacontenttype": text("of data", "application/json"),
    "data": document("what the fact says"),
    "cause": text("a JSON text {user, request_id, origin}: who asked for it").or_missing(),
}


def cloud_event(
    site: str,
    service: str,
    fact: str,
    subject_id: str,
    data: Mapping[str, Any],
    *,
    cause: Mapping[str, Any] | None = None,
    now: datetime,
    event_id: str | None = None,
) -> Message:
    """The message for one fact. ``cause``: {user, request_id, origin}, as the extension ``cause`` (a JSON string).

    ``event_id`` for a fact whose repeats must be dropped; else a new one. It is also the message's id.
    """
    identity = event_id or str(uuid.uuid4())
    body: dict[str, Any] = {
        "specversion": "1.0",
        "id": identity,
        "source": f"/steelyard/{site}/{service}",
        "type": event_type(service, fact),
        "subject": subject_id,
        "time": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
    if cause:
        body["cause"] = orjson.dumps(cause).decode()  # extensions hold plain values only (CloudEvents §3.1)
    return Message(
        subject=subjects.event(site, service, fact, subject_id),
        body=orjson.dumps(body),
        msg_id=identity,
        headers={"Content-Type": CONTENT_TYPE},
    )


def event_type(service: str, fact: str) -> str:
    return f"{TYPE_PREFIX}.{service}.{fact}"
