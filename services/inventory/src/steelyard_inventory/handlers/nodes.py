"""Entrances for nodes' records."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields, validate
from steelyard_common.bus import Endpoint

from ..service.node_views import NodeViews
from ..service.nodes import NodeRecords
from .lifecycle import caller
from .requests import ApiFacing, BusSchema, IdentSchema, ListSchema, ShowSchema, Table, UpdateSchema, api, asked


class CreateSchema(ApiFacing):
    node = fields.Dict(keys=fields.String(), required=True)


class UpdateNodeSchema(UpdateSchema):
    reset_interfaces = fields.Boolean(load_default=False)
    denied = fields.List(fields.String(), load_default=list)


class MaintenanceSchema(IdentSchema):
    on = fields.Boolean(required=True)
    reason = fields.String(allow_none=True, load_default=None)


class RaidSchema(IdentSchema):
    config = fields.Dict(keys=fields.String(), required=True)


class TraitsSchema(IdentSchema):
    mode = fields.String(required=True, validate=validate.OneOf(["replace", "add", "remove", "clear"]))
    traits = fields.List(fields.String(), load_default=list)


class PowerTargetsSchema(BusSchema):
    shard = fields.Integer(required=True, strict=True)
    after_id = fields.Integer(load_default=0, allow_none=True)
    limit = fields.Integer(load_default=200, strict=True, validate=validate.Range(1))


def endpoints(site: str, records: NodeRecords, views: NodeViews) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("nodes", ListSchema, lambda r: views.list_nodes(asked(r), api(r)))
    table.query("node", ShowSchema, lambda r: views.show(r.body["ident"], r.body["fields_"], api(r)))
    table.query("node-states", IdentSchema, lambda r: views.states(r.body["ident"], api(r)))
    table.query("node-console", IdentSchema, lambda r: views.console(r.body["ident"]))
    table.query("traits", IdentSchema, lambda r: views.traits(r.body["ident"]))
    table.query("validate-node", IdentSchema, lambda r: views.validate(r.body["ident"]))
    table.query(
        "power-targets", PowerTargetsSchema,
        lambda r: views.power_targets(r.body["shard"], r.body["after_id"] or 0, r.body["limit"]),
    )  # fmt: skip
    table.command("create-node", CreateSchema, lambda r: records.create(r.body["node"], api(r), caller(r)))
    table.command(
        "update-node", UpdateNodeSchema,
        lambda r: records.update(
            r.body["ident"], r.body["patch"], reset_interfaces=r.body["reset_interfaces"], api=api(r), caller=caller(r),
            denied=r.body["denied"],
        ),
    )  # fmt: skip
    table.command("delete-node", IdentSchema, lambda r: records.delete(r.body["ident"], caller(r)))
    table.command(
        "set-maintenance", MaintenanceSchema,
        lambda r: records.set_maintenance(
            r.body["ident"], on=r.body["on"], reason=r.body["reason"], caller=caller(r)
        ),
    )  # fmt: skip
    table.command(
        "set-target-raid", RaidSchema, lambda r: records.set_target_raid(r.body["ident"], r.body["config"], caller(r))
    )
    table.command(
        "set-traits", TraitsSchema,
        lambda r: records.set_traits(r.body["ident"], r.body["mode"], r.body["traits"], caller(r)),
    )  # fmt: skip
    return table.rows
