"""Where others stand: the values of a property at the nodes of a group, or of named allocations and nodes.

One look for each allocation that is placed, by indexes; the search for its node then compares with what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from ..domain.placement import RULES, Place, path_of

# Of two members of a group that are placed at once the second waits until the first one stands.
_LOCK = text(
    "SELECT pg_advisory_xact_lock(k) FROM (SELECT DISTINCT hashtextextended(g, 8) AS k "
    "FROM unnest(CAST(:groups AS text[])) g ORDER BY 1) ordered"
)
_OF_GROUP = text(
    "SELECT DISTINCT n.properties #>> CAST(:path AS text[]) FROM allocations a JOIN nodes n ON n.uuid = a.node_uuid "
    "WHERE a.groups @> CAST(:groups AS text[]) AND a.owner IS NOT DISTINCT FROM :owner AND a.uuid <> :uuid"
)
_OF_NAMED = text(
    "SELECT n.properties #>> CAST(:path AS text[]) FROM nodes n WHERE n.uuid = ANY(CAST(:others AS uuid[])) "
    "OR n.uuid IN (SELECT node_uuid FROM allocations WHERE uuid = ANY(CAST(:others AS uuid[])))"
)
_UNPLACED = text("SELECT count(*) FROM allocations WHERE uuid = ANY(CAST(:others AS uuid[])) AND state = 'allocating'")


def lock_groups(connection: Connection, allocation: Mapping[str, Any]) -> None:
    """Until the transaction ends, which is when the allocation stands."""
    if allocation["groups"]:
        groups = [f"{allocation['owner']}\n{name}" for name in allocation["groups"]]
        connection.execute(_LOCK, {"groups": groups})


def waits_for_others(connection: Connection, allocation: Mapping[str, Any]) -> bool:
    """Whether it names allocations that have no node yet."""
    others = [uuid for name in RULES for uuid in (allocation[name] or {}).get("with", ())]
    return bool(others) and connection.execute(_UNPLACED, {"others": others}).scalar_one() > 0


def place(connection: Connection, allocation: Mapping[str, Any]) -> Place:
    """What the node must be."""
    near, apart = (allocation[name] for name in RULES)
    values = {name: _values(connection, allocation, allocation[name]) for name in RULES if allocation[name]}
    found = values.get("affinity")
    return Place(
        zone=allocation["availability_zone"],
        path=path_of(near["key"]) if near else (),
        # The first of a group may stand anywhere that is told; with others that stand nowhere nothing can be near.
        near=None if found is None or (not found and "group" in near) else tuple(found),
        apart_path=path_of(apart["key"]) if apart else (),
        apart=tuple(values["anti_affinity"]) if apart else None,
    )


def _values(connection: Connection, allocation: Mapping[str, Any], rule: Mapping[str, Any]) -> Sequence[str]:
    asked: dict[str, Any] = {"path": list(path_of(rule["key"]))}
    if "group" in rule:
        asked |= {"groups": [rule["group"]], "owner": allocation["owner"], "uuid": allocation["uuid"]}
        rows = connection.execute(_OF_GROUP, asked)
    else:
        rows = connection.execute(_OF_NAMED, asked | {"others": rule["with"]})
    return sorted({row[0] for row in rows if row[0] is not None})
