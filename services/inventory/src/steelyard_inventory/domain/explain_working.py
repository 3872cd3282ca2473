"""Explanations of a node that somebody holds or works on. Pure."""

from __future__ import annotations

from . import actions
from .actions import Action
from .explain_words import ago, ahead, at_deadline, clock, joined, left, sentence, where
from .situation import NO_DEADLINE, Explanation, Situation, told
from .transitions import HOLDING, WAITING

AGENT_SIGNALS = frozenset({"heartbeat", "agent"})
FIRST_CALL = "deploy.wait"  # the step that waits for an agent after its machine was started


def working_actions(node: Situation, *first: Action) -> tuple[Action, ...]:
    """A wait or a hold leaves the node free for verbs; other work refuses them."""
    free = node.state in WAITING | HOLDING or (node.work is not None and node.work.parked)
    verbs = actions.possible(node.state, node.called, maintenance=node.maintenance) if free else []
    patience = () if verbs else (actions.wait_a_moment(node.called),)
    return (*first, *verbs, *patience, actions.history(node.called))


def is_leased(node: Situation) -> bool:
    held = node.held
    return held is not None and held.expires_at is not None and held.expires_at > node.now


def leased(node: Situation) -> Explanation:
    held = node.held
    assert held is not None and held.expires_at is not None  # noqa: S101, PT018 - the case asked
    summary = (
        f"{node.called} is held by {held.holder} for a direct call to its BMC ({held.purpose}) "
        f"{ago(held.since, node.now)}. Such calls take seconds; others that would change the node get 409 meanwhile."
    )
    return told(
        node, summary, waiting_for=f"the end of “{held.purpose}”", since=held.since, deadline=held.expires_at,
        then=f"At {clock(held.expires_at)} the hold is void, whatever became of {held.holder}, and the node is free.",
        actions=(actions.wait_a_moment(node.called), actions.history(node.called)),
    )  # fmt: skip


def waits(node: Situation) -> bool:
    return node.step is not None and node.step.status == "waiting"


def is_held_back(node: Situation) -> bool:
    return node.state in HOLDING or (node.step is not None and node.step.signal == "unhold")


def hold(node: Situation) -> Explanation:
    step = node.step
    begun = step.started_at if step and step.started_at else node.since
    at = where(node) if node.work else ""
    summary = joined(
        f"{node.called} holds on purpose {ago(begun, node.now)}: a hold step stopped it so that somebody can look.",
        at, "Nothing goes on until it is let go; it is free for other work on its power or record meanwhile.",
    )  # fmt: skip
    then = at_deadline(node) if step and step.deadline_at else NO_DEADLINE
    return told(
        node, summary, waiting_for="somebody to unhold it", since=begun, then=then,
        deadline=step.deadline_at if step else None, actions=working_actions(node),
    )  # fmt: skip


def waits_for_signal(node: Situation) -> Explanation:
    work, step = node.work, node.step
    assert work is not None and step is not None  # noqa: S101, PT018 - the case asked
    if step.signal in AGENT_SIGNALS and step.label == FIRST_CALL:
        what = "the agent's first call"
        why = (
            "The machine has to boot the ramdisk and its agent to reach the API: "
            f"GET /v1/nodes/{node.called}/boots shows how far it came. If it does not come: is the machine on, does it "
            "boot from the right network, and does the agent reach the API's address?"
        )
        looks: tuple[Action, ...] = (
            actions.look("See if the machine is on", f"node show {node.called} --fields power_state boot_mode"),
        )
    elif step.signal in AGENT_SIGNALS:
        what = "the agent on the node to call"
        why = (
            f"The agent is at work on {step.label} and calls every few minutes, and when it is done; each call puts "
            "the deadline off."
        )
        looks = ()
    else:
        what = f"the signal “{step.signal}”"
        why = "A step provider or somebody outside has to say so; nothing can be hurried from here."
        looks = ()
    progress = f"It says: {sentence(step.progress)}" if step.progress else ""
    summary = joined(where(node), f"It waits for {what}, {ago(step.started_at, node.now)}.", progress, why, left(work))
    return told(
        node, summary, waiting_for=what, since=step.started_at or work.created_at, deadline=step.deadline_at,
        then=at_deadline(node), actions=working_actions(node, *looks),
    )  # fmt: skip


def has_children(node: Situation) -> bool:
    return node.step is not None and bool(node.step.children)


def children(node: Situation) -> Explanation:
    work, step = node.work, node.step
    assert work is not None and step is not None  # noqa: S101, PT018 - the case asked
    count = len(step.children)
    summary = joined(
        where(node), f"This step runs on {count} child node{'s' if count != 1 else ''} and waits for all of them.",
        left(work),
    )  # fmt: skip
    return told(
        node, summary, waiting_for=f"its child nodes {', '.join(step.children)}", deadline=step.deadline_at,
        since=step.started_at or work.created_at, then=at_deadline(node),
        actions=working_actions(node, actions.look("See the children", f"node children list {node.called}")),
    )  # fmt: skip


def is_backing_off(node: Situation) -> bool:
    step = node.step
    return step is not None and step.status == "sleeping" and step.failures > 0 and step.error is not None


def back_off(node: Situation) -> Explanation:
    work, step = node.work, node.step
    assert work is not None and step is not None  # noqa: S101, PT018 - the case asked
    tries = max(0, step.retries + 1 - step.failures)
    summary = joined(
        where(node), f"The last try failed: {sentence(step.error or '')}",
        f"It is tried again {ahead(work.due_at, node.now)}",
        f"({tries} more {'try' if tries == 1 else 'tries'} before the step fails).",
    )  # fmt: skip
    return told(
        node, summary, waiting_for="the next try", since=step.started_at or work.created_at, then=at_deadline(node),
        deadline=step.deadline_at, actions=working_actions(node, actions.validate(node.called)),
    )  # fmt: skip


def lacks_provider(node: Situation) -> bool:
    return node.step is not None and not node.step.is_served and node.step.status in ("pending", "dispatched")


def no_provider(node: Situation) -> Explanation:
    work, step = node.work, node.step
    assert work is not None and step is not None  # noqa: S101, PT018 - the case asked
    interface = step.label.partition(".")[0]
    summary = joined(
        where(node),
        f"No worker is online that serves {interface} for this node, so nobody can take the step. It is kept, and "
        "asked for again and again: as soon as such a worker comes it goes on by itself.",
    )
    return told(
        node, summary, waiting_for=f"a worker that serves {interface}", since=step.started_at or work.created_at,
        deadline=step.deadline_at, then=at_deadline(node), actions=working_actions(node, actions.workers()),
    )  # fmt: skip


def works(node: Situation) -> Explanation:
    """A step is out, or looked at again in a moment, or about to begin."""
    work, step = node.work, node.step
    assert work is not None  # noqa: S101 - the case asked
    if step is None or step.status == "pending":
        doing, what = "The next step is about to begin.", "the engine to begin the next step"
    elif step.status == "sleeping":
        doing, what = f"The provider looks at it again {ahead(work.due_at, node.now)}.", f"{step.label} to be done"
    else:
        tries = f", try {step.attempt}" if step.attempt > 1 else ""
        doing, what = f"A provider is at work on it{tries}.", f"{step.label} to be done"
    progress = f"It says: {sentence(step.progress)}" if step and step.progress else ""
    since = (step.started_at if step else None) or work.created_at
    return told(
        node, joined(where(node), doing, progress, left(work)), waiting_for=what, since=since,
        deadline=step.deadline_at if step else None, then=at_deadline(node), actions=working_actions(node),
    )  # fmt: skip
