"""`/v1/events/stream`: what somebody asks to follow, whether they may, and what of it they see."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

import orjson
from steelyard_common.bus import StreamState
from steelyard_common.errors import InvalidRequest, TooManyRequests, Unavailable

from ..domain import event_stream, identifiers, values
from ..domain.event_stream import DROPPED, ENDED, SEVERITIES, Since, Told, Wanted, Whose
from ..domain.insight_queries import moment
from ..domain.listings import Query, refuse_unknown, single
from ..domain.policy.guards import NODE, SEE_NODE
from ..drivers import Upstream
from ..drivers.event_log import EventLog
from ..drivers.outlets import Outlets
from .access import Gate
from .call import Call, Caller
from .event_readers import Readers, chunks

MOST_PATTERNS, MOST_NODES = 50, 100
MOST_OF_ONE = 50  # readers of one project
ASKED_AT_ONCE = 500
TOO_SLOW = "you took too little: come back with Last-Event-ID, to go on behind the last event that you have"
LEAVES = "this gateway stops: come back with Last-Event-ID, and another goes on"
# The beginning of a fact that is about no node → whose rule decides, and what its owner is called there.
_OWNED = {
    "allocation-": ("baremetal:allocation:get", "allocation.owner"),
    "operation-": ("baremetal:operation:get", "operation.owner"),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A stream that may begin. ``payer``: the project that it counts for; None: nobody's."""

    wanted: Wanted
    since: Since
    caller: Caller
    sees_all: bool
    payer: str | None
    state: StreamState


class Events:
    """``most``: readers of this gateway; ``for_s``: how long one may follow without signing in again."""

    def __init__(self, events: EventLog, inventory: Upstream, gate: Gate, *, most: int, for_s: float) -> None:
        self._inventory, self._gate = inventory, gate
        self._most, self._for_s = most, for_s
        self._lock = Lock()
        self._of: Counter[str | None] = Counter()
        self._outlets = Outlets()
        self._readers = Readers(events, self._whose)

    def stop(self) -> None:
        self._readers.stop()
        self._outlets.stop(event_stream.notice(ENDED, LEAVES))

    def prepare(self, call: Call, query: Query, last_event_id: str) -> Asked:
        """Errors: InvalidRequest, NotFound (a node), TooManyRequests, Unavailable."""
        refuse_unknown(query, {"type", "node", "severity", "since"})
        caller = call.caller
        payer = None if caller.system else caller.project
        with self._lock:
            if self._of.total() >= self._most:
                raise Unavailable(f"{self._most} clients follow the events here; try again later")
            if payer is not None and self._of[payer] >= MOST_OF_ONE:
                raise TooManyRequests(f"your project follows the events {MOST_OF_ONE} times here", retry_after_s=30)
        wanted = Wanted(types=_types(query), nodes=self._nodes(call, query), severity=_severity(query))
        sees_all = call.sight is None or call.sight.visible is None
        since = _since(query, last_event_id)
        return Asked(
            wanted=wanted, since=since, caller=caller, sees_all=sees_all, payer=payer, state=self._readers.state()
        )

    def open(self, asked: Asked, client: socket.socket, *, chunked: bool) -> None:
        """``client``: on which the head was sent; it is ours from now on, whatever happens."""
        with self._lock:
            self._of[asked.payer] += 1
        outlet = self._outlets.open(
            client, chunked=chunked, last_word=event_stream.notice(DROPPED, TOO_SLOW),
            on_close=lambda: self._gone(asked.payer),
        )  # fmt: skip
        viewer = _Viewer(self._gate, asked.caller, asked.sees_all)
        for_s = self._for_s * random.uniform(0.9, 1.0)  # noqa: S311  so that not all come back at once
        self._readers.add(outlet, asked.wanted, viewer, asked.since, asked.state, for_s=for_s)

    @property
    def count(self) -> int:
        return self._outlets.count

    def _gone(self, payer: str | None) -> None:
        with self._lock:
            self._of[payer] -= 1
            if self._of[payer] <= 0:
                del self._of[payer]

    def _nodes(self, call: Call, query: Query) -> frozenset[str] | None:
        given = _words(query, "node")
        if len(given) > MOST_NODES:
            raise InvalidRequest(f"node names {MOST_NODES} nodes at most")
        return frozenset(self._node(call, each) for each in given) if given else None

    def _node(self, call: Call, given: str) -> str:
        """Its UUID. Errors: NotFound when it is hidden, or not there."""
        ident = identifiers.from_query("node", given, call.minor)
        _, uuid = self._gate.enter(call, NODE, ident, SEE_NODE)
        if uuid is not None:
            return uuid
        asked = {"kind": NODE.name, "ident": ident}
        found: str = orjson.loads(self._inventory.query("access", asked, call.headers()))["uuid"]
        return found

    def _whose(self, subjects: Collection[str]) -> Mapping[str, Whose]:
        uuids = sorted({uuid for each in subjects if (uuid := identifiers.uuid_or_none(each))})
        found: dict[str, Whose] = {}
        for some in chunks(uuids, ASKED_AT_ONCE):
            told = orjson.loads(self._inventory.query("owners", {"nodes": some}, {}))["owners"]
            found |= {uuid: (owner, lessee) for uuid, owner, lessee in told}
        return found


class _Viewer:
    """One caller, and what the policy lets him see."""

    def __init__(self, gate: Gate, caller: Caller, sees_all: bool) -> None:
        self._gate, self._caller, self.sees_all = gate, caller, sees_all

    def sees(self, told: Told, whose: Whose | None, *, replayed: bool) -> bool:
        """As the records themselves are seen. A lessee does not see what happened before it leased the node."""
        allows = self._gate.policy.allows
        if whose is not None:
            owner, lessee = whose
            target = {"node.owner": owner, "node.lessee": None if replayed else lessee}
            return allows(self._caller, SEE_NODE, {name: one for name, one in target.items() if one})
        rule, name = next((row for start, row in _OWNED.items() if told.fact.startswith(start)), ("", ""))
        return bool(rule and told.named_owner and allows(self._caller, rule, {name: told.named_owner}))


def _words(query: Query, name: str) -> list[str]:
    """Of a parameter that may be repeated, and hold several with commas."""
    return [word for given in query.get(name, ()) for word in given.split(",") if word]


def _types(query: Query) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each.removeprefix("org.steelyard.") for each in _words(query, "type")))
    if len(found) > MOST_PATTERNS or not all(map(event_stream.is_pattern, found)):
        raise InvalidRequest(
            f"type is up to {MOST_PATTERNS} patterns of facts, as provision-* or power.bmc-unreachable"
        )
    return found or ("*",)


def _severity(query: Query) -> str:
    found = single("severity", query) if "severity" in query else SEVERITIES[0]
    if found not in SEVERITIES:
        raise InvalidRequest(f"severity is one of {', '.join(SEVERITIES)}: what is at least so bad")
    return found


def _since(query: Query, last_event_id: str) -> Since:
    """The header goes before the parameter: a browser that comes back sends both."""
    if last_event_id:
        place = event_stream.place_of(last_event_id)
        if place is None:
            raise InvalidRequest(f"Last-Event-ID is no id of this stream: {values.plain(last_event_id)}")
        return Since(place=place)
    if "since" not in query:
        return Since()
    given = single("since", query)
    place = event_stream.place_of(given)
    if place is not None:
        return Since(place=place)
    time = datetime.fromisoformat(moment("since", given))
    if time > datetime.now(UTC) + timedelta(minutes=5):
        raise InvalidRequest("since lies in the future")
    return Since(time=time)
