"""Entrance for whoever judges by the policy: whose is this?"""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields, validate
from steelyard_common.bus import Endpoint

from ..service.access import Access
from ..store.access import KINDS
from .requests import BusSchema, Table


class AccessSchema(BusSchema):
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    ident = fields.String(required=True)


class OwnersSchema(BusSchema):
    nodes = fields.List(fields.UUID(), required=True, validate=validate.Length(max=1000))


def endpoints(site: str, access: Access) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("access", AccessSchema, lambda r: access.find(r.body["kind"], r.body["ident"]))
    table.query("owners", OwnersSchema, lambda r: access.owners([str(each) for each in r.body["nodes"]]))
    return table.rows
