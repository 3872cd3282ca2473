"""What Ironic's API does not have: a node's timeline, why it is as it is, its steps, workflows and plans."""

from __future__ import annotations

from typing import Any

from ..domain import identifiers, insight_queries
from ..domain.listings import Query
from ..drivers import Upstream
from .call import Call
from .states import States


class Insight:
    """Questions below `/v1/nodes/{n}` and on `/v1/workflows`, and plans."""

    def __init__(self, inventory: Upstream, states: States, boot: Upstream) -> None:
        self._inventory, self._boot = inventory, boot
        self._states = states

    def timeline(self, call: Call, ident: str, query: Query) -> bytes:
        return self._query("node-timeline", call, ident, **insight_queries.timeline(query))

    def explain(self, call: Call, ident: str) -> bytes:
        return self._query("node-explain", call, ident)

    def steps(self, call: Call, ident: str) -> bytes:
        return self._query("node-steps", call, ident)

    def workflows(self, call: Call, ident: str, query: Query) -> bytes:
        return self._query("node-workflows", call, ident, **insight_queries.workflows(query))

    def workflow(self, call: Call, uuid: str) -> bytes:
        """Inventory hides those of nodes that the caller is not shown."""
        body = {"api": call.api(), "uuid": identifiers.uuid("workflow", uuid)}
        return self._inventory.query("workflow", body, call.headers())

    def boots(self, call: Call, ident: str, query: Query) -> bytes:
        given = _node(ident)
        body = {"api": call.api(), "ident": given, **insight_queries.workflows(query)}
        return self._boot.query("boot-attempts", body, call.headers())

    def boot(self, call: Call, ident: str, attempt: str) -> bytes:
        given = _node(ident)
        body = {"api": call.api(), "ident": given, "attempt": identifiers.uuid("boot attempt", attempt)}
        return self._boot.query("boot-attempt", body, call.headers())

    def make_plan(self, call: Call, ident: str, body: Any) -> bytes:
        """A dry run of states/provision: takes what that takes, and begins nothing."""
        target, parameters = self._states.provision_arguments(call, ident, body)
        return self._command("create-plan", call, ident, target=target, params=parameters)

    def plan(self, call: Call, ident: str, plan: str) -> bytes:
        return self._query("plan", call, ident, plan=identifiers.uuid("plan", plan))

    def apply_plan(self, call: Call, ident: str, plan: str) -> bytes:
        return self._command("apply-plan", call, ident, plan=identifiers.uuid("plan", plan))

    def _query(self, verb: str, call: Call, ident: str, **more: Any) -> bytes:
        given = _node(ident)
        return self._inventory.query(verb, {"api": call.api(), "ident": given, **more}, call.headers())

    def _command(self, verb: str, call: Call, ident: str, **more: Any) -> bytes:
        given = _node(ident)
        return self._inventory.command(verb, {"api": call.api(), "ident": given, **more}, call.headers())


def _node(ident: str) -> str:
    """None of this is Ironic's: a name is one whatever version the caller speaks. Errors: BadIdentifier."""
    return identifiers.from_path("node", ident, identifiers.FREE_NAMES_SINCE)
