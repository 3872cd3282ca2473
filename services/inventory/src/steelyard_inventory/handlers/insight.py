"""Entrances for what a person asks about a node: explanation, steps, workflows, plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import fields, validate
from steelyard_common.bus import Endpoint, Request

from ..service.insight import Insight
from ..service.plans import Plans
from ..store.insight import Page
from .lifecycle import caller, provision_params
from .requests import MAX_LIMIT, ApiFacing, IdentSchema, Table, api


class PageSchema(IdentSchema):
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, MAX_LIMIT))
    marker = fields.String(allow_none=True, load_default=None)


class UuidSchema(ApiFacing):
    uuid = fields.String(required=True)


class NewPlanSchema(IdentSchema):
    """``params``: the parameters of states/provision, as the gateway lets them through: checked, secrets sealed."""

    target = fields.String(required=True)
    params = fields.Dict(keys=fields.String(), load_default=dict)


class PlanSchema(IdentSchema):
    plan = fields.String(required=True)


def endpoints(site: str, insight: Insight, plans: Plans) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("node-explain", IdentSchema, lambda r: insight.explain(r.body["ident"], api(r)))
    table.query("node-steps", IdentSchema, lambda r: insight.steps(r.body["ident"]))
    table.query(
        "node-workflows", PageSchema,
        lambda r: insight.workflows(r.body["ident"], Page(limit=r.body["limit"], marker=r.body["marker"]), api(r)),
    )  # fmt: skip
    table.query("workflow", UuidSchema, lambda r: insight.workflow(r.body["uuid"], api(r)))
    table.command("create-plan", NewPlanSchema, lambda r: _make_plan(plans, r))
    table.query("plan", PlanSchema, lambda r: plans.show(r.body["ident"], r.body["plan"]))
    table.command("apply-plan", PlanSchema, lambda r: plans.apply(r.body["ident"], r.body["plan"], caller(r)))
    return table.rows


def _make_plan(plans: Plans, request: Request) -> dict[str, Any]:
    body = request.body
    return plans.make(body["ident"], body["target"], provision_params(body["params"]), api(request), caller(request))
