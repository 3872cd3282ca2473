"""Who called as a node's agent and was not believed: told to the waterfall, and to inventory, where somebody waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from steelyard_common.errors import SteelyardError
from steelyard_common.provider import Clock
from steelyard_common.telemetry import get_logger

from ..domain import refusals
from .inventory import Inventory

log = get_logger(__name__)
MOST_KNOWN = 10_000
# A note is a row of the waterfall. Inventory drops what nobody waits for yet, so it is told again soon.
NOTED_S, TOLD_S = 60.0, 5.0
NOTE, HEARTBEAT, LOOKUP, SEVERAL = "note", "heartbeat", "lookup", "several"
Noted = Callable[[str, str], None]


class Refusals:
    """Those who call are not signed in: of each node one is noted in ``NOTED_S`` and told in ``TOLD_S``,
    whatever comes. ``noted`` is told (node, why) of heartbeats.
    """

    def __init__(self, inventory: Inventory, clock: Clock, noted: Noted = lambda _node, _why: None) -> None:
        self._inventory, self._clock, self._noted = inventory, clock, noted
        self._told: dict[tuple[str, str], datetime] = {}

    def begin(self, node_uuid: str) -> None:
        """Another ramdisk is to come: the next one that is refused is news."""
        for what in (NOTE, HEARTBEAT, LOOKUP, SEVERAL):
            self._told.pop((what, node_uuid), None)

    def of_heartbeats(self, refused: Mapping[str, tuple[str, str]]) -> None:
        """``refused``: node → (the address that it told, why)."""
        now = self._clock()
        for node, (_, why) in refused.items():
            if self._is_due(NOTE, node, now, NOTED_S):
                self._noted(node, why)
        due = {node: each for node, each in refused.items() if self._is_due(HEARTBEAT, node, now, TOLD_S)}
        self._tell({node: refusals.of_heartbeat(url, why, now) for node, (url, why) in due.items()})

    def of_lookups(self, nodes: set[str]) -> None:
        """Nodes whose token was asked for again."""
        now = self._clock()
        due = [node for node in sorted(nodes) if self._is_due(LOOKUP, node, now, TOLD_S)]
        self._tell({node: refusals.of_lookup(now) for node in due})

    def of_several(self, asked: Mapping[str, Sequence[str]]) -> None:
        """``asked``: node → the MAC addresses of a ramdisk, which are ports of other nodes, too."""
        now = self._clock()
        due = {node: macs for node, macs in asked.items() if self._is_due(SEVERAL, node, now, TOLD_S)}
        self._tell({node: refusals.of_several(macs, now) for node, macs in due.items()})

    def _tell(self, words: Mapping[str, str]) -> None:
        """Evidence, not state: it may be lost."""
        if not words:
            return
        try:
            self._inventory.observe_refusals([{"node": node, "words": each} for node, each in words.items()])
        except SteelyardError as error:
            log.warning("refused agents could not be told of", reason=error.message)

    def _is_due(self, what: str, node: str, now: datetime, every_s: float) -> bool:
        if len(self._told) > MOST_KNOWN:
            self._told.clear()
        last = self._told.get((what, node))
        if last is not None and (now - last).total_seconds() < every_s:
            return False
        self._told[(what, node)] = now
        return True
