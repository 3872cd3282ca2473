"""What can be asked about nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from steelyard_common.contracts.api import INTERFACES, NODE_DEFAULT_FIELDS
from steelyard_common.db import Database
from steelyard_common.errors import InvalidRequest

from ..domain import validation
from ..domain.values import as_uuid
from ..store import node_pages, nodes, pages, ports, render
from ..store.node_pages import LISTING
from ..store.records import CHASSIS
from ..store.sql import Row
from .context import Api, Asked
from .workers import Clock, Workers

STATES = (
    "console_enabled", "last_error", "power_state", "provision_state", "provision_updated_at", "target_power_state",
    "target_provision_state",
)  # fmt: skip
STATES_SINCE = {"raid_config": 12, "target_raid_config": 12, "boot_mode": 75, "secure_boot": 75}
POWER_TARGET = (
    "id", "busy", "maintenance", "fault", "provision_state", "target_power_state",
)  # fmt: skip
MAX_POWER_TARGETS = 1000


class NodeViews:
    """Queries; nothing here changes anything."""

    def __init__(self, database: Database, workers: Workers, clock: Clock) -> None:
        self._database = database
        self._workers = workers
        self._clock = clock

    def list_nodes(self, asked: Asked, api: Api) -> bytes:
        """Errors: NotFound (the marker), InvalidRequest."""
        plan = node_pages.plan(api.minor, asked.columns(NODE_DEFAULT_FIELDS), api.sight.redacted)
        conductor_of = self._workers.directory().conductor_of if plan.conductor_at is not None else None
        with self._database.read() as connection:
            rows = self.select(connection, plan, asked.page, asked.filters, api)
        items = render.documents(plan, rows, api.base_url, conductor_of)
        return asked.answer(api, "nodes", items, rows[-1][plan.uuid_at] if rows else None)

    def select(
        self, connection: Connection, plan: render.Plan, page: pages.Page, asked: Mapping[str, Any], api: Api
    ) -> list[Row]:
        """A page of the nodes that fit the filters ``asked`` and that the caller may see. Errors: as ``list_nodes``."""
        filters = api.sight.narrowed(asked)
        extra = []
        host = filters.pop("conductor", None)
        if host is not None:
            extra.append(node_pages.in_shares(self._workers.directory().shares_of(host)))
        # Children are shown only to those who ask for them.
        if not filters.pop("include_children", False) and "parent_node" not in filters:
            extra.append(node_pages.without_children)
        if (chassis := filters.get("chassis_uuid")) and api.sight.visible is None:
            CHASSIS.get(connection, chassis)
        parent = filters.get("parent_node")
        if parent is not None and as_uuid(parent) is None:
            found = nodes.find(connection, parent)
            if found is None or not api.sight.sees(found):
                return []
            filters["parent_node"] = found["uuid"]
        return pages.rows(LISTING, connection, plan, page, filters, *extra, me=api.sight.project)

    def show(self, ident: str, fields: Sequence[str] | None, api: Api) -> bytes:
        """Errors: NotFound."""
        plan = node_pages.plan(api.minor, None if fields is None else tuple(fields), api.sight.redacted)
        conductor_of = self._workers.directory().conductor_of if plan.conductor_at is not None else None
        with self._database.read() as connection:
            row = pages.row(LISTING, connection, plan, ident, me=api.sight.project)
        return render.tagged(render.documents(plan, [row], api.base_url, conductor_of)[0], row, api.minor)

    def states(self, ident: str, api: Api) -> bytes:
        """Errors: NotFound."""
        names = (*STATES, *(name for name, since in STATES_SINCE.items() if since <= api.minor))
        plan = node_pages.plan(api.minor, names, api.sight.redacted)
        with self._database.read() as connection:
            row = pages.row(LISTING, connection, plan, ident, me=api.sight.project)
        document = render.documents(plan, [row], api.base_url)[0]
        del document["links"]
        return render.dump(document)

    def console(self, ident: str) -> dict[str, Any]:
        """``console_info``: where it is, null while it is off or there is none. Errors: NotFound."""
        with self._database.read() as connection:
            node = nodes.get(connection, ident)
        is_on = node["console_enabled"]
        return {"console_enabled": is_on, "console_info": {} if is_on else None}

    def traits(self, ident: str) -> dict[str, Any]:
        """Errors: NotFound."""
        with self._database.read() as connection:
            return {"traits": sorted(nodes.get(connection, ident)["traits"])}

    def validate(self, ident: str) -> dict[str, Any]:
        """Each interface's result, without asking the BMC. Errors: NotFound."""
        with self._database.read() as connection:
            node = nodes.get(connection, ident)
            has_port = bool(ports.of_node(connection, node["uuid"]))
        directory = self._workers.directory()
        return validation.validate(
            validation.Validated(
                uuid=node["uuid"],
                interfaces={name: node[f"{name}_interface"] for name in INTERFACES},
                driver_info=node["driver_info"],
                instance_info=node["instance_info"],
                properties=node["properties"] or {},
                has_port=has_port,
                provides=directory.provides,
                supplied=directory.supplies(),
                arch=str((node["properties"] or {}).get("cpu_arch") or ""),
            )
        )

    def power_targets(self, shard: int, after_id: int, limit: int) -> dict[str, Any]:
        """Nodes of one shard for power sync, in id order; ``next`` is None on the last page."""
        if not 0 <= shard < nodes.POWER_SHARDS:
            raise InvalidRequest(f"a shard is a number from 0 to {nodes.POWER_SHARDS - 1}")
        limit = min(limit, MAX_POWER_TARGETS)
        with self._database.read() as connection:
            found = nodes.power_targets(connection, shard=shard, after_id=after_id, limit=limit, now=self._clock())
        targets = [
            nodes.for_provider(node) | {"recorded": node["power_state"]} | {name: node[name] for name in POWER_TARGET}
            for node in found
        ]
        return {"targets": targets, "next": found[-1]["id"] if len(found) == limit else None}
