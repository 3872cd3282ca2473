"""Entrances for ports."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields
from steelyard_common.bus import Endpoint

from ..service.ports import Ports
from .lifecycle import caller
from .requests import ApiFacing, IdentSchema, ListSchema, ShowSchema, Table, UpdateSchema, api, asked


class CreateSchema(ApiFacing):
    port = fields.Dict(keys=fields.String(), required=True)


def endpoints(site: str, ports: Ports) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("ports", ListSchema, lambda r: ports.list_ports(asked(r), api(r)))
    table.query("port", ShowSchema, lambda r: ports.show(r.body["ident"], r.body["fields_"], api(r)))
    table.command("create-port", CreateSchema, lambda r: ports.create(r.body["port"], api(r), caller(r)))
    table.command(
        "update-port", UpdateSchema, lambda r: ports.update(r.body["ident"], r.body["patch"], api(r), caller(r))
    )  # fmt: skip
    table.command("delete-port", IdentSchema, lambda r: ports.delete(r.body["ident"], caller(r)))
    return table.rows
