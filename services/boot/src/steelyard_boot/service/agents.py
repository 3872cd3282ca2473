"""Agents: whose token is out, who is alive (lifecycle facts §12). What a step does with an agent: service/inband.

Lookups and heartbeats that come together share a transaction here and a message to inventory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from steelyard_common.combining import Combiner
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import Busy, InvalidRequest, NotFound, SteelyardError
from steelyard_common.provider import Clock
from steelyard_common.secrets import MASK, Sealer
from steelyard_common.telemetry import get_logger

from ..domain.lookup_config import AgentRules, lookup_config
from ..domain.reverse import Called
from ..domain.sessions import NOT_BELIEVED, Beat, Session, check_url, new_token, notes, of_boot, take
from ..store import agents as store
from .inventory import Inventory
from .refusals import Refusals

log = get_logger(__name__)
TOKENS_SINCE = 62  # microversion that can be given a token
LOOKUP, HEARTBEAT = "lookup", "heartbeat"
MOST_OWNERS = 8  # of one ramdisk's NICs: who asks is not signed in
Came = Callable[[str, str], None]
# What inventory makes of a heartbeat (its domain/ramdisks.Taken).
TAKEN, BUSY, STALE, UNKNOWN = "taken", "busy", "stale", "unknown"


@dataclass
class _Lookup:
    """A lookup on its way through a batch. ``found``: its node as inventory tells it; ``token``: in the clear when it
    was issued to this one."""

    asked: Mapping[str, Any]
    found: dict[str, Any] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)
    is_late: bool = False  # somebody else was given the token of this boot

    @property
    def node_uuid(self) -> str:
        return str(self.found["node"]["uuid"])

    @property
    def is_first(self) -> bool:
        """Of this boot: a token was issued to it."""
        return self.token not in (None, MASK)

    @property
    def issues(self) -> bool:
        return bool(self.asked["api"]["minor"] >= TOKENS_SINCE)


class Agents:
    """Sessions of agents. ``require_tls``: agents that can be called without TLS only are refused.

    ``came`` is told (node, ``lookup`` or ``heartbeat``) of each lookup and of the first heartbeat of a session."""

    def __init__(
        self, database: Database, sealer: Sealer, inventory: Inventory, clock: Clock, rules: AgentRules, *,
        require_tls: bool = True, came: Came = lambda _node, _how: None, refusals: Refusals | None = None,
    ) -> None:  # fmt: skip
        self._database, self._sealer, self._inventory, self._clock = database, sealer, inventory, clock
        self._rules, self._require_tls, self._came = rules, require_tls, came
        self._refusals = refusals or Refusals(inventory, clock)
        self._lookups: Combiner[_Lookup] = Combiner(self._issue)
        self._beats: Combiner[Beat] = Combiner(self._take)

    # ---- what agents say

    def lookup(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """``asked``: {api, addresses, node_uuid}. → {node, config}. Errors: NotFound."""
        ticket = _Lookup(asked)
        self._lookups.submit(ticket)
        node = ticket.found["node"]
        if ticket.token is not None:
            node["driver_internal_info"]["agent_secret_token"] = MASK
        config = lookup_config(self._rules, ticket.token, ticket.found.get("management"))
        return {"node": node, "config": config}

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

    def _issue(self, batch: list[_Lookup]) -> list[SteelyardError | None]:
        """Give each its token, if it is the first to ask in this boot of the node."""
        now = self._clock()
        errors: list[SteelyardError | None] = [None] * len(batch)
        nodes, several = self._inventory.ramdisk_nodes([ticket.asked for ticket in batch])
        for index, found in enumerate(nodes):
            if found is None:
                errors[index] = NotFound("No node was found for this ramdisk, or it expects none")
            else:
                batch[index].found = found
        admitted = [ticket for ticket in batch if ticket.found]
        if admitted:
            with self._database.begin() as transaction:
                left = self._issue_to(transaction, admitted, now)
                # Somebody else was faster with a session for these: theirs is taken as it is.
                self._issue_to(transaction, left, now)
        for node in dict.fromkeys(each.node_uuid for each in admitted if each.is_first):
            self._came(node, LOOKUP)
        self._refusals.of_lookups({each.node_uuid for each in admitted if each.is_late})
        pairs = zip(batch, several, strict=True)
        self._refusals.of_several({n: each.asked["addresses"] for each, named in pairs for n in named[:MOST_OWNERS]})
        return errors

    def _issue_to(self, transaction: Transaction, batch: Sequence[_Lookup], now: datetime) -> list[_Lookup]:
        """→ those whose session was made by somebody else meanwhile."""
        if not batch:
            return []
        known = store.take(transaction.connection, sorted({each.node_uuid for each in batch}))
        changed: dict[str, Session] = {}
        for ticket in batch:
            node = ticket.node_uuid
            found = changed.get(node) or known.get(node) or Session(node_uuid=node, created_at=now)
            session = of_boot(found, ticket.found["boot"])
            ticket.token = MASK if session.token is not None else None
            ticket.is_late = session.token is not None and not session.pregenerated
            if session.token is None and ticket.issues:
                ticket.token = new_token()
                session = replace(session, token=self._sealer.seal(ticket.token), issued_at=now)
            if session != known.get(node):
                changed[node] = session
        store.write(transaction.connection, [each for node, each in changed.items() if node in known])
        new = [each for node, each in changed.items() if node not in known]
        lost = {each.node_uuid for each in new} - store.add(transaction.connection, new)
        return [ticket for ticket in batch if ticket.node_uuid in lost]

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
