"""Entrances for what a person asks about a node: explanation, steps, workflows."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields, validate
from steelyard_common.bus import Endpoint

from ..service.insight import Insight
from ..store.insight import Page
from .requests import MAX_LIMIT, ApiFacing, IdentSchema, Table, api


class PageSchema(IdentSchema):
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, MAX_LIMIT))
    marker = fields.String(allow_none=True, load_default=None)


class UuidSchema(ApiFacing):
    uuid = fields.String(required=True)


def endpoints(site: str, insight: Insight) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("node-explain", IdentSchema, lambda r: insight.explain(r.body["ident"]))
    table.query("node-steps", IdentSchema, lambda r: insight.steps(r.body["ident"]))
    table.query(
        "node-workflows", PageSchema,
        lambda r: insight.workflows(r.body["ident"], Page(limit=r.body["limit"], marker=r.body["marker"]), api(r)),
    )  # fmt: skip
    table.query("workflow", UuidSchema, lambda r: insight.workflow(r.body["uuid"], api(r)))
    return table.rows
