"""Entrances for what boot asks and tells about ramdisks; those who asked boot are not signed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import fields
from steelyard_common.bus import Endpoint, Request

from ..service.ramdisks import Ramdisks
from ..store.render import dump
from .requests import ApiSchema, BusSchema, Table


class LookupSchema(BusSchema):
    api = fields.Nested(ApiSchema, required=True)
    addresses = fields.List(fields.String(), load_default=list)
    node_uuid = fields.String(allow_none=True, load_default=None)


class LookupsSchema(BusSchema):
    asked = fields.List(fields.Nested(LookupSchema), required=True)


class IdentSchema(BusSchema):
    ident = fields.String(required=True)


class InspectionSchema(BusSchema):
    addresses = fields.List(fields.String(), load_default=list)
    node_uuid = fields.String(allow_none=True, load_default=None)
    bmc_addresses = fields.List(fields.String(), load_default=list)


class AgentSchema(BusSchema):
    node = fields.UUID(required=True)
    boot = fields.String(allow_none=True, load_default=None)
    notes = fields.Dict(keys=fields.String(), required=True)


class RefusedSchema(BusSchema):
    """An agent of a node that was not believed. ``words``: who, when, why, what to do."""

    node = fields.UUID(required=True)
    words = fields.String(required=True)


class AgentsSchema(BusSchema):
    agents = fields.List(fields.Nested(AgentSchema), required=True)
    refused = fields.List(fields.Nested(RefusedSchema), load_default=list)


def endpoints(site: str, ramdisks: Ramdisks) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("ramdisk-nodes", LookupsSchema, lambda r: dump(ramdisks.lookups(r.body["asked"])))
    table.query("node-uuid", IdentSchema, lambda r: {"uuid": ramdisks.resolve(r.body["ident"])})
    table.query("instance-of-node", IdentSchema, lambda r: ramdisks.instance(r.body["ident"]))
    table.command("observe-agents", AgentsSchema, lambda r: _observe(ramdisks, r))
    table.query(
        "inspection-node",
        InspectionSchema,
        lambda r: ramdisks.inspected_node(r.body["addresses"], r.body["bmc_addresses"], r.body["node_uuid"]),
    )
    return table.rows


def _observe(ramdisks: Ramdisks, request: Request) -> dict[str, Any]:
    if request.body["refused"]:
        ramdisks.refused({str(each["node"]): each["words"] for each in request.body["refused"]})
    return {"agents": ramdisks.observe(request.body["agents"]) if request.body["agents"] else []}
