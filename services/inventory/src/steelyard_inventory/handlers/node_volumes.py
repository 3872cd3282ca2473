"""What boot asks about a node's volumes, and whether there is a node of some names at all."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields
from steelyard_common.bus import Endpoint

from ..service.node_volumes import NodeVolumes
from .ramdisks import IdentSchema
from .requests import BusSchema, Table


class MachineSchema(BusSchema):
    macs = fields.List(fields.String(), load_default=list)
    system_uuids = fields.List(fields.String(), load_default=list)


def endpoints(site: str, volumes: NodeVolumes) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("node-volumes", IdentSchema, lambda r: volumes.of_node(r.body["ident"]))
    table.query(
        "knows-machine",
        MachineSchema,
        lambda r: {"known": volumes.knows(r.body["macs"], r.body["system_uuids"])},
    )
    return table.rows
