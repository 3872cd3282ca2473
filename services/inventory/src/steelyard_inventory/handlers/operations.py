"""Entrances for group operations."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from marshmallow import fields, validate
from steelyard_common.bus import Endpoint

from ..domain.operations import DEFAULT_PARALLEL, MOST_NODES, MOST_PARALLEL, Outcome, Status
from ..service.operations import Operations
from .lifecycle import caller
from .requests import MAX_LIMIT, ApiFacing, Table, api

_IDENTS = validate.Length(1, MOST_NODES)


class SelectSchema(ApiFacing):
    selector = fields.Dict(keys=fields.String(), allow_none=True, load_default=None)
    nodes = fields.List(fields.String(), allow_none=True, load_default=None, validate=_IDENTS)


class CreateSchema(SelectSchema):
    uuid = fields.UUID(required=True)
    verb = fields.String(required=True)
    parameters = fields.Dict(keys=fields.String(), load_default=dict)
    parallelism = fields.Integer(load_default=DEFAULT_PARALLEL, strict=True, validate=validate.Range(1, MOST_PARALLEL))


class OneSchema(ApiFacing):
    uuid = fields.UUID(required=True)


class _PageSchema(ApiFacing):
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, MAX_LIMIT))
    marker = fields.UUID(allow_none=True, load_default=None)


class ListSchema(_PageSchema):
    status = fields.String(allow_none=True, load_default=None, validate=validate.OneOf(list(Status)))
    verb = fields.String(allow_none=True, load_default=None)


class NodesSchema(_PageSchema):
    uuid = fields.UUID(required=True)
    outcome = fields.String(allow_none=True, load_default=None, validate=validate.OneOf(list(Outcome)))


class AbortSchema(OneSchema):
    stops_running = fields.Boolean(load_default=False)


def endpoints(site: str, operations: Operations) -> Sequence[Endpoint]:
    table = Table(site)
    table.query(
        "operation-targets", SelectSchema, lambda r: orjson.dumps({"nodes": operations.resolve(r.body, api(r))})
    )
    table.query(
        "operations", ListSchema, lambda r: operations.list_all({**r.body, "marker": _text(r.body["marker"])}, api(r))
    )
    table.query("operation", OneSchema, lambda r: operations.show(str(r.body["uuid"]), api(r)))
    table.query(
        "operation-nodes",
        NodesSchema,
        lambda r: operations.nodes(
            str(r.body["uuid"]), r.body["outcome"], _text(r.body["marker"]), r.body["limit"], api(r)
        ),
    )
    table.command(
        "create-operation",
        CreateSchema,
        lambda r: operations.create({**r.body, "uuid": str(r.body["uuid"])}, api(r), caller(r)),
    )
    table.command("retry-operation", OneSchema, lambda r: operations.retry(str(r.body["uuid"]), api(r)))
    table.command(
        "abort-operation",
        AbortSchema,
        lambda r: operations.abort(str(r.body["uuid"]), api(r), stops_running=r.body["stops_running"]),
    )
    return table.rows  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else str(value)
