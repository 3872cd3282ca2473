"""Tags of nodes: read, set, told. They change whoever holds the node: no work on it looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steelyard_common.db import Database

from ..domain import tags
from ..domain.projection import Change, Fact
from ..store import nodes, tables, versions
from .lifecycle import Caller
from .outgoing import emit_events
from .workers import Clock


class Tags:
    """Queries and commands on ``/v1/nodes/{n}/tags``."""

    def __init__(self, database: Database, site: str, clock: Clock) -> None:
        self._database = database
        self._site = site
        self._clock = clock

    def show(self, ident: str) -> dict[str, Any]:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return {"tags": nodes.get(connection, ident)["tags"]}

    def change(self, ident: str, mode: str, given: Sequence[Any], caller: Caller) -> dict[str, Any]:
        """``mode``: replace, add or remove. → the tags, and whether something changed. Errors: InvalidRequest,
        NotFound."""
        now = self._clock()
        with self._database.begin() as transaction:
            node = nodes.take(transaction.connection, ident)
            versions.require(transaction.connection, tables.nodes, node["uuid"], caller.if_match)
            wanted = tags.new_tags(node["uuid"], node["tags"], mode, given)
            changed = wanted != node["tags"]
            if changed:
                nodes.update(transaction.connection, node, {"tags": wanted}, now)
                data = {"uuid": node["uuid"], "name": node["name"], "changed": {"tags": wanted}, "changed_objects": []}
                change = Change(events=(Fact(name="node-updated", data=data),))
                emit_events(transaction, self._site, node["uuid"], change, caller.cause, now)
        return {"tags": wanted, "changed": changed}
