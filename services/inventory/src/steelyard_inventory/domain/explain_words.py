"""The words of explanations: what a state means, what work is called, when something is. Pure."""

from __future__ import annotations

from datetime import datetime

from .estimates import span, words
from .situation import Situation, Work
from .transitions import TRANSITIONS, Event, State

# What goes on, by kind of workflow.
DOING = {
    "verify": "Checking the BMC of {n} has been going on",
    "power": "Changing the power of {n} has been going on",
    "boot-mode": "Setting the boot mode of {n} has been going on",
    "secure-boot": "Setting secure boot of {n} has been going on",
    "boot-device": "Setting the boot device of {n} has been going on",
    "console": "Switching the console of {n} has been going on",
    "move": "Moving {n} to another state has been going on",
    "clean": "Cleaning {n} has been going on",
    "deploy": "Deploying {n} has been going on",
    "undeploy": "Taking down the instance of {n} has been going on",
    "inspect": "Inspecting {n} has been going on",
    "adopt": "Adopting {n} has been going on",
    "rescue": "Bringing {n} into rescue has been going on",
    "unrescue": "Bringing {n} out of rescue has been going on",
    "service": "Service of {n} has been going on",
    "tidy": "Tidying up after work on {n} that failed or was aborted has been going on",
    "child-step": "A step for its parent has been running on {n}",
}
# What a stable state means, to somebody who wonders why nothing happens.
IDLE = {
    State.ENROLL: (
        "{n} is enrolled, and nobody has asked to manage it yet: its BMC is on record and has not been checked. The "
        "next step is manage, which checks that the BMC answers and reads the power state."
    ),
    State.MANAGEABLE: (
        "{n} is manageable: its BMC answered when it was checked, and nothing is going on. It is not offered to "
        "anybody; provide does that, clean and inspect can come before, and adopt takes it with what runs on it."
    ),
    State.AVAILABLE: (
        "{n} is available: whoever asks for a node of {kind} may get it, and nothing is going on until somebody does."
    ),
    State.ACTIVE: "{n} is active: it runs its instance, and nothing is being done to it.",
    State.RESCUE: (
        "{n} runs the rescue ramdisk, and its instance's disk is left alone. It stays so until it is unrescued or "
        "undeployed."
    ),
}  # fmt: skip
FAILED_WORDS = {
    State.ERROR: "Taking down the instance of {n} failed",
    State.INSPECT_FAILED: "The inspection of {n} failed",
    State.CLEAN_FAILED: "Cleaning {n} failed or was aborted",
    State.DEPLOY_FAILED: "Deploying {n} failed or was aborted",
    State.ADOPT_FAILED: "Adopting {n} failed",
    State.RESCUE_FAILED: "Bringing {n} into rescue failed or was aborted",
    State.UNRESCUE_FAILED: "Bringing {n} out of rescue failed",
    State.SERVICE_FAILED: "Service of {n} failed or was aborted",
}
# How to come back by the API alone.
WAY_BACK = {
    State.ERROR: "undeploy it again when the cause is gone, or rebuild its instance.",
    State.INSPECT_FAILED: "inspect it again when the cause is gone, or manage it to go on without.",
    State.CLEAN_FAILED: "manage it, end maintenance if it is on, then clean it again or provide it.",
    State.DEPLOY_FAILED: "deploy it again when the cause is gone, or undeploy it to give it back.",
    State.ADOPT_FAILED: "correct the record and adopt it again, or manage it to give the adoption up.",
    State.RESCUE_FAILED: "rescue it again, unrescue it to boot its instance, or undeploy it.",
    State.UNRESCUE_FAILED: "unrescue it again, go back to rescue, or undeploy it.",
    State.SERVICE_FAILED: "abort brings it back to active; service, rescue and undeploy are possible, too.",
}


AGENT_AHEAD = "Which steps the agent adds is known when it has said what it can do."


def ago(then: datetime | None, now: datetime) -> str:
    return "for an unknown time" if then is None else f"for {span(max(0.0, (now - then).total_seconds()))}"


def ahead(then: datetime | None, now: datetime) -> str:
    if then is None:
        return "at an unknown time"
    seconds = (then - now).total_seconds()
    return "at once" if seconds <= 0 else f"in {span(seconds)}"


def sentence(text: str) -> str:
    """A text of somebody else's as it ends a sentence."""
    clean = " ".join(text.split())
    return clean if clean.endswith((".", "!", "?")) else f"{clean}."


def clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def doing(work: Work) -> str:
    return DOING.get(work.kind, f"{work.kind} is going on")


def where(node: Situation) -> str:
    """“Cleaning n1 is at step 2 of 5, deploy.erase.”"""
    work, step = node.work, node.step
    assert work is not None  # noqa: S101 - asked only where there is work
    began = f"{doing(work).format(n=node.called)} {ago(work.created_at, node.now)}"
    by = f", asked for by {work.asked_by}" if work.asked_by else ""
    at = f" It is at step {step.number} of {work.steps}, {step.label}." if step else ""
    return f"{began}{by}.{at}"


def left(work: Work) -> str:
    known = f"Going by earlier runs, it should be done in {words(work.left)}." if work.left.known else ""
    return joined(known, AGENT_AHEAD if work.asks_agent else "")


def joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def fails_to(node: Situation) -> str:
    """Where the node is after its work failed."""
    row = TRANSITIONS[node.state]
    state = row.get(Event.FAIL) or row.get(Event.ABORT)
    if state is None:
        return "last_error says why and the node is free again"
    upkeep = " in maintenance" if state in (State.CLEAN_FAILED, State.SERVICE_FAILED) and node.step else ""
    return f'the node goes to "{state}"{upkeep} and last_error says why'


def at_deadline(node: Situation) -> str:
    step = node.step
    if step is None or step.deadline_at is None:
        return "The step's time is counted from its start; it has not begun."
    when = ahead(step.deadline_at, node.now)
    at = f"At {clock(step.deadline_at)}" if when == "at once" else f"At {clock(step.deadline_at)} ({when})"
    return f"{at} the step is given up, {fails_to(node)}."
