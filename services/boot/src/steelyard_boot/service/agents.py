"""Agents: whose token is out, who is alive (lifecycle facts §12). What a step does with an agent: service/inband.

Heartbeats that come together share a transaction here and a message to inventory, as lookups do (service/lookups).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from steelyard_common.combining import Combiner
from steelyard_common.db import Database
from steelyard_common.errors import Busy, InvalidRequest, NotFound, SteelyardError
from steelyard_common.provider import Clock
from steelyard_common.secrets import Sealer

from ..domain.lookup_config import AgentRules
from ..domain.reverse import Called
from ..domain.sessions import NOT_BELIEVED, Beat, Session, check_url, new_token, notes, of_boot, take
from ..store import agents as store
from .inventory import Inventory
from .lookups import Came, Lookups
from .refusals import Refusals

HEARTBEAT = "heartbeat"
# What inventory makes of a heartbeat (its domain/ramdisks.Taken).
TAKEN, BUSY, STALE, UNKNOWN = "taken", "busy", "stale", "unknown"


class Agents:
    """Sessions of agents. ``require_tls``: agents that can be called without TLS only are refused.

    ``came`` is told (node, ``lookup`` or ``heartbeat``) of each lookup and of the first heartbeat of a session."""

    def __init__(
        self, database: Database, sealer: Sealer, inventory: Inventory, clock: Clock, rules: AgentRules, *,
        require_tls: bool = True, came: Came = lambda _node, _how: None, refusals: Refusals | None = None,
    ) -> None:  # fmt: skip
        self._database, self._sealer, self._inventory, self._clock = database, sealer, inventory, clock
        self._require_tls, self._came = require_tls, came
        self._refusals = refusals or Refusals(inventory, clock)
        self._lookups = Lookups(database, sealer, inventory, clock, rules, came=came, refusals=self._refusals)
        self._beats: Combiner[Beat] = Combiner(self._take)

    # ---- what agents say

    def lookup(self, asked: Mapping[str, Any], request_id: str = "") -> dict[str, Any]:
        """See ``Lookups.answer``."""
        return self._lookups.answer(asked, request_id)

    def heartbeat(self, ident: str, beat: Mapping[str, Any]) -> None:
        """``beat``: the fields of ``Beat`` but for the node. Errors: NotFound, InvalidRequest, Busy."""
        self._beats.submit(Beat(node_uuid=self._uuid(ident), **beat))

    # ---- what steps ask

    def session(self, node_uuid: str) -> Session | None:
        with self._database.read() as connection:
            return store.read(connection, [node_uuid]).get(node_uuid)

    def expect(self, node_uuid: str, token: str | None = None, called: Called | None = None) -> None:
        """A ramdisk is prepared: what was known of the last agent is forgotten. ``token``: sealed, if it travels with
        the medium; ``called``: boot will call the agent. Errors: InvalidRequest for an address without TLS."""
        now = self._clock()
        url = called.url if called is not None else None
        if url is not None:
            check_url(url, require_tls=self._require_tls)
        session = Session(
            node_uuid=node_uuid, token=token, pregenerated=token is not None, issued_at=now if token else None,
            reverse_url=url, verify_ca=called.certificate if called is not None else None,
            poll_at=now if url else None, created_at=now,
        )  # fmt: skip
        with self._database.begin() as transaction:
            store.write(transaction.connection, [session])
        self._refusals.begin(node_uuid)

    def forget(self, node_uuid: str) -> None:
        """The ramdisk is taken away: no token of this node is good any more."""
        with self._database.begin() as transaction:
            store.delete(transaction.connection, [node_uuid])

    def remember(self, node_uuid: str, kind: str, version: Any) -> None:
        """The versions of the hardware managers, as the agent told them with its steps."""
        with self._database.begin() as transaction:
            for session in store.take(transaction.connection, [node_uuid]).values():
                known = {**session.versions, kind: version}
                store.write(transaction.connection, [replace(session, versions=known)])

    # ---- agents that are called (reverse mode)

    def due(self, most: int, lend_s: float) -> list[Session]:
        """Those that are to be called now; nobody else is given them for ``lend_s``."""
        now = self._clock()
        with self._database.begin() as transaction:
            found = store.due(transaction.connection, now, most)
            lent = [replace(session, poll_at=now + timedelta(seconds=lend_s)) for session in found]
            store.write(transaction.connection, lent)
        return lent

    def met(self, session: Session, version: str | None, again_s: float) -> None:
        """It answered: as good as a heartbeat. Errors: Unavailable."""
        now = self._clock()

        def change(found: Session) -> Session:
            return replace(
                found, url=found.reverse_url, version=version, last_heartbeat_at=now, poll_failures=0,
                poll_at=now + timedelta(seconds=again_s),
            )  # fmt: skip

        kept = self._change(session, change)
        if kept is not None:
            if session.last_heartbeat_at is None:
                self._came(kept.node_uuid, HEARTBEAT)
            self._inventory.observe_agents([{"node": kept.node_uuid, "boot": kept.boot, "notes": notes(kept, now)}])

    def missed(self, session: Session, again_s: float) -> None:
        """It did not answer."""
        due = self._clock() + timedelta(seconds=again_s)
        self._change(session, lambda found: replace(found, poll_failures=found.poll_failures + 1, poll_at=due))

    def _change(self, session: Session, change: Callable[[Session], Session]) -> Session | None:
        """None when the session was replaced meanwhile."""
        with self._database.begin() as transaction:
            found = store.take(transaction.connection, [session.node_uuid]).get(session.node_uuid)
            if found is None or found.created_at != session.created_at:
                return None
            kept = change(found)
            store.write(transaction.connection, [kept])
        return kept

    def sealed_token(self) -> str:
        """A new token, sealed: for a medium."""
        return self._sealer.seal(new_token())

    def open_token(self, session: Session) -> str:
        """In the clear, for who speaks to the agent. Errors: InvalidRequest when no agent has one."""
        if session.token is None:
            raise InvalidRequest("no agent has been given a token for this node")
        return self._sealer.open(session.token)

    # ---- inside

    def _uuid(self, ident: str) -> str:
        try:
            return str(UUID(ident))
        except ValueError:
            return self._inventory.node_uuid(ident)

    def _take(self, batch: list[Beat]) -> list[SteelyardError | None]:
        """What is believed is written here first, so that who is woken by inventory finds it."""
        now = self._clock()
        errors: list[SteelyardError | None] = [None] * len(batch)
        believed: dict[str, Session] = {}
        with self._database.begin() as transaction:
            found = store.take(transaction.connection, sorted({beat.node_uuid for beat in batch}))
            for index, beat in enumerate(batch):
                session = believed.get(beat.node_uuid) or found.get(beat.node_uuid)
                try:
                    believed[beat.node_uuid] = take(
                        session, beat, now, self._sealer.open, require_tls=self._require_tls
                    )
                except InvalidRequest as error:
                    errors[index] = error
            store.write(transaction.connection, believed.values())
        for uuid in believed:
            if uuid in found and found[uuid].last_heartbeat_at is None:
                self._came(uuid, HEARTBEAT)
        refused = [(beat, error) for beat, error in zip(batch, errors, strict=True) if error is not None]
        self._refusals.of_heartbeats({beat.node_uuid: (beat.url, error.message) for beat, error in refused})
        told = self._tell(batch, errors, believed, now)
        for index, beat in enumerate(batch):
            errors[index] = _outcome(beat, errors[index], told.get(beat.node_uuid, {}))
        self._settle(told, believed)
        return errors

    def _tell(
        self, batch: Sequence[Beat], errors: Sequence[SteelyardError | None], believed: Mapping[str, Session],
        now: datetime,
    ) -> dict[str, dict[str, Any]]:  # fmt: skip
        """Inventory hears of those that are believed, and is asked whether the others' nodes are there at all."""
        agents = [
            {"node": session.node_uuid, "boot": session.boot, "notes": notes(session, now)}
            for session in believed.values()
        ]
        strangers = {beat.node_uuid for beat, error in zip(batch, errors, strict=True) if error is not None}
        told = self._inventory.observe_agents(agents) if agents else {}
        for stranger in strangers - believed.keys():
            try:
                self._inventory.node_uuid(stranger)
            except NotFound:
                told[stranger] = {"taken": UNKNOWN}
        return told

    def _settle(self, told: Mapping[str, Mapping[str, Any]], believed: Mapping[str, Session]) -> None:
        """Sessions learn which boot of their node they are of: those of one that is over forget what belonged to it."""
        boots = {
            uuid: each["boot"]
            for uuid, each in told.items()
            if each["taken"] == STALE or (each["taken"] == TAKEN and believed[uuid].boot is None)
        }
        if not boots:
            return
        with self._database.begin() as transaction:
            found = store.take(transaction.connection, sorted(boots))
            store.write(transaction.connection, [of_boot(each, boots[uuid]) for uuid, each in found.items()])


def _outcome(beat: Beat, error: SteelyardError | None, told: Mapping[str, Any]) -> SteelyardError | None:
    taken = told.get("taken")
    if taken == UNKNOWN:
        return NotFound(f"Node {beat.node_uuid} could not be found.")
    if error is not None:
        return error
    if taken == STALE:
        return InvalidRequest(NOT_BELIEVED)
    if taken == BUSY:
        return Busy(f"Node {beat.node_uuid} is locked by somebody else; repeat the heartbeat in a moment.")
    return None
