"""Entrances for what Ironic does not know: tags of nodes, usage and quotas of projects."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields, validate
from steelyard_common.bus import Endpoint

from ..service.tags import Tags
from .lifecycle import caller
from .requests import IdentSchema, Table


class TagsSchema(IdentSchema):
    mode = fields.String(required=True, validate=validate.OneOf(["replace", "add", "remove"]))
    tags = fields.List(fields.String(), required=True)


def endpoints(site: str, tags: Tags) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("node-tags", IdentSchema, lambda r: tags.show(r.body["ident"]))
    table.command(
        "set-tags", TagsSchema, lambda r: tags.change(r.body["ident"], r.body["mode"], r.body["tags"], caller(r))
    )
    return table.rows
