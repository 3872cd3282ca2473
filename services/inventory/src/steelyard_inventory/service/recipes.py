"""What can be asked about deploy templates, runbooks and inspection rules, and done to them.

One class for the three: what differs stands in their ``Recipe``. Each change, its event and its answer are one
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection
from steelyard_common.contracts.events import cloud_event
from steelyard_common.contracts.recipes import RUNBOOK_TRAITS_SINCE
from steelyard_common.db import Database, Transaction

from ..domain import patches, recipe_rules, traits
from ..domain.node_rules import changed
from ..domain.recipe_rules import Recipe
from ..store import pages, recipes, render, versions
from .context import Api, Asked
from .lifecycle import Caller
from .workers import Clock

TOLD = frozenset({"string", "bool", "integer"})  # kinds of fields whose values an event repeats


class Recipes:
    """Queries and commands on one of the three resources."""

    def __init__(self, database: Database, site: str, clock: Clock, recipe: Recipe) -> None:
        self._database = database
        self._site = site
        self._clock = clock
        self._recipe = recipe

    def list_all(self, asked: Asked, api: Api) -> bytes:
        """Errors: NotFound (the marker), InvalidRequest."""
        recipe = self._recipe
        plan = recipes.plan(recipe, api.minor, asked.columns(recipe.default_fields))
        with self._database.read() as connection:
            rows = pages.rows(recipes.LISTINGS[recipe], connection, plan, asked.page, api.sight.narrowed(asked.filters))
        items = render.documents(plan, rows, api.base_url)
        return asked.answer(api, recipe.table, items, rows[-1][plan.uuid_at] if rows else None)

    def show(self, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return self._document(connection, ident, fields, api)

    def create(self, given: Mapping[str, Any], api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, Conflict."""
        recipe, now = self._recipe, self._clock()
        record = recipe.complete(given, api.minor)
        record["uuid"] = record["uuid"] or str(uuid4())
        row = recipe_rules.split(recipe, record)
        with self._database.begin() as transaction:
            recipes.insert(transaction.connection, recipe, row)
            self._tell(transaction, "created", row, row, caller, now)
            return self._document(transaction.connection, row["uuid"], None, api)

    def update(self, ident: str, patch: Any, api: Api, caller: Caller) -> bytes:
        """→ the whole document. Errors: InvalidRequest, NotFound, Conflict."""
        recipe, now = self._recipe, self._clock()
        operations = patches.parse(patch, allowed=recipe.patchable, minor=api.minor)
        with self._database.begin() as transaction:
            connection = transaction.connection
            row = self._taken(connection, ident, caller)
            if operations:
                before = recipe_rules.joined(recipe, row)
                asked = recipe_rules.kept(recipe, before, patches.apply(before, operations))
                asked = recipe.may_change(before, asked, operations)
                # The name that stays has been checked when it was given, by the rules of that version.
                minor = max(api.minor, recipe_rules.FREE_RUNBOOK_NAMES_SINCE) if _keeps_name(row, asked) else api.minor
                after = recipe_rules.split(recipe, recipe.complete(asked, minor))
                self._write(transaction, row, changed(row, after), caller, now)
            return self._document(connection, row["uuid"], None, api)

    def delete(self, ident: str, caller: Caller) -> None:
        """Errors: NotFound."""
        with self._database.begin() as transaction:
            row = self._taken(transaction.connection, ident, caller)
            recipes.delete(transaction.connection, self._recipe, row)
            self._tell(transaction, "deleted", row, {}, caller, self._clock())

    def traits(self, ident: str) -> bytes:
        """Of a runbook. Errors: NotFound."""
        plan = recipes.plan(self._recipe, RUNBOOK_TRAITS_SINCE, ("traits",))
        with self._database.read() as connection:
            row = pages.row(recipes.LISTINGS[self._recipe], connection, plan, ident)
        return render.dump({"traits": row[0]})

    def set_traits(self, ident: str, mode: str, given: list[str], caller: Caller) -> None:
        """``mode``: replace, add, remove (what is not there counts as removed) or clear. Errors: InvalidRequest,
        NotFound."""
        with self._database.begin() as transaction:
            row = self._taken(transaction.connection, ident, caller)
            if mode == "remove":
                given = [trait for trait in given if trait in row["traits"]]
            wanted = traits.new_traits(row["uuid"], row["traits"], mode, given)
            self._write(transaction, row, changed(row, {"traits": wanted}), caller, self._clock())

    def _taken(self, connection: Connection, ident: str, caller: Caller) -> Mapping[str, Any]:
        """The row, as the caller has seen it. Errors: NotFound, PreconditionFailed."""
        row = recipes.take(connection, self._recipe, ident)
        versions.require(connection, recipes.LISTINGS[self._recipe].table, row["uuid"], caller.if_match)
        return row

    def _write(
        self, transaction: Transaction, row: Mapping[str, Any], delta: dict[str, Any], caller: Caller, now: datetime
    ) -> None:
        if delta:
            recipes.update(transaction.connection, self._recipe, row, delta, now)
            self._tell(transaction, "updated", {**row, **delta}, delta, caller, now)

    def _tell(
        self,
        transaction: Transaction,
        what: str,
        row: Mapping[str, Any],
        delta: Mapping[str, Any],
        caller: Caller,
        now: datetime,
    ) -> None:
        """Plain values are told; of lists and objects, which may hold secrets, only that they changed."""
        fields = self._recipe.fields
        plain = {name for name in delta if name in fields and fields[name].kind in TOLD}
        data = {
            "uuid": row["uuid"],
            "name": row.get("name"),
            "changed": {name: delta[name] for name in sorted(plain) if delta[name] is not None},
            "changed_objects": sorted(name for name in delta if name in fields and name not in plain),
        }
        fact = f"{self._recipe.fact}-{what}"
        transaction.emit(
            cloud_event(self._site, "inventory", fact, row["uuid"], data, cause=dict(caller.cause), now=now)
        )

    def _document(self, connection: Connection, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
        plan = recipes.plan(self._recipe, api.minor, None if fields is None else tuple(fields))
        row = pages.row(recipes.LISTINGS[self._recipe], connection, plan, ident)
        return render.tagged(render.documents(plan, [row], api.base_url)[0], row, api.minor)


def _keeps_name(row: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return "name" in row and row["name"] == asked.get("name")
