"""DNS records of nodes: written when an instance runs, removed when it goes, and tried again while the server is away.

Rule 1  What is wanted is written down first, then the server is told: a crash in between is made good by the loop.
Rule 2  A step tells the server at once and says how it went; what failed is the loop's from then on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from steelyard_common.contracts.steps import Done, Failed, StepResult
from steelyard_common.db import Database
from steelyard_common.errors import Conflict, SteelyardError
from steelyard_common.provider import Clock, Slice
from steelyard_common.telemetry import get_logger

from ..domain.dns_records import Record, Zones, addresses_of, marker, name_of, records
from ..domain.node_for_boot import NodeForBoot
from ..store import dns as store

log = get_logger(__name__)
LOOK_S, MOST = 5.0, 16
PAUSES_S = (10.0, 30.0, 60.0, 300.0)  # before each new try; the last again and again
TAKEN_S = 900.0  # a name that is somebody else's may become free


class Server(Protocol):
    """See ``drivers.dns``."""

    def change(self, wanted: Sequence[Record], stale: Sequence[Record], marker: str) -> None: ...


class DnsRecords:
    """``drive``: a node's config drive, opened. ``lend_s``: how long one change may take."""

    def __init__(
        self, database: Database, server: Server, zones: Zones, drive: Callable[[str], Any], clock: Clock, *,
        lend_s: float = 15.0,
    ) -> None:  # fmt: skip
        self._database, self._server, self._zones = database, server, zones
        self._drive, self._clock, self._lend_s = drive, clock, lend_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dns-records", daemon=True)

    def start(self) -> DnsRecords:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    # ---- steps

    def write(self, piece: Slice) -> StepResult:
        """The records of this node, as it is now."""
        node = piece.node
        name = name_of(node, self._zones)
        with self._database.read() as connection:
            leased = store.leased(connection, NodeForBoot.from_view(node).macs)
        addresses = addresses_of(self._drive(node["uuid"]), node, leased)
        if name is None or not addresses:
            self.forget(node["uuid"])  # what an earlier instance had
            what = "no name" if name is None else "no address"
            return Failed(error=Conflict(
                f"the node gets no DNS records: it has {what}. Addresses are told by network_data (of the config drive "
                "or the node) or by extra.ip_address of a port; the name by instance_name or the node's name"
            ))  # fmt: skip
        return self._settle(node["uuid"], records(name, addresses, self._zones))

    def remove(self, piece: Slice) -> StepResult:
        return self._settle(piece.node["uuid"], ())

    def forget(self, node_uuid: str) -> None:
        """The node is no more: its records go as soon as may be."""
        with self._database.begin() as transaction:
            if store.known(transaction.connection, node_uuid) is not None:
                store.want(transaction.connection, node_uuid, (), self._clock())

    def _settle(self, node_uuid: str, wanted: Sequence[Record]) -> StepResult:
        until = self._clock() + timedelta(seconds=self._lend_s)
        with self._database.begin() as transaction:
            if not wanted and store.known(transaction.connection, node_uuid) is None:
                return Done()
            row = store.want(transaction.connection, node_uuid, wanted, until)
        error = self._tell(row)
        if error is None:
            return Done()
        again = "It is tried again until it is done" if error.retryable else "It is tried again now and then"
        return Failed(error=type(error)(f"{error.message}. {again}; nothing else waits for it"))

    # ---- loop

    def look(self) -> int:
        """Try what is due. → how many"""
        now = self._clock()
        until = now + timedelta(seconds=MOST * self._lend_s)
        with self._database.begin() as transaction:
            due = store.lend(transaction.connection, now, until, MOST)
        for row in due:
            if not self._stopping.is_set():
                self._tell(row)
        return len(due)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self.look()
            except SteelyardError as error:
                log.warning("DNS records are not looked after for the moment", reason=error.message)
            except Exception as error:  # without this loop nothing is made good any more
                log.exception("writing DNS records failed", error=type(error).__name__)

    def _tell(self, row: Mapping[str, Any]) -> SteelyardError | None:
        """→ why it is not done"""
        wanted = [Record(**each) for each in row["wanted"]]
        stale = [Record(**each) for each in row["written"]]
        if wanted:
            with self._database.begin() as transaction:
                store.may_be_there(transaction.connection, row)
        try:
            self._server.change(wanted, stale, marker(row["node_uuid"]))
        except SteelyardError as error:
            pause_s = PAUSES_S[min(row["tries"], len(PAUSES_S) - 1)] if error.retryable else TAKEN_S
            log.warning("DNS records not written", node=row["node_uuid"], reason=error.message, again_s=pause_s)
            with self._database.begin() as transaction:
                due_at = self._clock() + timedelta(seconds=pause_s)
                store.failed(transaction.connection, row, error.message, due_at)
            return error
        with self._database.begin() as transaction:
            store.done(transaction.connection, row)
        return None
