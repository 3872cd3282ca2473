"""The lifecycle's entrances: verbs and leases by request, results and observations by stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate
from steelyard_common.bus import CALLER, Bus, Delivery, Endpoint, Request
from steelyard_common.contracts import subjects
from steelyard_common.contracts.api import MAX_MINOR
from steelyard_common.contracts.steps import ResultMessage
from steelyard_common.errors import InvalidRequest
from steelyard_common.telemetry import get_logger

from ..domain.judgement import HealthSeen, Observation, PowerSeen, Reachable, Unreachable
from ..service.engine import Engine
from ..service.leases import Leases
from ..service.lifecycle import Caller, Lifecycle
from ..service.observations import Observations

log = get_logger(__name__)
IDEMPOTENCY = "Steelyard-Idempotency-Id"


class _Schema(Schema):
    class Meta:
        unknown = EXCLUDE  # the newer side may speak first


class IdentSchema(_Schema):
    ident = fields.String(required=True)


class PowerSchema(IdentSchema):
    target = fields.String(required=True)
    timeout_s = fields.Integer(load_default=None, allow_none=True, strict=True)


class ProvisionSchema(IdentSchema):
    """The parameters as the gateway let them through: shapes checked, secrets sealed."""

    target = fields.String(required=True)
    api = fields.Dict(load_default=dict)
    configdrive = fields.Raw(allow_none=True)
    deploy_steps = fields.List(fields.Dict(), allow_none=True)
    clean_steps = fields.List(fields.Dict(), allow_none=True)
    service_steps = fields.List(fields.Dict(), allow_none=True)
    runbook = fields.String(allow_none=True)
    disable_ramdisk = fields.Boolean(allow_none=True)
    rescue_password = fields.String(allow_none=True)


PARAMETERS = tuple(name for name in ProvisionSchema().fields if name not in ("ident", "target", "api"))


class SignalSchema(IdentSchema):
    signal = fields.String(required=True, validate=validate.Length(min=1, max=255))
    data = fields.Dict(allow_none=True, load_default=None)


class StepSchema(_Schema):
    """One dispatch of a step."""

    workflow = fields.UUID(required=True)
    index = fields.Integer(required=True, strict=True)
    attempt = fields.Integer(required=True, strict=True)


class BootModeSchema(IdentSchema):
    target = fields.String(required=True)


class SecureBootSchema(IdentSchema):
    target = fields.Boolean(required=True)


class ConsoleSchema(IdentSchema):
    enabled = fields.Boolean(required=True)


class TakeLeaseSchema(IdentSchema):
    purpose = fields.String(required=True, validate=validate.Length(min=1, max=255))
    ttl_s = fields.Float(required=True)
    holder = fields.String(load_default="")


class ReleaseLeaseSchema(_Schema):
    node = fields.UUID(required=True)
    fence = fields.Integer(required=True)


class OutcomeSchema(_Schema):
    index = fields.Integer(required=True, strict=True)
    attempt = fields.Integer(required=True, strict=True)
    outcome = fields.String(required=True, validate=validate.OneOf(["done", "again", "wait", "failed"]))
    facts = fields.Dict()
    after_s = fields.Float(validate=validate.Range(min=0, max=86_400))
    memo = fields.Dict()
    progress = fields.String(allow_none=True)
    signal = fields.String()
    error = fields.Dict()


class ResultSchema(_Schema):
    workflow = fields.UUID(required=True)
    node = fields.UUID(required=True)
    fence = fields.Integer(required=True, strict=True)
    provider = fields.String(required=True)
    outcomes = fields.List(fields.Nested(OutcomeSchema), required=True)


class SeenSchema(_Schema):
    """``data`` of the power service's events; which of them is there depends on the fact."""

    power_state = fields.String(allow_none=True)
    seen_at = fields.Raw(allow_none=True)
    failures = fields.Integer()
    error = fields.String()
    health = fields.String(allow_none=True, validate=validate.Length(max=255))


_RESULT = ResultSchema()
_SEEN = SeenSchema()


def caller(request: Request) -> Caller:
    """Who asks, from the headers; a caller without a name is an anonymous one."""
    head = orjson.loads(request.headers.get(CALLER) or "{}")
    request_id = request.headers.get(IDEMPOTENCY) or head.get("request_id") or ""
    cause = {"origin": "api", "user": head.get("user"), "request_id": head.get("request_id")}
    trace = request.headers.get("traceparent")
    cause |= {"traceparent": trace} if trace else {}
    versions = head.get("if_match")
    return Caller(
        cause=cause,
        request_id=str(request_id),
        project=head.get("project"),
        if_match=None if versions is None else tuple(map(str, versions)),
    )


def provision_params(body: dict[str, Any]) -> dict[str, Any]:
    """What came with a verb of states/provision."""
    return {name: body[name] for name in PARAMETERS if body.get(name) is not None}


def endpoints(site: str, lifecycle: Lifecycle, leases: Leases) -> Sequence[Endpoint]:
    """What can be asked for, as ``Bus.serve`` takes it."""

    def verb(name: str, schema: type[Schema], call: Callable[[dict[str, Any], Caller], None]) -> Endpoint:
        return Endpoint(
            subject=subjects.command(site, "inventory", name),
            handler=lambda request: call(request.body, caller(request)),
            schema=schema,
        )

    return [
        verb("set-power", PowerSchema, lambda body, who: lifecycle.set_power(
            body["ident"], body["target"], body["timeout_s"], who)),
        verb("set-provision", ProvisionSchema, lambda body, who: lifecycle.set_provision(
            body["ident"], body["target"], who, provision_params(body), body["api"].get("minor", MAX_MINOR))),
        Endpoint(
            subject=subjects.command(site, "inventory", "signal"),
            handler=lambda request: {"woken": lifecycle.send_signal(
                request.body["ident"], request.body["signal"], request.body["data"])},
            schema=SignalSchema,
        ),
        Endpoint(
            subject=subjects.command(site, "inventory", "abort-workflow"),
            handler=lambda request: {"asked": lifecycle.abort_workflow(request.body["ident"])},
            schema=IdentSchema,
        ),
        verb("set-boot-mode", BootModeSchema, lambda body, who: lifecycle.set_boot_mode(
            body["ident"], body["target"], who)),
        verb("set-secure-boot", SecureBootSchema, lambda body, who: lifecycle.set_secure_boot(
            body["ident"], body["target"], who)),
        verb("set-console", ConsoleSchema, lambda body, who: lifecycle.set_console(
            body["ident"], body["enabled"], who)),
        Endpoint(
            subject=subjects.command(site, "inventory", "take-lease"),
            handler=lambda request: _take_lease(leases, request),
            schema=TakeLeaseSchema,
        ),
        verb("release-lease", ReleaseLeaseSchema, lambda body, who: leases.release(
            str(body["node"]), body["fence"], who.cause)),
        Endpoint(
            subject=subjects.query(site, "inventory", "node-for-provider"),
            handler=lambda request: {"node": leases.node(request.body["ident"])},
            schema=IdentSchema,
        ),
        Endpoint(
            subject=subjects.query(site, "inventory", subjects.STEP_IS_OUT),
            handler=lambda request: {"out": lifecycle.is_out(
                str(request.body["workflow"]), request.body["index"], request.body["attempt"])},
            schema=StepSchema,
        ),
    ]  # fmt: skip


def consume(bus: Bus, site: str, engine: Engine, observations: Observations) -> None:
    """Begin to take results and observations, each in batches and in a thread of its own."""
    bus.consume_batches(
        subjects.RESULTS_STREAM, subjects.RESULTS_DURABLE, [subjects.result(site, "*")],
        lambda batch: engine.apply([result for each in batch if (result := _result(each)) is not None]),
    )  # fmt: skip
    bus.consume_batches(
        subjects.EVENTS_STREAM, subjects.observer_durable("power"), [subjects.event(site, "power", "*", "*")],
        lambda batch: observations.take([pair for each in batch if (pair := _observation(each)) is not None]),
    )  # fmt: skip


def _take_lease(leases: Leases, request: Request) -> dict[str, Any]:
    who, body = caller(request), request.body
    return leases.take(body["ident"], body["purpose"], body["ttl_s"], holder=body["holder"], request_id=who.request_id)


def _result(delivery: Delivery) -> ResultMessage | None:
    """None for what is no result at all: giving it again would not mend it, and its step has a deadline."""
    try:
        body = delivery.body
        if errors := _RESULT.validate(body):
            raise ValidationError(errors)
        return ResultMessage.from_dict(body)
    except (ValidationError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        log.warning("result is malformed", subject=delivery.subject, detail=str(error)[:500])
        return None


def _observation(delivery: Delivery) -> tuple[str, Observation] | None:
    """(node, observation), or None for a fact that is not judged here, or makes no sense."""
    _site, _service, _kind, fact, node_uuid = delivery.subject.split(".")
    read = OBSERVATIONS.get(fact)
    if read is None:
        return None
    try:
        body = delivery.body
        data = dict(_SEEN.load(body.get("data") or {}))
        data["seen_at"] = _time(data.get("seen_at") or body["time"])
        return node_uuid, read(data)
    except (ValidationError, InvalidRequest, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        log.warning("observation is malformed", subject=delivery.subject, detail=str(error)[:500])
        return None


def _recovered(data: dict[str, Any]) -> Observation:
    if data.get("power_state"):
        return PowerSeen(power_state=data["power_state"], seen_at=data["seen_at"])
    return Reachable(seen_at=data["seen_at"])


OBSERVATIONS: dict[str, Callable[[dict[str, Any]], Observation]] = {
    "power-observed": lambda data: PowerSeen(power_state=data["power_state"], seen_at=data["seen_at"]),
    "bmc-unreachable": lambda data: Unreachable(
        failures=data["failures"], error=data.get("error", ""), seen_at=data["seen_at"]
    ),
    "bmc-recovered": _recovered,
    "health-changed": lambda data: HealthSeen(health=data.get("health"), seen_at=data["seen_at"]),
}


def _time(value: Any) -> datetime:
    """Seconds since the epoch, or ISO 8601; without a zone it is UTC."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    read = datetime.fromisoformat(str(value))
    return read if read.tzinfo else read.replace(tzinfo=UTC)
