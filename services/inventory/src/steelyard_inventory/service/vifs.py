"""Virtual interfaces of a node: attach, detach, list. What is attached where is decided in domain/vifs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from steelyard_common.db import Database, Transaction

from ..domain import vifs
from ..domain.projection import Change, Fact
from ..store import nodes, ports
from ..store.records import PORTGROUPS
from .lifecycle import Caller
from .nodes import require_free
from .outgoing import emit_events
from .workers import Clock

Record = dict[str, Any]


class Vifs:
    """With a network interface that attaches nothing (noop) every command is a success that changes nothing."""

    def __init__(self, database: Database, site: str, clock: Clock) -> None:
        self._database = database
        self._site = site
        self._clock = clock

    def list_all(self, ident: str) -> dict[str, Any]:
        """Errors: NotFound."""
        with self._database.read() as connection:
            node = nodes.get(connection, ident)
            found = vifs.listed(*_places(connection, node)) if _attaches(node) else []
        return {"vifs": [{"id": vif} for vif in found]}

    def attach(self, ident: str, vif: Mapping[str, Any], caller: Caller) -> None:
        """``vif``: id, physical_networks, port_uuid or portgroup_uuid. Errors: NotFound, Conflict, InvalidRequest."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            node = nodes.take(connection, ident)
            require_free(connection, node, now)
            if not _attaches(node):
                return
            members, groups = _places(connection, node)
            kind, item = vifs.place(
                vif["id"], members, groups, networks=vif.get("physical_networks") or (),
                port_uuid=vif.get("port_uuid"), group_uuid=vif.get("portgroup_uuid"),
            )  # fmt: skip
            _write(connection, kind, item, item["internal_info"] | {vifs.KEY: vif["id"]}, now)
            self._tell(transaction, "vif-attached", node, vif["id"], kind, item, caller, now)

    def detach(self, ident: str, vif: str, caller: Caller) -> None:
        """Errors: NotFound, Busy, InvalidRequest."""
        now = self._clock()
        with self._database.begin() as transaction:
            connection = transaction.connection
            node = nodes.take(connection, ident)
            require_free(connection, node, now)
            if not _attaches(node):
                return
            kind, item = vifs.holder(vif, node, *_places(connection, node))
            kept = {name: value for name, value in item["internal_info"].items() if name != vifs.KEY}
            _write(connection, kind, item, kept, now)
            self._tell(transaction, "vif-detached", node, vif, kind, item, caller, now)

    def _tell(
        self,
        transaction: Transaction,
        fact: str,
        node: Record,
        vif: str,
        kind: str,
        item: Mapping[str, Any],
        caller: Caller,
        now: datetime,
    ) -> None:
        change = Change(events=(Fact(name=fact, data={"vif": vif, kind: item["uuid"]}),))
        emit_events(transaction, self._site, node["uuid"], change, caller.cause, now)


def _attaches(node: Record) -> bool:
    return node["network_interface"] in vifs.ATTACHING


def _places(connection: Connection, node: Record) -> tuple[list[Record], list[Record]]:
    """The ports and the port groups of a node."""
    return ports.of_node(connection, node["uuid"]), PORTGROUPS.of_node(connection, node["uuid"])


def _write(
    connection: Connection, kind: str, item: Mapping[str, Any], internal_info: Record, now: datetime
) -> None:  # fmt: skip
    delta = {"internal_info": internal_info}
    if kind == "port":
        ports.update(connection, item, delta, now)
    else:
        PORTGROUPS.update(connection, item, delta, now)
