"""A verb of states/provision with its references resolved: runbook, deploy templates, children, what is parked.

``Provisioning.decide`` changes nothing: a dry run asks the same question as the verb.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, text
from steelyard_common.bmc import driver_info
from steelyard_common.errors import InvalidRequest, NotFound, Unavailable

from ..domain import provisioning, recipe_rules
from ..domain.recipe_rules import DEPLOY_TEMPLATE, RUNBOOK
from ..domain.transitions import Event, State
from ..domain.verbs import Intent
from ..domain.workflows import Kind
from ..store import nodes, recipes
from ..store import workflows as store
from ..store.provider_view import NodeRow
from .quotas import require_room_for_node
from .starting import Starter

# What a verb does to hardware needs a power interface that is set up.
NEEDS_POWER = frozenset({
    Event.INSPECT, Event.CLEAN, Event.PROVIDE, Event.DEPLOY, Event.REBUILD, Event.RESCUE, Event.UNRESCUE,
    Event.SERVICE, Event.MANAGE,
})  # fmt: skip
_CHILD_WORD = "execute_on_child_nodes"
_COUNT = text("SELECT count(*) FROM workflows WHERE finished_at IS NULL AND kind = :kind")
RETRY_AFTER_S = 30


@dataclass(frozen=True, kw_only=True)
class Request:
    """``params``: as they came with the call, secrets sealed; ``minor``: its microversion."""

    event: Event
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    minor: int = 115
    project: str | None = None


class Provisioning:
    """What a verb would begin. The node's row is held by the caller, or read only for a dry run."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    def decide(self, connection: Connection, node: NodeRow, request: Request) -> Intent:
        """Errors: InvalidRequest, NotFound, Conflict, Forbidden, Unavailable."""
        subject = self._starter.subject(connection, node)
        asked = provisioning.Asked(
            event=request.event,
            params=request.params,
            minor=request.minor,
            cleans=self._starter.rules.cleans,
            project=request.project if self._starter.rules.automatic_lessee else None,
        )
        if node.view.provision_state in provisioning.MAY_BE_PARKED:
            asked = replace(asked, parked=store.parked(connection, [node.view.uuid]).get(node.view.uuid))
        provisioning.check(subject, request.event)
        asked, subject = self._resolved(connection, node, asked), self._with_children(connection, subject, asked)
        intent = provisioning.provision(subject, asked)
        if request.event in NEEDS_POWER and intent.plan.steps:
            driver_info.validate(node.provider["interfaces"].get("power", ""), node.provider["driver_info"])
        self._check_room(connection, intent)
        lessee = intent.patch.get("lessee") or node.view.lessee
        if request.event is Event.DEPLOY and lessee and node.view.provision_state is State.AVAILABLE:
            require_room_for_node(connection, self._starter.rules.quota, lessee, node.view.uuid)
        return intent

    def _resolved(self, connection: Connection, node: NodeRow, asked: provisioning.Asked) -> provisioning.Asked:
        name = asked.params.get("runbook")
        if name is not None:
            return replace(asked, runbook=_runbook(connection, str(name)))
        wanted = node.facts.instance_info.get("traits") or ()
        if asked.event in provisioning.DEPLOYS and wanted:
            return replace(asked, templates=_template_steps(connection, [str(each) for each in wanted]))
        return asked

    def _with_children(self, connection: Connection, subject: Any, asked: provisioning.Asked) -> Any:
        """Children are looked for only when a step is for them."""
        lists = [asked.params.get(name) or () for name in ("clean_steps", "service_steps")]
        if not any(step.get(_CHILD_WORD) for steps in lists for step in steps):
            return subject
        found = nodes.children(connection, subject.view.uuid)
        return replace(subject, facts=replace(subject.facts, children=tuple(found)))

    def _check_room(self, connection: Connection, intent: Intent) -> None:
        """Errors: Unavailable when as many as an operator allows are at it already."""
        most = self._starter.rules.most.get(intent.kind) if intent.kind is not None else None
        if most is None:
            return
        if int(connection.execute(_COUNT, {"kind": str(intent.kind)}).scalar_one()) >= most:
            word = "deployments" if intent.kind is Kind.DEPLOY else "cleanings"
            raise Unavailable(
                f"{most} {word} are under way, which is the limit of this installation; retry after {RETRY_AFTER_S} s."
            )


def _runbook(connection: Connection, ident: str) -> dict[str, Any]:
    try:
        row = recipes.take(connection, RUNBOOK, ident)
    except NotFound as error:
        raise InvalidRequest(error.message) from error
    return {**row, "steps": recipe_rules.joined(RUNBOOK, row)["steps"]}


def _template_steps(connection: Connection, names: list[str]) -> tuple[dict[str, Any], ...]:
    """The steps of the deploy templates with these names, in the order of the names."""
    found = recipes.by_names(connection, DEPLOY_TEMPLATE, names)
    rows = {row["name"]: recipe_rules.joined(DEPLOY_TEMPLATE, row)["steps"] for row in found}
    return tuple(step for name in names for step in rows.get(name, ()))
