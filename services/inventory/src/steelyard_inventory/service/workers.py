"""Who works for us now: announcements in; drivers, conductors and each node's conductor out (api facts §11, §12).

The table is read at most every REFRESH_S by each replica: an announcement is known everywhere that soon.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from steelyard_common.contracts.permissions import PROVIDERS
from steelyard_common.db import Database
from steelyard_common.errors import Conflict, Forbidden, InvalidRequest

from ..domain import announcements
from ..store import workers as store
from ..store.node_pages import ConductorShare
from ..store.workers import Worker

REFRESH_S = 2.0
ALIVE_S = 60.0
MOST_FOREIGN = 200  # workers of one step provider
FORGOTTEN_AFTER = timedelta(days=1)  # those of them that say nothing
Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Directory:
    """The workers as they were read at ``read_at``. ``hosts``: (driver, conductor group) → live workers by name."""

    read_at: datetime
    workers: tuple[Worker, ...] = ()
    hosts: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def is_alive(self, worker: Worker) -> bool:
        return worker.online and self.read_at - worker.seen_at <= timedelta(seconds=ALIVE_S)

    def live(self) -> list[Worker]:
        return [worker for worker in self.workers if self.is_alive(worker)]

    def conductor_of(self, node_id: int, driver: str, group: str) -> str | None:
        """The host that is shown for a node: the live ones share the nodes of their driver and group evenly."""
        hosts = self.hosts.get((driver, group))
        return hosts[node_id % len(hosts)] if hosts else None

    def shares_of(self, host: str) -> tuple[ConductorShare, ...]:
        """Which nodes ``conductor_of`` gives to a host."""
        return tuple(
            (driver, group, len(hosts), hosts.index(host))
            for (driver, group), hosts in sorted(self.hosts.items())
            if host in hosts
        )

    def drivers(self) -> dict[str, list[str]]:
        """Hardware type → live hosts."""
        found: dict[str, list[str]] = {}
        for worker in self.live():
            for driver in worker.hardware_types:
                found.setdefault(driver, []).append(worker.instance)
        return dict(sorted(found.items()))

    def provides(self, interface: str, implementation: str | None) -> bool:
        return any(implementation in worker.provides.get(interface, ()) for worker in self.live())

    def supplies(self) -> frozenset[str]:
        """Keys of driver_info that some live worker has a default for."""
        return frozenset(key for worker in self.live() for key in worker.supplies)


class Workers:
    """Announcements, and the directory as this replica knows it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Directory | None = None

    def directory(self, connection: Connection | None = None, *, fresh: bool = False) -> Directory:
        """``connection``: that of a transaction which is open anyway; it must not wait for a second one."""
        now = self._clock()
        with self._lock:
            known = self._known
        if known is not None and not fresh and now - known.read_at < timedelta(seconds=REFRESH_S):
            return known
        with nullcontext(connection) if connection is not None else self._database.read() as reader:
            found = _directory(store.read_all(reader), now)
        with self._lock:
            self._known = found
        return found

    def require(self, connection: Connection, driver: str, group: str) -> None:
        """A live worker serves this hardware type in this group. Errors: InvalidRequest."""
        for fresh in (False, True):
            if (driver, group) in self.directory(connection, fresh=fresh).hosts:
                return
        raise InvalidRequest(
            f"No valid host was found. Reason: No conductor service registered which supports driver {driver} for "
            f'conductor group "{group}". Ensure the driver is valid and enabled.'
        )

    def announce(self, values: Mapping[str, Any], user: str | None = None) -> None:
        """Keep a worker's word about itself. ``user``: the step provider of somebody's own that says it.

        Errors: Forbidden, InvalidRequest, Conflict.
        """
        announcements.judge(values, user)
        word = {**values, "conductor_group": str(values["conductor_group"]).lower()}
        with self._database.begin() as transaction:
            if user is not None:
                self._require_room(transaction.connection, word)
            if not store.announce(transaction.connection, word, self._clock(), tuple(PROVIDERS)):
                raise Conflict(f"another service has a worker that is called {word['instance']}")
        with self._lock:
            self._known = None

    def _require_room(self, connection: Connection, word: Mapping[str, Any]) -> None:
        """Errors: Conflict when another step provider that is alive has the interface; Forbidden."""
        for worker in self.directory(connection).live():
            shared = sorted(worker.provides.keys() & word["provides"].keys())
            if shared and worker.service != word["service"]:
                raise Conflict(f"{', '.join(shared)}: served by {worker.service}")
        store.forget(connection, word["service"], self._clock() - FORGOTTEN_AFTER)
        if store.count_others(connection, word["service"], word["instance"]) >= MOST_FOREIGN:
            raise Forbidden(f"a step provider has at most {MOST_FOREIGN} workers")


def _directory(workers: list[Worker], now: datetime) -> Directory:
    empty = Directory(read_at=now, workers=tuple(workers))
    hosts: dict[tuple[str, str], list[str]] = {}
    for worker in empty.live():  # in order of their names
        for driver in worker.hardware_types:
            hosts.setdefault((driver, worker.conductor_group), []).append(worker.instance)
    return Directory(read_at=now, workers=empty.workers, hosts=hosts)
