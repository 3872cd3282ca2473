"""Entrances for allocations."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields
from steelyard_common.bus import Endpoint

from ..service.allocations import Allocations
from .lifecycle import caller
from .requests import ApiFacing, IdentSchema, ListSchema, ShowSchema, Table, UpdateSchema, api, asked


class CreateSchema(ApiFacing):
    record = fields.Dict(keys=fields.String(), required=True)


def endpoints(site: str, allocations: Allocations) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("allocations", ListSchema, lambda r: allocations.list_all(asked(r), api(r)))
    table.query("allocation", ShowSchema, lambda r: allocations.show(r.body["ident"], r.body["fields_"], api(r)))
    table.query(
        "node-allocation", ShowSchema, lambda r: allocations.show_of_node(r.body["ident"], r.body["fields_"], api(r))
    )
    table.command("create-allocation", CreateSchema, lambda r: allocations.create(r.body["record"], api(r), caller(r)))
    table.command(
        "update-allocation", UpdateSchema,
        lambda r: allocations.update(r.body["ident"], r.body["patch"], api(r), caller(r)),
    )  # fmt: skip
    table.command("delete-allocation", IdentSchema, lambda r: allocations.delete(r.body["ident"], caller(r)))
    table.command(
        "delete-node-allocation", IdentSchema, lambda r: allocations.delete_of_node(r.body["ident"], caller(r))
    )
    return table.rows
