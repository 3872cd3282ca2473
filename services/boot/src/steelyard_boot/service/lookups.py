"""Lookups of agents: who is given the token of a boot (lifecycle facts §12, the rules of domain/sessions).

Those that come together share a transaction here and a question to inventory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from steelyard_common.combining import Combiner
from steelyard_common.db import Database, Transaction
from steelyard_common.errors import NotFound, SteelyardError
from steelyard_common.provider import Clock
from steelyard_common.secrets import MASK, Sealer

from ..domain.lookup_config import AgentRules, lookup_config
from ..domain.sessions import Session, is_of, is_told_again, new_token, of_boot
from ..store import agents as store
from .inventory import Inventory
from .refusals import Refusals

TOKENS_SINCE = 62  # microversion that can be given a token
LOOKUP = "lookup"
MOST_OWNERS = 8  # of one ramdisk's NICs: who asks is not signed in
Came = Callable[[str, str], None]


@dataclass
class _Lookup:
    """A lookup on its way through a batch. ``found``: its node as inventory tells it; ``token``: in the clear when it
    was issued to this request."""

    asked: Mapping[str, Any]
    request_id: str
    found: dict[str, Any] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)
    is_first: bool = False  # of this boot: the token was issued just now
    is_late: bool = False  # somebody else was given the token of this boot

    @property
    def node_uuid(self) -> str:
        return str(self.found["node"]["uuid"])

    @property
    def issues(self) -> bool:
        return bool(self.asked["api"]["minor"] >= TOKENS_SINCE)


class Lookups:
    """``came`` is told (node, ``lookup``) of each that a token was issued to."""

    def __init__(
        self, database: Database, sealer: Sealer, inventory: Inventory, clock: Clock, rules: AgentRules, *,
        came: Came, refusals: Refusals,
    ) -> None:  # fmt: skip
        self._database, self._sealer, self._inventory, self._clock = database, sealer, inventory, clock
        self._rules, self._came, self._refusals = rules, came, refusals
        self._together: Combiner[_Lookup] = Combiner(self._issue)

    def answer(self, asked: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        """``asked``: {api, addresses, node_uuid}; ``request_id``: of the HTTP request, the same when that is told
        again because no answer came; empty: unknown. → {node, config}. Errors: NotFound."""
        ticket = _Lookup(asked, request_id)
        self._together.submit(ticket)
        node = ticket.found["node"]
        if ticket.token is not None:
            node["driver_internal_info"]["agent_secret_token"] = MASK
        config = lookup_config(self._rules, ticket.token, ticket.found.get("management"))
        return {"node": node, "config": config}

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
            session = self._tell(ticket, of_boot(found, ticket.found["boot"]), now)
            if session != known.get(node):
                changed[node] = session
        store.write(transaction.connection, [each for node, each in changed.items() if node in known])
        new = [each for node, each in changed.items() if node not in known]
        lost = {each.node_uuid for each in new} - store.add(transaction.connection, new)
        return [ticket for ticket in batch if ticket.node_uuid in lost]

    def _tell(self, ticket: _Lookup, session: Session, now: datetime) -> Session:
        """Tell one what it may know of the token (it may have been told before). → the session after that"""
        out, request_id = session.token, ticket.request_id
        ticket.is_first = out is None and ticket.issues
        ticket.is_late = out is not None and not session.pregenerated and not is_of(session, request_id)
        if ticket.is_first:
            ticket.token = new_token()
            sealed = self._sealer.seal(ticket.token)
            return replace(session, token=sealed, issued_at=now, issued_to=request_id or None)
        if out is not None:
            ticket.token = self._sealer.open(out) if is_told_again(session, request_id) else MASK
        else:
            ticket.token = None
        return session
