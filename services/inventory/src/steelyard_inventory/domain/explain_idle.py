"""Explanations of a node on which nothing goes on. Pure."""

from __future__ import annotations

from . import actions
from .actions import Action
from .explain_words import FAILED_WORDS, IDLE, WAY_BACK, ago, ahead, joined, sentence
from .situation import Explanation, Situation, told
from .transitions import Event


def queued(node: Situation) -> Explanation:
    queue = node.queue
    assert queue is not None  # noqa: S101 - the case asked
    nodes = f"{queue.ahead} node{'s' if queue.ahead != 1 else ''} {'come' if queue.ahead != 1 else 'comes'} before it"
    busy = f"Somebody else had it in hand: it is tried again {ahead(queue.due_at, node.now)}."
    summary = joined(
        f'{node.called} is {node.state}, and waits for its turn in a group operation ("{queue.verb}"): '
        f"{queue.running} of at most {queue.limit} nodes are at work, and {nodes}.",
        busy if queue.due_at > node.now else "",
    )  # fmt: skip
    verbs = actions.possible(node.state, node.called, maintenance=node.maintenance)
    return told(
        node, summary, waiting_for=f"its turn in operation {queue.operation}", since=queue.since,
        then="Nothing: as soon as one of those at work is done the next one begins.",
        actions=(actions.wait_a_moment(node.called), *verbs, actions.history(node.called)),
    )  # fmt: skip


def failed(node: Situation) -> Explanation:
    why = f"The reason: {sentence(node.last_error)}" if node.last_error else "No reason was kept."
    end: tuple[Action, ...] = ()
    upkeep = ""
    if node.maintenance:
        end = (actions.end_maintenance(node.called),)
        upkeep = "It is in maintenance, so that nobody gets it before somebody has looked."
    summary = joined(
        f"{FAILED_WORDS[node.state].format(n=node.called)} {ago(node.since, node.now)[4:]} ago.", why, upkeep,
        f"Nothing is going on now, and it can be brought back: {WAY_BACK[node.state]}",
    )  # fmt: skip
    back = actions.possible(node.state, node.called, maintenance=node.maintenance)
    return told(
        node, summary, waiting_for="your decision", actions=(*end, *back, actions.history(node.called)),
    )  # fmt: skip


def unreachable(node: Situation) -> Explanation:
    reason = sentence(node.maintenance_reason or node.last_error or "the BMC did not answer")
    summary = (
        f"{node.called} is in maintenance because its power can not be trusted: {reason} Its power state was last seen "
        f"as {node.power_state or 'unknown'}. Power sync goes on asking the BMC; as soon as it answers, maintenance "
        f"and fault end by themselves and the node is {node.state} as before."
    )
    return told(
        node, summary, waiting_for="the BMC to answer",
        then="Nothing: it is asked again and again, without a limit.",
        actions=(
            actions.validate(node.called), actions.fix_bmc(node.called), actions.end_maintenance(node.called),
            actions.history(node.called),
        ),
    )  # fmt: skip


def maintained(node: Situation) -> Explanation:
    why = f" The reason: {sentence(node.maintenance_reason)}" if node.maintenance_reason else " No reason was given."
    fault = f" It came with the fault “{node.fault}”." if node.fault else ""
    summary = (
        f"{node.called} is {node.state} and in maintenance: it is left alone, and deployments are refused.{why}{fault} "
        "Maintenance ends only when somebody ends it."
    )
    verbs = actions.possible(node.state, node.called, maintenance=True)
    return told(
        node, summary, waiting_for="somebody to end maintenance",
        actions=(actions.end_maintenance(node.called), *verbs, actions.history(node.called)),
    )  # fmt: skip


def idle(node: Situation) -> Explanation:
    text = IDLE[node.state].format(n=node.called, kind=node.resource_class or "any class")
    power = f"Its power is {node.power_state.removeprefix('power ')}." if node.power_state else "Its power is unknown."
    last = f"The last thing that was tried failed: {sentence(node.last_error)}" if node.last_error else ""
    hidden = (Event.PROVIDE,) if node.retired else ()
    if node.protected:
        hidden = (*hidden, Event.DELETE, Event.REBUILD)
    verbs = actions.possible(node.state, node.called, maintenance=False, without=hidden)
    return told(
        node, joined(text, power, last), waiting_for="the next command of a person or client",
        actions=(*verbs, actions.history(node.called)),
    )  # fmt: skip


def stranded(node: Situation) -> Explanation:
    """A state of work without work: the moment between two workflows, or something of ours is wrong."""
    verbs = actions.possible(node.state, node.called, maintenance=node.maintenance)
    out = (
        "If this stays so for more than a minute, something is wrong: the verbs below lead out of the state."
        if verbs
        else "If this stays so for more than a minute, something is wrong: please look into inventory's log."
    )
    summary = (
        f'{node.called} is in the state "{node.state}" {ago(node.since, node.now)}, but no workflow belongs to it. '
        f"That is so for a moment between two pieces of work. {out}"
    )
    looks = (actions.wait_a_moment(node.called), *verbs, actions.history(node.called))
    return told(node, summary, waiting_for="the next piece of work to begin", actions=looks)
