"""Rows of quotas, what projects use, and the lock that makes a look and a change one.

Who lets a project have one more node takes its lock first (until the transaction ends), then counts: of two who come at
once the second sees what the first has taken. Order of locks: nodes' rows before this one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, text

from ..domain.quota_rules import IN_USE

_LIMITS = text("SELECT resource_class, most FROM quotas WHERE project = :project")
_ALL_LIMITS = text("SELECT project, resource_class, most FROM quotas")
_DELETE = text("DELETE FROM quotas WHERE project = :project")
_INSERT = text("INSERT INTO quotas (project, resource_class, most) VALUES (:project, :resource_class, :most)")
# In one order, so that two batches with several projects do not wait for each other for ever.
_LOCK = text(
    "SELECT pg_advisory_xact_lock(k) FROM (SELECT DISTINCT hashtextextended(p, 7) AS k "
    "FROM unnest(CAST(:projects AS text[])) p ORDER BY 1) ordered"
)
_USED = text(
    "SELECT (SELECT count(*) FROM allocations WHERE owner = :project AND resource_class = :resource_class "
    "AND state <> 'error') + (SELECT count(*) FROM nodes n WHERE n.lessee = :project "
    "AND n.resource_class = :resource_class AND n.lessee IS DISTINCT FROM n.owner "
    "AND n.provision_state = ANY(CAST(:in_use AS text[])) "
    "AND NOT EXISTS (SELECT 1 FROM allocations a WHERE a.uuid = n.allocation_uuid AND a.owner = :project))"
)
_WHOSE = text(
    "SELECT n.resource_class, n.owner, a.owner FROM nodes n LEFT JOIN allocations a ON a.uuid = n.allocation_uuid "
    "WHERE n.uuid = :node"
)
_PEOPLE = "who.project IS NOT NULL OR (n.owner IS NULL AND n.lessee IS NULL)"
_NODES = (
    "SELECT who.project, n.resource_class, "
    "count(*) FILTER (WHERE n.owner = who.project) AS owned, count(*) FILTER (WHERE n.lessee = who.project) AS leased, "
    "count(*) FILTER (WHERE n.provision_state = 'active') AS active, "
    "count(*) FILTER (WHERE n.provision_state = 'available' AND n.instance_uuid IS NULL AND NOT n.maintenance) "
    "AS available, "
    "count(*) FILTER (WHERE n.lessee IS NOT DISTINCT FROM who.project AND n.owner IS DISTINCT FROM who.project "
    "AND n.provision_state = ANY(CAST(:in_use AS text[])) AND a.owner IS DISTINCT FROM who.project) AS used "
    "FROM nodes n LEFT JOIN allocations a ON a.uuid = n.allocation_uuid "
    "CROSS JOIN LATERAL (SELECT n.owner AS project UNION SELECT n.lessee) who WHERE {where} GROUP BY 1, 2"
)
_ALLOCATIONS = (
    "SELECT owner, resource_class, count(*) FILTER (WHERE state = 'allocating') AS allocating, "
    "count(*) FILTER (WHERE state = 'active') AS allocated FROM allocations WHERE state <> 'error' {where} "
    "GROUP BY 1, 2"
)
_BY_NODE = {
    True: text(_NODES.replace("{where}", "(n.owner = :project OR n.lessee = :project) AND who.project = :project")),
    False: text(_NODES.replace("{where}", _PEOPLE)),
}
_BY_ALLOCATION = {
    True: text(_ALLOCATIONS.replace("{where}", "AND owner = :project")),
    False: text(_ALLOCATIONS.replace("{where}", "")),
}
Key = tuple[str | None, str | None]  # project, resource class
COUNTS = ("owned", "leased", "allocating", "allocated", "active", "used", "available")


def limits(connection: Connection, project: str) -> dict[str, int]:
    """The project's own limits by class."""
    return {row[0]: row[1] for row in connection.execute(_LIMITS, {"project": project})}


def all_limits(connection: Connection) -> dict[str, dict[str, int]]:
    """Own limits of all projects."""
    found: dict[str, dict[str, int]] = {}
    for project, resource_class, most in connection.execute(_ALL_LIMITS):
        found.setdefault(project, {})[resource_class] = most
    return found


def replace(connection: Connection, project: str, wanted: Mapping[str, int]) -> bool:
    """Write a project's limits anew. → whether it had some"""
    lock(connection, [project])
    had = connection.execute(_DELETE, {"project": project}).rowcount > 0
    if wanted:
        rows = [{"project": project, "resource_class": name, "most": most} for name, most in wanted.items()]
        connection.execute(_INSERT, rows)
    return had


def lock(connection: Connection, projects: Collection[str]) -> None:
    """Until the transaction ends; the next to come waits."""
    if projects:
        connection.execute(_LOCK, {"projects": sorted(projects)})


def used(connection: Connection, project: str, resource_class: str | None) -> int:
    """Nodes of the class that the project has: by allocation, or in use on a lease."""
    values = {"project": project, "resource_class": resource_class, "in_use": list(IN_USE)}
    return int(connection.execute(_USED, values).scalar_one())


def whose(connection: Connection, node_uuid: str) -> tuple[str | None, str | None, str | None]:
    """(resource class, owner, owner of the allocation) of a node."""
    row = connection.execute(_WHOSE, {"node": node_uuid}).one()
    return row[0], row[1], row[2]


def usage(connection: Connection, project: str | None) -> dict[Key, dict[str, int]]:
    """COUNTS by project and class; ``project`` None: of all, and of the nodes that are nobody's."""
    values: dict[str, Any] = {"in_use": list(IN_USE)} | ({"project": project} if project is not None else {})
    found: dict[Key, dict[str, int]] = {}
    for row in connection.execute(_BY_NODE[project is not None], values).mappings():
        counts = found.setdefault((row["project"], row["resource_class"]), dict.fromkeys(COUNTS, 0))
        counts |= {name: row[name] for name in ("owned", "leased", "active", "available", "used")}
    chosen = {"project": project} if project is not None else {}
    for row in connection.execute(_BY_ALLOCATION[project is not None], chosen).mappings():
        counts = found.setdefault((row["owner"], row["resource_class"]), dict.fromkeys(COUNTS, 0))
        counts |= {name: row[name] for name in ("allocating", "allocated")}
        counts["used"] += row["allocating"] + row["allocated"]
    return found
