"""Usage and quotas: how many nodes of each class a project has and may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import orjson
from sqlalchemy import Connection
from steelyard_common.bus.types import Tagged
from steelyard_common.db import Database
from steelyard_common.errors import PreconditionFailed

from ..domain import quota_rules
from ..store import quotas


class Quotas:
    """``defaults``: limits by class for projects that have none of their own."""

    def __init__(self, database: Database, defaults: Mapping[str, int]) -> None:
        self._database = database
        self._defaults = defaults

    def show(self, project: str) -> Tagged:
        with self._database.read() as connection:
            return self._document(project, quotas.limits(connection, project))

    def set(self, project: str, limits: Any, if_match: Sequence[str] | None = None) -> Tagged:
        """All limits of the project anew. Errors: InvalidRequest, PreconditionFailed."""
        wanted = quota_rules.checked(limits)
        self._replace(project, wanted, if_match)
        return self._document(project, wanted)

    def delete(self, project: str, if_match: Sequence[str] | None = None) -> None:
        """From now on the installation's apply. Errors: PreconditionFailed."""
        self._replace(project, {}, if_match)

    def _replace(self, project: str, wanted: Mapping[str, int], if_match: Sequence[str] | None) -> None:
        with self._database.begin() as transaction:
            quotas.lock(transaction.connection, [project])
            if if_match is not None and _version(quotas.limits(transaction.connection, project)) not in if_match:
                raise PreconditionFailed(
                    f"The quotas of project {project} are no longer those of the ETag in If-Match. Read them again."
                )
            quotas.replace(transaction.connection, project, wanted)

    def usage(self, project: str | None) -> dict[str, Any]:
        """``project`` None: of all."""
        with self._database.read() as connection:
            counted = quotas.usage(connection, project)
            own = quotas.all_limits(connection) if project is None else {project: quotas.limits(connection, project)}
        rows = [self._row(key, counts, own) for key, counts in sorted(counted.items(), key=_by_name)]
        return {"usage": rows}

    def _row(
        self, key: quotas.Key, counts: Mapping[str, int], own: Mapping[str, Mapping[str, int]]
    ) -> dict[str, Any]:  # fmt: skip
        project, resource_class = key
        limit = None
        if project is not None:
            limit = quota_rules.limit_of(own.get(project, {}), self._defaults, resource_class)
        left = counts["available"] if limit is None else max(0, min(counts["available"], limit - counts["used"]))
        return {"project": project, "resource_class": resource_class, **counts, "limit": limit, "may_create": left}

    def _document(self, project: str, own: Mapping[str, int]) -> Tagged:
        shown = {"project": project, "quotas": dict(sorted(own.items())), "defaults": dict(self._defaults)}
        return Tagged.of(orjson.dumps(shown), f'"{_version(own)}"')


def _version(own: Mapping[str, int]) -> str:
    """They have no row in common that would have one: their own content is."""
    return f"{crc32(orjson.dumps(own, option=orjson.OPT_SORT_KEYS)):08x}"


def require_room(
    connection: Connection, defaults: Mapping[str, int], project: str, resource_class: str | None, *, asked: int = 1
) -> None:
    """Whoever gives a project a node asks first, in the transaction that gives it. Errors: Forbidden."""
    limit = quota_rules.limit_of(quotas.limits(connection, project), defaults, resource_class)
    if limit is None:
        return
    quotas.lock(connection, [project])
    used = quotas.used(connection, project, resource_class)
    quota_rules.check_room(project, resource_class, limit=limit, used=used, asked=asked)


def require_room_for_node(connection: Connection, defaults: Mapping[str, int], project: str, node_uuid: str) -> None:
    """Before a free node is deployed for who leases it. Its owner needs no quota, nor who has it by an allocation.

    Errors: Forbidden."""
    resource_class, owner, allocated_to = quotas.whose(connection, node_uuid)
    if project not in (owner, allocated_to):
        require_room(connection, defaults, project, resource_class)


def _by_name(item: tuple[quotas.Key, Any]) -> tuple[str, str]:
    return item[0][0] or "", item[0][1] or ""
