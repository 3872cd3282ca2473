"""What is asked of boot by the bus about boot attempts, and what boot hears of nodes: power changes, and their end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from marshmallow import EXCLUDE, Schema, fields, validate
from steelyard_common.bus import Bus, Delivery, Endpoint
from steelyard_common.contracts import subjects
from steelyard_common.telemetry import get_logger

from ..service.attempts import Attempts
from ..service.trail import PowerSeen

log = get_logger(__name__)
SERVICE = "boot"
MOST = 1000


class _Schema(Schema):
    class Meta:
        unknown = EXCLUDE  # the newer side may speak first


class ApiSchema(_Schema):
    base_url = fields.String(required=True)


class AttemptsSchema(_Schema):
    api = fields.Nested(ApiSchema, required=True)
    ident = fields.String(required=True)
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, MOST))
    marker = fields.UUID(allow_none=True, load_default=None)


class AttemptSchema(_Schema):
    api = fields.Nested(ApiSchema, required=True)
    ident = fields.String(required=True)
    attempt = fields.UUID(required=True)


def endpoints(site: str, attempts: Attempts) -> Sequence[Endpoint]:
    """What ``Bus.serve`` takes."""
    return [
        Endpoint(
            subject=subjects.query(site, SERVICE, "boot-attempts"), schema=AttemptsSchema,
            handler=lambda request: attempts.list_all(
                request.body["ident"], request.body["limit"],
                str(request.body["marker"]) if request.body["marker"] else None, request.body["api"]["base_url"],
            ),
        ),
        Endpoint(
            subject=subjects.query(site, SERVICE, "boot-attempt"), schema=AttemptSchema,
            handler=lambda request: attempts.show(
                request.body["ident"], str(request.body["attempt"]), request.body["api"]["base_url"]
            ),
        ),
    ]  # fmt: skip


def listen(bus: Bus, site: str, power: Callable[[PowerSeen], None], forget: Callable[[str], None]) -> None:
    """From now on inventory is heard: power that changed, nodes that are gone."""

    def changed(delivery: Delivery) -> None:
        seen = _power(delivery)
        if seen is not None:
            power(seen)

    def deleted(delivery: Delivery) -> None:
        node = _node(delivery)
        if node is not None:
            forget(node)

    for fact, handler in (("power-state-changed", changed), ("node-deleted", deleted)):
        heard = [subjects.event(site, "inventory", fact, "*")]
        bus.consume(subjects.EVENTS_STREAM, subjects.heard_durable(SERVICE, fact), heard, handler, workers=1)


def _power(delivery: Delivery) -> PowerSeen | None:
    """None for what makes no sense: another site's service may say anything."""
    node = _node(delivery)
    try:
        body = delivery.body
        at, to = datetime.fromisoformat(str(body["time"])), body["data"]["to"]
    except (ValueError, KeyError, TypeError):
        return None
    if node is None or to not in ("power on", "power off"):
        return None
    return PowerSeen(node_uuid=node, is_on=to == "power on", at=at)


def _node(delivery: Delivery) -> str | None:
    try:
        return str(UUID(delivery.subject.rpartition(".")[2]))
    except ValueError:
        return None
