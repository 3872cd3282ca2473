"""Entrances for what Ironic does not know: tags of nodes, usage and quotas of projects."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields, validate
from steelyard_common.bus import Endpoint

from ..service.quotas import Quotas
from ..service.tags import Tags
from .lifecycle import caller
from .requests import ApiFacing, IdentSchema, Table


class TagsSchema(IdentSchema):
    mode = fields.String(required=True, validate=validate.OneOf(["replace", "add", "remove"]))
    tags = fields.List(fields.String(), required=True)


class ProjectSchema(ApiFacing):
    project = fields.String(required=True, validate=validate.Length(1, 255))


class QuotasSchema(ProjectSchema):
    quotas = fields.Raw(required=True)


class UsageSchema(ApiFacing):
    project = fields.String(allow_none=True, load_default=None)


def endpoints(site: str, tags: Tags, quotas: Quotas) -> Sequence[Endpoint]:
    table = Table(site)
    table.query("node-tags", IdentSchema, lambda r: tags.show(r.body["ident"]))
    table.command(
        "set-tags", TagsSchema, lambda r: tags.change(r.body["ident"], r.body["mode"], r.body["tags"], caller(r))
    )
    table.query("usage", UsageSchema, lambda r: quotas.usage(r.body["project"]))
    table.query("quotas", ProjectSchema, lambda r: quotas.show(r.body["project"]))
    table.command(
        "set-quotas", QuotasSchema, lambda r: quotas.set(r.body["project"], r.body["quotas"], caller(r).if_match)
    )
    table.command("delete-quotas", ProjectSchema, lambda r: quotas.delete(r.body["project"], caller(r).if_match))
    return table.rows
