"""Entrances for chassis, port groups and volumes."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields
from steelyard_common.bus import Endpoint

from ..service.attached import Attached
from ..service.chassis import Chassis
from .lifecycle import caller
from .requests import ApiFacing, IdentSchema, ListSchema, ShowSchema, Table, UpdateSchema, api, asked


class CreateSchema(ApiFacing):
    record = fields.Dict(keys=fields.String(), required=True)


def endpoints(site: str, one: str, many: str, records: Attached | Chassis) -> Sequence[Endpoint]:
    """``one``, ``many``: what they are called in verbs (``create-<one>``, a query ``<many>``)."""
    table = Table(site)
    table.query(many, ListSchema, lambda r: records.list_all(asked(r), api(r)))
    table.query(one, ShowSchema, lambda r: records.show(r.body["ident"], r.body["fields_"], api(r)))
    table.command(f"create-{one}", CreateSchema, lambda r: records.create(r.body["record"], api(r), caller(r)))
    table.command(
        f"update-{one}",
        UpdateSchema,
        lambda r: records.update(r.body["ident"], r.body["patch"], api(r), caller(r)),
    )
    table.command(f"delete-{one}", IdentSchema, lambda r: records.delete(r.body["ident"], caller(r)))
    return table.rows
