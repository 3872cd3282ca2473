"""Entrances for shards and for what hangs on a node: VIFs, children, BIOS, firmware, inspection data."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields
from steelyard_common.bus import Endpoint

from ..service.node_parts import NodeParts
from ..service.vifs import Vifs
from .lifecycle import caller
from .requests import ApiFacing, BusSchema, IdentSchema, Table, api


class NamedSchema(IdentSchema):
    name = fields.String(required=True)


class VifSchema(BusSchema):
    id = fields.String(required=True)
    port_uuid = fields.String(allow_none=True)
    portgroup_uuid = fields.String(allow_none=True)
    physical_networks = fields.List(fields.String(), load_default=list)


class AttachSchema(IdentSchema):
    vif = fields.Nested(VifSchema, required=True)


class DetachSchema(IdentSchema):
    vif_id = fields.String(required=True)


def endpoints(site: str, parts: NodeParts, vifs: Vifs) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("shards", ApiFacing, lambda _: parts.shards())
    table.query("node-children", IdentSchema, lambda r: parts.children(r.body["ident"], api(r)))
    table.query("node-bios", IdentSchema, lambda r: parts.bios(r.body["ident"]))
    table.query("node-bios-setting", NamedSchema, lambda r: parts.bios_setting(r.body["ident"], r.body["name"]))
    table.query("node-firmware", IdentSchema, lambda r: parts.firmware(r.body["ident"]))
    table.query("node-inventory", IdentSchema, lambda r: parts.inventory(r.body["ident"]))
    table.query("vifs", IdentSchema, lambda r: vifs.list_all(r.body["ident"]))
    table.command("attach-vif", AttachSchema, lambda r: vifs.attach(r.body["ident"], r.body["vif"], caller(r)))
    table.command("detach-vif", DetachSchema, lambda r: vifs.detach(r.body["ident"], r.body["vif_id"], caller(r)))
    return table.rows
