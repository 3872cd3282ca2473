"""Entrances of webhooks: records by request, events by stream, deliveries for the gateway's senders."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from marshmallow import fields, validate
from prometheus_client import Counter
from steelyard_common.bus import Bus, Delivery, Endpoint, Streams
from steelyard_common.contracts import subjects
from steelyard_common.telemetry import get_logger

from ..domain.webhooks import MOST_TAKEN, STATUSES, TAKEN_S
from ..service.webhooks import Heard, Webhooks
from .lifecycle import caller
from .requests import MAX_LIMIT, ApiFacing, BusSchema, Table, api

log = get_logger(__name__)
MALFORMED = Counter("steelyard_webhook_malformed_events", "Events that no webhook is told because they make no sense")
DEAD_LETTERS = "bus"


class WebhookSchema(BusSchema):
    url = fields.String(required=True)
    secret = fields.String(required=True)
    events = fields.List(fields.String(), required=True)
    filters = fields.Dict(keys=fields.String(), load_default=dict)
    description = fields.String(allow_none=True, load_default=None)
    enabled = fields.Boolean(load_default=True)


class NewSchema(WebhookSchema):
    uuid = fields.String(required=True)


class CreateSchema(ApiFacing):
    webhook = fields.Nested(NewSchema, required=True)


class OneSchema(ApiFacing):
    uuid = fields.UUID(required=True)


class UpdateSchema(OneSchema):
    changes = fields.Nested(WebhookSchema(partial=True), required=True)


class _PageSchema(ApiFacing):
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, MAX_LIMIT))
    marker = fields.UUID(allow_none=True, load_default=None)


class DeliveriesSchema(_PageSchema):
    uuid = fields.UUID(required=True)
    status = fields.String(allow_none=True, load_default=None, validate=validate.OneOf(STATUSES))


class RedeliverSchema(OneSchema):
    delivery = fields.UUID(required=True)


class TakeSchema(BusSchema):
    """How many whoever sends has threads for, and how long it may be at them."""

    most = fields.Integer(load_default=MOST_TAKEN, strict=True, validate=validate.Range(1, MOST_TAKEN))
    hold_s = fields.Float(load_default=TAKEN_S, validate=validate.Range(1, 3600))


class AnswerSchema(BusSchema):
    uuid = fields.UUID(required=True)
    answer = fields.Integer(allow_none=True, load_default=None)
    error = fields.String(allow_none=True, load_default=None)


class SettleSchema(BusSchema):
    answers = fields.List(fields.Nested(AnswerSchema), required=True)


def endpoints(site: str, webhooks: Webhooks, streams: Streams) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("webhooks", _PageSchema, lambda r: webhooks.list_all(_text(r.body["marker"]), r.body["limit"], api(r)))
    table.query("webhook", OneSchema, lambda r: webhooks.show(str(r.body["uuid"]), api(r)))
    table.query(
        "webhook-deliveries",
        DeliveriesSchema,
        lambda r: webhooks.deliveries(
            str(r.body["uuid"]), r.body["status"], _text(r.body["marker"]), r.body["limit"], api(r)
        ),
    )
    table.command("create-webhook", CreateSchema, lambda r: webhooks.create(r.body["webhook"], api(r), caller(r)))
    table.command(
        "update-webhook",
        UpdateSchema,
        lambda r: webhooks.update(str(r.body["uuid"]), r.body["changes"], api(r), caller(r)),
    )
    table.command("delete-webhook", OneSchema, lambda r: webhooks.delete(str(r.body["uuid"]), caller(r)))
    table.command("test-webhook", OneSchema, lambda r: webhooks.test(str(r.body["uuid"]), api(r), caller(r)))
    table.command(
        "redeliver-webhook",
        RedeliverSchema,
        lambda r: webhooks.redeliver(str(r.body["uuid"]), str(r.body["delivery"]), api(r)),
    )
    table.command(
        "take-deliveries",
        TakeSchema,
        lambda r: webhooks.lend(
            streams.taken_to(subjects.EVENTS_STREAM, subjects.WEBHOOKS_DURABLE), r.body["most"], r.body["hold_s"]
        ),
    )
    table.command("settle-deliveries", SettleSchema, lambda r: webhooks.settle(r.body["answers"]))
    return table.rows  # fmt: skip


def consume(bus: Bus, site: str, webhooks: Webhooks) -> None:
    """Begin to take events, in batches, and in a thread of its own; the other replicas do so as well."""
    bus.consume_batches(
        subjects.EVENTS_STREAM, subjects.WEBHOOKS_DURABLE, [subjects.all_events(site)],
        lambda batch: webhooks.take([each for delivery in batch if (each := heard(delivery)) is not None]),
        linger_ms=50,
    )  # fmt: skip


def heard(delivery: Delivery) -> Heard | None:
    """None for what is no CloudEvent: giving it again would not mend it."""
    _site, service, _kind, fact, subject = delivery.subject.split(".", 4)
    if service == DEAD_LETTERS:
        return None
    try:
        told = delivery.body
        owner = (told.get("data") or {}).get("owner")
        return Heard(
            service=service, fact=fact, subject=subject, event_id=str(told["id"]), event_type=str(told["type"]),
            body=delivery.data.decode(), place=delivery.stream_sequence,
            owner=owner if isinstance(owner, str) else None,
        )  # fmt: skip
    except (orjson.JSONDecodeError, UnicodeDecodeError, LookupError, AttributeError, TypeError) as error:
        MALFORMED.inc()
        log.warning("event is malformed", subject=delivery.subject, detail=f"{type(error).__name__}: {error}"[:300])
        return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
