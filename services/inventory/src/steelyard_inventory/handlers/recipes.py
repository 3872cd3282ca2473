"""Entrances for deploy templates, runbooks and inspection rules: the same five verbs for each."""

from __future__ import annotations

from collections.abc import Sequence

from marshmallow import fields, validate
from steelyard_common.bus import Endpoint

from ..service.recipes import Recipes
from .lifecycle import caller
from .requests import ApiFacing, IdentSchema, ListSchema, ShowSchema, Table, UpdateSchema, api, asked


class CreateSchema(ApiFacing):
    record = fields.Dict(keys=fields.String(), required=True)


class TraitsSchema(IdentSchema):
    mode = fields.String(required=True, validate=validate.OneOf(["replace", "add", "remove", "clear"]))
    traits = fields.List(fields.String(), load_default=list)


def endpoints(site: str, templates: Recipes, runbooks: Recipes, rules: Recipes) -> Sequence[Endpoint]:
    table = Table(site)
    for word, plural, recipes in (
        ("deploy-template", "deploy-templates", templates),
        ("runbook", "runbooks", runbooks),
        ("inspection-rule", "inspection-rules", rules),
    ):
        _five(table, word, plural, recipes)
    table.query("runbook-traits", IdentSchema, lambda r: runbooks.traits(r.body["ident"]))
    table.command(
        "set-runbook-traits", TraitsSchema,
        lambda r: runbooks.set_traits(r.body["ident"], r.body["mode"], r.body["traits"], caller(r)),
    )  # fmt: skip
    return table.rows


def _five(table: Table, word: str, plural: str, recipes: Recipes) -> None:
    table.query(plural, ListSchema, lambda r: recipes.list_all(asked(r), api(r)))
    table.query(word, ShowSchema, lambda r: recipes.show(r.body["ident"], r.body["fields_"], api(r)))
    table.command(f"create-{word}", CreateSchema, lambda r: recipes.create(r.body["record"], api(r), caller(r)))
    table.command(
        f"update-{word}", UpdateSchema, lambda r: recipes.update(r.body["ident"], r.body["patch"], api(r), caller(r))
    )  # fmt: skip
    table.command(f"delete-{word}", IdentSchema, lambda r: recipes.delete(r.body["ident"], caller(r)))
