"""Entrances for ramdisks; who asks is not signed in."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields
from steelyard_common.bus import Endpoint

from ..service.ramdisks import Ramdisks
from .requests import BusSchema, Table


class LookupSchema(BusSchema):
    addresses = fields.List(fields.String(), load_default=list)
    node_uuid = fields.String(allow_none=True, load_default=None)


class InspectionSchema(LookupSchema):
    bmc_addresses = fields.List(fields.String(), load_default=list)


class HeartbeatSchema(BusSchema):
    ident = fields.String(required=True)
    callback_url = fields.String(required=True)
    token = fields.String(required=True)


def endpoints(site: str, ramdisks: Ramdisks) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("ramdisk-node", LookupSchema, lambda r: ramdisks.lookup(r.body["addresses"], r.body["node_uuid"]))
    table.command(
        "take-heartbeat",
        HeartbeatSchema,
        lambda r: ramdisks.heartbeat(r.body["ident"], r.body["callback_url"], r.body["token"]),
    )
    table.command(
        "take-inspection",
        InspectionSchema,
        lambda r: ramdisks.continue_inspection(r.body["addresses"], r.body["bmc_addresses"], r.body["node_uuid"]),
    )
    return table.rows
