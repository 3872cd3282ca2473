"""What a person can do about a node, with the line to type. Pure.

``safe``: it neither interrupts work, nor restarts the machine, nor touches its disks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .transitions import TRANSIENT, TRANSITIONS, Event, State


@dataclass(frozen=True, kw_only=True)
class Action:
    """``command`` has the node's name in it; what only the person knows stands in <>."""

    what: str
    command: str
    safe: bool

    def to_dict(self) -> dict[str, Any]:
        return {"what": self.what, "command": self.command, "safe": self.safe}


# verb → (what it does, the command behind `baremetal node`, safe)
VERBS: dict[Event, tuple[str, str, bool]] = {
    Event.MANAGE: ("Take it under management, without touching its disks", "manage {n}", True),
    Event.PROVIDE: ("Clean it, if that is on, and offer it to everybody", "provide {n}", False),
    Event.INSPECT: ("Look at its hardware again; this may restart it", "inspect {n}", False),
    Event.CLEAN: ("Run cleaning steps of your choice", "clean {n} --clean-steps <file with steps>", False),
    Event.DEPLOY: ("Deploy it; this writes its disk", "deploy {n}", False),
    Event.REBUILD: ("Deploy it again; this writes its disk", "rebuild {n}", False),
    Event.DELETE: ("Take the instance down; this erases its disk if cleaning is on", "undeploy {n}", False),
    Event.ADOPT: ("Take it as it runs; neither power nor boot device is touched", "adopt {n}", True),
    Event.RESCUE: (
        "Boot the rescue ramdisk; the disk stays as it is", "rescue {n} --rescue-password <password>", False,
    ),
    Event.UNRESCUE: ("Boot the instance from its disk again", "unrescue {n}", False),
    Event.SERVICE: (
        "Run service steps of your choice; the disk stays as it is", "service {n} --service-steps <file with steps>",
        False,
    ),
    Event.ABORT: ("Stop waiting and end this work", "abort {n}", False),
    Event.UNHOLD: ("Let it go on", "unhold {n}", True),
}  # fmt: skip
# verb in a state where it means something else than usually.
IN_STATE: dict[tuple[State, Event], tuple[str, bool]] = {
    (State.ENROLL, Event.MANAGE): ("Check that its BMC answers, and read its power state", True),
    (State.AVAILABLE, Event.MANAGE): ("Take it out of what is offered", True),
    (State.CLEAN_FAILED, Event.MANAGE): ("Go on: accept the node as it is; then clean or provide it again", True),
    (State.INSPECT_FAILED, Event.MANAGE): ("Go on without the inspection", True),
    (State.ADOPT_FAILED, Event.MANAGE): ("Give the adoption up", True),
    (State.DEPLOY_FAILED, Event.DEPLOY): ("Try the deployment again; this writes its disk", False),
    (State.INSPECT_FAILED, Event.INSPECT): ("Try the inspection again; this may restart it", False),
    (State.ADOPT_FAILED, Event.ADOPT): ("Try the adoption again; neither power nor boot device is touched", True),
    (State.ERROR, Event.DELETE): ("Try to take the instance down again", False),
    (State.SERVICE_FAILED, Event.ABORT): ("Give the service up and go back to active", False),
    (State.SERVICE_FAILED, Event.SERVICE): ("Try the service again, with steps of your choice", False),
    (State.RESCUE_FAILED, Event.RESCUE): ("Try the rescue again", False),
    (State.UNRESCUE_FAILED, Event.UNRESCUE): ("Try to leave the rescue again", False),
}  # fmt: skip
# Verbs that are refused while a node is in maintenance (domain/provisioning.py).
NOT_IN_MAINTENANCE = frozenset({
    Event.CLEAN, Event.RESCUE, Event.UNRESCUE, Event.SERVICE, Event.DEPLOY, Event.REBUILD,
})  # fmt: skip


def verb(event: Event, state: State, name: str) -> Action:
    what, command, safe = VERBS[event]
    what, safe = IN_STATE.get((state, event), (what, safe))
    return Action(what=what, command=f"baremetal node {command.format(n=name)}", safe=safe)


def possible(state: State, name: str, *, maintenance: bool, without: Iterable[Event] = ()) -> list[Action]:
    """The verbs of the API that this state takes, safe ones first; while work holds the node it takes none."""
    if state in TRANSIENT:
        return []
    hidden = {*without, *(NOT_IN_MAINTENANCE if maintenance else ())}
    events = [event for event in TRANSITIONS[state] if event in VERBS and event not in hidden]
    return sorted((verb(event, state, name) for event in events), key=lambda action: not action.safe)


def end_maintenance(name: str) -> Action:
    return Action(
        what="End maintenance and clear the fault; do it when the cause is gone",
        command=f"baremetal node maintenance unset {name}", safe=True,
    )  # fmt: skip


def look(what: str, command: str) -> Action:
    """A command that only shows something."""
    return Action(what=what, command=f"baremetal {command}", safe=True)


def history(name: str) -> Action:
    return look("See what happened before", f"node history list {name} --long")


def validate(name: str) -> Action:
    return look("See which interfaces lack something", f"node validate {name}")


def workers() -> Action:
    return look("See which workers are there", "conductor list")


def fix_bmc(name: str) -> Action:
    return Action(
        what="Correct how its BMC is reached, if address or password are wrong",
        command=f"baremetal node set {name} --driver-info <name>=<value>", safe=True,
    )  # fmt: skip


def wait_a_moment(name: str) -> Action:
    return look("Wait, and look again", f"node show {name} --fields provision_state reservation last_error")
