"""Entrances of the timeline: everybody's events by stream, pages of it and Ironic's node history by request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
from marshmallow import fields, validate
from prometheus_client import Counter
from steelyard_common.bus import Bus, Delivery, Endpoint, Request
from steelyard_common.contracts import subjects
from steelyard_common.telemetry import get_logger

from ..domain.timeline import KINDS, read
from ..domain.timeline_entries import Entry
from ..service.timeline import Timeline
from ..store.timeline import Asked
from .requests import MAX_LIMIT, IdentSchema, Table, api

log = get_logger(__name__)
MALFORMED = Counter("steelyard_timeline_malformed_events", "Events that made no row because they make no sense")


class _Moment(fields.AwareDateTime):
    """ISO 8601; without a zone it is UTC."""

    def __init__(self) -> None:
        super().__init__(format="iso", default_timezone=UTC, allow_none=True, load_default=None)


class TimelineSchema(IdentSchema):
    since = _Moment()
    until = _Moment()
    kinds = fields.List(fields.String(validate=validate.OneOf(KINDS)), load_default=list)
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, MAX_LIMIT))
    marker = fields.UUID(allow_none=True, load_default=None)
    query = fields.Dict(keys=fields.String(), load_default=dict)


class HistorySchema(IdentSchema):
    marker = fields.String(allow_none=True, load_default=None)
    limit = fields.Integer(allow_none=True, load_default=None)
    detail = fields.Boolean(load_default=False)
    sort_key = fields.String(allow_none=True, load_default=None)
    sort_dir = fields.String(allow_none=True, load_default=None)
    query = fields.Dict(keys=fields.String(), load_default=dict)


class EntrySchema(IdentSchema):
    name = fields.String(required=True)


def endpoints(site: str, timeline: Timeline) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("node-timeline", TimelineSchema, lambda r: _page(timeline, r))
    table.query("node-history", HistorySchema, lambda r: timeline.history(r.body["ident"], r.body, api(r)))
    table.query(
        "node-history-entry", EntrySchema, lambda r: timeline.history_entry(r.body["ident"], r.body["name"], api(r))
    )
    return table.rows


def consume(bus: Bus, site: str, timeline: Timeline) -> None:
    """Begin to take events, in batches and in a thread of its own."""
    bus.consume_batches(
        subjects.EVENTS_STREAM, subjects.TIMELINE_DURABLE, [subjects.all_events(site)],
        lambda batch: timeline.take([entry for each in batch for entry in entries(each)]), linger_ms=50,
    )  # fmt: skip


def entries(delivery: Delivery) -> Sequence[Entry]:
    """The rows of one event; none of what is no event: giving it again would not mend it."""
    try:
        return list(read(delivery.subject, delivery.body))
    except (orjson.JSONDecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
        MALFORMED.inc()
        log.warning("event is malformed", subject=delivery.subject, detail=f"{type(error).__name__}: {error}"[:300])
        return ()


def _page(timeline: Timeline, request: Request) -> bytes:
    body = request.body
    since: datetime | None = body["since"]
    asked = Asked(
        since=since, until=body["until"], kinds=tuple(body["kinds"]), limit=body["limit"],
        marker=str(body["marker"]) if body["marker"] else None,
    )  # fmt: skip
    return timeline.page(body["ident"], asked, api(request), body["query"])
