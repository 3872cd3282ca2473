"""What boot asks and tells about ramdisks: whose is it, may it speak, it is alive (API facts §20)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection
from steelyard_common.db import Database

from ..domain import ramdisks
from ..domain.inspection_data import known_disks
from ..domain.progress import signal
from ..domain.ramdisks import Taken
from ..domain.runs import Run
from ..domain.step_moves import not_believed
from ..domain.transitions import State
from ..store import inventories, nodes, ports
from ..store import ramdisks as store
from ..store import workflows as workflow_store
from .starting import Clock


class Ramdisks:
    """``wake`` tells the engine when it must look; ``fast_track``: agents are kept running, unless a node says no."""

    def __init__(
        self, database: Database, clock: Clock, wake: Callable[[datetime], None], *, fast_track: bool = False
    ) -> None:
        self._database, self._clock, self._wake = database, clock, wake
        self._fast_track = fast_track

    def lookups(self, asked: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Each {api, addresses, node_uuid}: by UUID, else by the addresses of ports.

        → {found: {node: as a lookup shows it, boot, management} of each, or None: no node, several, or it expects no
        ramdisk; several: UUIDs of each, where it has addresses of several nodes}.
        """
        with self._database.read() as connection:
            idents = [
                [each["node_uuid"]] if each["node_uuid"] else ports.owners(connection, each["addresses"])
                for each in asked
            ]
            pairs = zip(asked, idents, strict=True)
            found = [self._lookup(connection, each["api"], named) for each, named in pairs]
        return {"found": found, "several": [named if len(named) > 1 else [] for named in idents]}

    def _lookup(
        self, connection: Connection, api: Mapping[str, Any], idents: Sequence[str]
    ) -> dict[str, Any] | None:  # fmt: skip
        found = store.shown(connection, idents, api["minor"], api["base_url"]) if len(idents) == 1 else []
        states = ramdisks.LOOKUP
        if found:
            fast = ramdisks.is_fast(found[0]["driver_info"], default=self._fast_track)
            states = ramdisks.lookup_states(is_fast=fast)
        if not found or State(found[0]["provision_state"]) not in states:
            return None
        return {name: found[0][name] for name in ("node", "boot", "management")}

    def resolve(self, ident: str) -> str:
        """The UUID behind a name. Errors: NotFound."""
        with self._database.read() as connection:
            return str(nodes.get(connection, ident)["uuid"])

    def instance(self, ident: str) -> dict[str, Any]:
        """What is too large for the messages of steps, and whose instance it is. Errors: NotFound."""
        with self._database.read() as connection:
            node = nodes.get(connection, ident)
            found = inventories.get(connection, node["uuid"])
        drive = node["sealed"].get("instance_info", {}).get("/configdrive")
        disks = known_disks(node, orjson.loads(found[0])) if found is not None else []
        return {"configdrive": drive, "project": node["lessee"] or node["owner"], "disks": disks}

    def observe(self, agents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Heartbeats that boot believes: recorded, and whoever waits for one is woken.

        Each is {node, boot: of its session or None, notes: for driver_internal_info}. → {node, taken, boot} of each.
        """
        now = self._clock()
        told = {str(agent["node"]): agent for agent in agents}
        woken: list[str] = []
        with self._database.begin() as transaction:
            connection = transaction.connection
            rows = {row["uuid"]: row for row in store.take(connection, told)}
            held, waiting = store.at_work(connection, rows, ramdisks.SIGNAL, now)
            outcomes = {
                uuid: ramdisks.judge(
                    State(row["provision_state"]), told[uuid]["boot"], row["boot"],
                    is_first=not row["is_known"], is_held=uuid in held and uuid not in waiting,
                )
                for uuid, row in rows.items()
            }  # fmt: skip
            taken = {uuid: told[uuid]["notes"] for uuid, outcome in outcomes.items() if outcome is Taken.TAKEN}
            store.note(connection, taken)
            woken = [workflow for uuid, workflow in waiting.items() if uuid in taken]
            _move(connection, woken, lambda run: signal(run, ramdisks.SIGNAL, now), now)
        if woken:
            self._wake(now)
        return [
            {
                "node": uuid, "taken": outcomes.get(uuid, Taken.UNKNOWN),
                "boot": rows[uuid]["boot"] if uuid in rows else None,
            }
            for uuid in told
        ]  # fmt: skip

    def refused(self, words: Mapping[str, str]) -> None:
        """Agents of these nodes that boot did not believe: their steps that wait for one say so."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            rows = [row["uuid"] for row in store.take(connection, words)]
            _, waiting = store.at_work(connection, rows, ramdisks.SIGNAL, now)
            _move(connection, [*waiting.values()], lambda run: not_believed(run, words[run.node_uuid]), now)

    def inspected_node(
        self, addresses: Sequence[str], bmc_addresses: Sequence[str], node_uuid: str | None
    ) -> dict[str, str]:
        """By UUID and addresses of ports, which must name one node; else by its BMC. → {uuid}. Errors: NotFound."""
        with self._database.read() as connection:
            idents = {*ports.owners(connection, addresses), *([node_uuid] if node_uuid else [])}
            by_bmc = not idents
            if by_bmc:
                idents = set(nodes.in_states(connection, ramdisks.INSPECTION))
            found = [node for ident in sorted(idents) if (node := nodes.find(connection, ident)) is not None]
        if by_bmc:
            found = [node for node in found if ramdisks.has_bmc_at(node, bmc_addresses)]
        return {"uuid": str(ramdisks.admit(found, ramdisks.INSPECTION)["uuid"])}


def _move(connection: Connection, workflows: Sequence[str], change: Callable[[Run], Run], now: datetime) -> None:
    saves = []
    for each in workflow_store.load(connection, workflows) if workflows else ():
        run = change(each.run)
        if run is not each.run:
            saves.append(workflow_store.Written(run=run, before=each.run, patch={}))
    if saves:
        workflow_store.save(connection, saves, now)
