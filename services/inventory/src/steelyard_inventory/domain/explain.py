"""Why a node is as it is: what it waits for, who holds it, what comes at the deadline, what you can do. Pure.

Rule 1  CASES is a table: the first that applies tells. What else is true of the node is added behind it.
Rule 2  Every part is filled: nobody, nothing and never are answers, an empty text is none.
Rule 3  An action is offered only if it would be accepted now.
"""

from __future__ import annotations

from collections.abc import Callable

from . import explain_idle as idle
from . import explain_working as working
from .explain_words import ago, sentence
from .situation import Explanation, Situation
from .transitions import FAILED, STABLE, State

POWER_FAULT = "power failure"
Case = tuple[str, Callable[[Situation], bool], Callable[[Situation], Explanation]]


def explain(node: Situation) -> Explanation:
    for word, applies, tell in CASES:
        if applies(node):
            told = tell(node)
            summary = " ".join([told.summary, *_besides(node, word)])
            return Explanation(**{**vars(told), "situation": word, "summary": summary})
    raise AssertionError("the last case applies always")


def _besides(node: Situation, word: str) -> list[str]:
    """What else is true and could be asked next."""
    told = []
    if node.work and node.work.abort_asked_at is not None:
        told.append(f"Somebody asked to abort it {ago(node.work.abort_asked_at, node.now)[4:]} ago.")
    if node.maintenance and word not in ("maintenance", "bmc-unreachable", "failed"):
        reason = f": {sentence(node.maintenance_reason)}" if node.maintenance_reason else "."
        told.append(f"It is in maintenance{reason}")
    if node.retired and node.state in STABLE:
        told.append("It is retired: it can not be provided any more.")
    if node.protected and node.state in STABLE:
        told.append("It is protected: it can not be undeployed, rebuilt or deleted before that is taken off.")
    if node.fault == POWER_FAULT and word == "failed":
        told.append("Its power can not be trusted either: the BMC does not answer.")
    if node.unserved and word != "no-provider":
        listed = ", ".join(f"{interface} ({name})" for interface, name in node.unserved)
        told.append(f"No worker is online for {listed}: what needs that is refused or waits.")
    return told


def _is_idle_in_maintenance(node: Situation) -> bool:
    return node.maintenance and node.state in STABLE and node.state is not State.ERROR


CASES: tuple[Case, ...] = (
    ("leased", working.is_leased, working.leased),
    ("held", working.is_held_back, working.hold),
    ("children", working.has_children, working.children),
    ("waiting", working.waits, working.waits_for_signal),
    ("retrying", working.is_backing_off, working.back_off),
    ("no-provider", working.lacks_provider, working.no_provider),
    ("working", lambda node: node.work is not None, working.works),
    ("queued", lambda node: node.queue is not None, idle.queued),
    ("failed", lambda node: node.state in FAILED or node.state is State.ERROR, idle.failed),
    ("bmc-unreachable", lambda node: node.maintenance and node.fault == POWER_FAULT, idle.unreachable),
    ("maintenance", _is_idle_in_maintenance, idle.maintained),
    ("idle", lambda node: node.state in STABLE, idle.idle),
    ("stranded", lambda _node: True, idle.stranded),
)
