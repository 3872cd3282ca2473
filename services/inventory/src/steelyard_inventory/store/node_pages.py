"""Nodes as the API shows them: plans, filters (api facts §6), the share of a conductor."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Boolean, ColumnElement, Text, and_, bindparam, false, func, or_
from steelyard_common.contracts.api import NODE_ASKED_FIELDS, NODE_FIELDS, NODE_SUBLINKS

from .pages import Condition, Listing, by_columns, contains
from .render import Plan, make_plan, with_redacted
from .tables import nodes

# (field, whose rows show it to the caller: "owner", "lessee")
Redacted = tuple[tuple[str, tuple[str, ...]], ...]
# (driver, conductor_group, number of workers, which of them): nodes that one conductor is shown for
ConductorShare = tuple[str, str, int, int]


def _is(item: ColumnElement[bool], name: str) -> ColumnElement[bool]:
    return item == bindparam(name, type_=Boolean())


def seen_by(name: str) -> ColumnElement[bool]:
    """The nodes that the project bound to ``name`` owns or leases."""
    return or_(nodes.c.owner == bindparam(name, type_=_TEXT), nodes.c.lessee == bindparam(name, type_=_TEXT))


_TEXT = Text()


def _listed(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(_TEXT))


LISTING = Listing(
    table=nodes,
    fields=NODE_FIELDS,
    word="Node",
    filters={
        **by_columns(
            nodes, "instance_uuid", "chassis_uuid", "provision_state", "driver", "resource_class", "fault",
            "conductor_group", "owner", "lessee", "parent_node", "instance_name",
        ),
        "associated": lambda: _is(nodes.c.instance_uuid.isnot(None), "associated"),
        "maintenance": lambda: _is(nodes.c.maintenance, "maintenance"),
        "retired": lambda: _is(nodes.c.retired, "retired"),
        "project": lambda: seen_by("project"),
        "visible": lambda: seen_by("visible"),
        "description_contains": lambda: contains(nodes.c.description, "description_contains"),
        "shard": lambda: nodes.c.shard == func.any(bindparam("shard", type_=ARRAY(_TEXT))),
        "sharded": lambda: _is(nodes.c.shard.isnot(None), "sharded"),
        "tags": lambda: nodes.c.tags.bool_op("@>")(_listed("tags")),
        "tags-any": lambda: nodes.c.tags.bool_op("&&")(_listed("tags-any")),
        "not-tags": lambda: ~nodes.c.tags.bool_op("@>")(_listed("not-tags")),
        "not-tags-any": lambda: ~nodes.c.tags.bool_op("&&")(_listed("not-tags-any")),
    },
)  # fmt: skip


@functools.lru_cache(maxsize=1024)
def plan(minor: int, fields: tuple[str, ...] | None, redacted: Redacted = ()) -> Plan:
    """How a node is shown at a microversion; ``fields`` None is the whole document."""
    known = NODE_FIELDS if fields is None else NODE_FIELDS | NODE_ASKED_FIELDS
    made = make_plan("nodes", nodes, known, fields, minor=minor, sublinks=NODE_SUBLINKS)
    return with_redacted(made, {name: _shown_to(whom) for name, whom in redacted})


def _shown_to(whom: tuple[str, ...]) -> ColumnElement[bool]:
    """Rows whose owner or lessee the caller's project is."""
    mine = bindparam("me", type_=_TEXT)
    return or_(false(), *(nodes.c[relation] == mine for relation in whom))


def without_children() -> ColumnElement[bool]:
    """Children are shown only to those who ask for them."""
    return nodes.c.parent_node.is_(None)


@functools.lru_cache(maxsize=64)
def in_shares(shares: tuple[ConductorShare, ...]) -> Condition:
    """Nodes of any of these shares."""
    return functools.partial(_in_shares, shares)


def _in_shares(shares: Sequence[ConductorShare]) -> ColumnElement[bool]:
    return or_(
        false(),
        *(
            and_(nodes.c.driver == driver, nodes.c.conductor_group == group, nodes.c.id % count == which)
            for driver, group, count, which in shares
        ),
    )
