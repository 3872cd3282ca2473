"""The node's state machine, as a table (lifecycle facts §1, §2).

Rule 1  Every state has a row, even an empty one; a pair that is not in the table cannot happen.
Rule 2  A verb of the API is an event; `done fail wait resume hold` come from the engine.
Rule 3  A stable state has no target; a failed state keeps the target it had (``target_after``).
The diagram in docs/reference/states.md and the test over all pairs are made from this table.
"""

from __future__ import annotations

import enum

from steelyard_common.errors import InvalidRequest


class State(enum.StrEnum):
    """``provision_state``, in the API's words."""

    ENROLL = "enroll"
    VERIFYING = "verifying"
    MANAGEABLE = "manageable"
    AVAILABLE = "available"
    ACTIVE = "active"
    ERROR = "error"
    RESCUE = "rescue"
    INSPECTING = "inspecting"
    INSPECT_WAIT = "inspect wait"
    INSPECT_FAILED = "inspect failed"
    CLEANING = "cleaning"
    CLEAN_WAIT = "clean wait"
    CLEAN_HOLD = "clean hold"
    CLEAN_FAILED = "clean failed"
    DEPLOYING = "deploying"
    DEPLOY_WAIT = "wait call-back"
    DEPLOY_HOLD = "deploy hold"
    DEPLOY_FAILED = "deploy failed"
    DELETING = "deleting"
    ADOPTING = "adopting"
    ADOPT_FAILED = "adopt failed"
    RESCUING = "rescuing"
    RESCUE_WAIT = "rescue wait"
    RESCUE_FAILED = "rescue failed"
    UNRESCUING = "unrescuing"
    UNRESCUE_FAILED = "unrescue failed"
    SERVICING = "servicing"
    SERVICE_WAIT = "service wait"
    SERVICE_HOLD = "service hold"
    SERVICE_FAILED = "service failed"


class Event(enum.StrEnum):
    """What can happen to a node: the verbs of the API first, then what the engine finds."""

    MANAGE = "manage"
    PROVIDE = "provide"
    INSPECT = "inspect"
    CLEAN = "clean"
    DEPLOY = "deploy"
    REBUILD = "rebuild"
    DELETE = "delete"
    ADOPT = "adopt"
    RESCUE = "rescue"
    UNRESCUE = "unrescue"
    SERVICE = "service"
    ABORT = "abort"
    UNHOLD = "unhold"
    DONE = "done"
    FAIL = "fail"
    WAIT = "wait"
    RESUME = "resume"
    HOLD = "hold"


# The words of PUT states/provision, with their aliases (api facts §7.1).
VERBS: dict[str, Event] = {
    "active": Event.DEPLOY,
    "deploy": Event.DEPLOY,
    "rebuild": Event.REBUILD,
    "deleted": Event.DELETE,
    "undeploy": Event.DELETE,
    "manage": Event.MANAGE,
    "provide": Event.PROVIDE,
    "inspect": Event.INSPECT,
    "abort": Event.ABORT,
    "clean": Event.CLEAN,
    "adopt": Event.ADOPT,
    "rescue": Event.RESCUE,
    "unrescue": Event.UNRESCUE,
    "unhold": Event.UNHOLD,
    "service": Event.SERVICE,
}

S, E = State, Event
TRANSITIONS: dict[State, dict[Event, State]] = {
    S.ENROLL: {E.MANAGE: S.VERIFYING},
    S.VERIFYING: {E.DONE: S.MANAGEABLE, E.FAIL: S.ENROLL},
    S.MANAGEABLE: {
        E.PROVIDE: S.CLEANING, E.CLEAN: S.CLEANING, E.INSPECT: S.INSPECTING, E.ADOPT: S.ADOPTING,
    },
    S.AVAILABLE: {E.DEPLOY: S.DEPLOYING, E.MANAGE: S.MANAGEABLE},
    S.CLEANING: {
        E.DONE: S.AVAILABLE, E.MANAGE: S.MANAGEABLE, E.FAIL: S.CLEAN_FAILED, E.WAIT: S.CLEAN_WAIT, E.HOLD: S.CLEAN_HOLD,
    },
    S.CLEAN_WAIT: {
        E.RESUME: S.CLEANING, E.FAIL: S.CLEAN_FAILED, E.ABORT: S.CLEAN_FAILED, E.HOLD: S.CLEAN_HOLD,
    },
    S.CLEAN_HOLD: {E.UNHOLD: S.CLEAN_WAIT, E.ABORT: S.CLEAN_FAILED},
    S.CLEAN_FAILED: {E.MANAGE: S.MANAGEABLE},
    S.DEPLOYING: {
        E.DONE: S.ACTIVE, E.FAIL: S.DEPLOY_FAILED, E.WAIT: S.DEPLOY_WAIT, E.HOLD: S.DEPLOY_HOLD,
    },
    S.DEPLOY_WAIT: {
        E.RESUME: S.DEPLOYING, E.FAIL: S.DEPLOY_FAILED, E.ABORT: S.DEPLOY_FAILED, E.DELETE: S.DELETING,
        E.HOLD: S.DEPLOY_HOLD,
    },
    S.DEPLOY_HOLD: {E.UNHOLD: S.DEPLOY_WAIT, E.ABORT: S.DEPLOY_FAILED},
    S.DEPLOY_FAILED: {E.REBUILD: S.DEPLOYING, E.DEPLOY: S.DEPLOYING, E.DELETE: S.DELETING},
    S.ACTIVE: {E.REBUILD: S.DEPLOYING, E.DELETE: S.DELETING, E.RESCUE: S.RESCUING, E.SERVICE: S.SERVICING},
    S.DELETING: {E.CLEAN: S.CLEANING, E.FAIL: S.ERROR},
    S.ERROR: {E.REBUILD: S.DEPLOYING, E.DELETE: S.DELETING},
    S.INSPECTING: {E.DONE: S.MANAGEABLE, E.FAIL: S.INSPECT_FAILED, E.WAIT: S.INSPECT_WAIT},
    S.INSPECT_WAIT: {
        E.DONE: S.MANAGEABLE, E.RESUME: S.INSPECTING, E.FAIL: S.INSPECT_FAILED, E.ABORT: S.INSPECT_FAILED,
    },
    S.INSPECT_FAILED: {E.INSPECT: S.INSPECTING, E.MANAGE: S.MANAGEABLE},
    S.ADOPTING: {E.DONE: S.ACTIVE, E.FAIL: S.ADOPT_FAILED},
    S.ADOPT_FAILED: {E.ADOPT: S.ADOPTING, E.MANAGE: S.MANAGEABLE},
    S.RESCUING: {E.DONE: S.RESCUE, E.WAIT: S.RESCUE_WAIT, E.FAIL: S.RESCUE_FAILED},
    S.RESCUE_WAIT: {
        E.RESUME: S.RESCUING, E.FAIL: S.RESCUE_FAILED, E.ABORT: S.RESCUE_FAILED, E.DELETE: S.DELETING,
    },
    S.RESCUE: {E.RESCUE: S.RESCUING, E.UNRESCUE: S.UNRESCUING, E.DELETE: S.DELETING},
    S.RESCUE_FAILED: {E.RESCUE: S.RESCUING, E.UNRESCUE: S.UNRESCUING, E.DELETE: S.DELETING},
    S.UNRESCUING: {E.DONE: S.ACTIVE, E.FAIL: S.UNRESCUE_FAILED},
    S.UNRESCUE_FAILED: {E.RESCUE: S.RESCUING, E.UNRESCUE: S.UNRESCUING, E.DELETE: S.DELETING},
    S.SERVICING: {E.DONE: S.ACTIVE, E.FAIL: S.SERVICE_FAILED, E.WAIT: S.SERVICE_WAIT, E.HOLD: S.SERVICE_HOLD},
    S.SERVICE_WAIT: {
        E.RESUME: S.SERVICING, E.FAIL: S.SERVICE_FAILED, E.ABORT: S.SERVICE_FAILED, E.HOLD: S.SERVICE_HOLD,
        E.DELETE: S.DELETING,
    },
    S.SERVICE_HOLD: {
        E.SERVICE: S.SERVICING, E.UNHOLD: S.SERVICE_WAIT, E.FAIL: S.SERVICE_FAILED, E.ABORT: S.SERVICE_FAILED,
    },
    S.SERVICE_FAILED: {
        E.SERVICE: S.SERVICING, E.RESCUE: S.RESCUING, E.ABORT: S.ACTIVE, E.DELETE: S.DELETING,
        E.WAIT: S.SERVICE_WAIT, E.HOLD: S.SERVICE_HOLD,
    },
}  # fmt: skip

STABLE = frozenset({S.ENROLL, S.MANAGEABLE, S.AVAILABLE, S.ACTIVE, S.ERROR, S.RESCUE})
TRANSIENT = frozenset({
    S.VERIFYING, S.INSPECTING, S.CLEANING, S.DEPLOYING, S.DELETING, S.ADOPTING, S.RESCUING, S.UNRESCUING, S.SERVICING,
})  # fmt: skip
WAITING = frozenset({S.INSPECT_WAIT, S.CLEAN_WAIT, S.DEPLOY_WAIT, S.RESCUE_WAIT, S.SERVICE_WAIT})
HOLDING = frozenset({S.CLEAN_HOLD, S.DEPLOY_HOLD, S.SERVICE_HOLD})
FAILED = frozenset({
    S.INSPECT_FAILED, S.CLEAN_FAILED, S.DEPLOY_FAILED, S.ADOPT_FAILED, S.RESCUE_FAILED, S.UNRESCUE_FAILED,
    S.SERVICE_FAILED,
})  # fmt: skip
# Work is going on: boot mode and secure boot cannot be set.
UNSTABLE = TRANSIENT | WAITING

# Where a state's work leads when nothing else was said. Waits, holds and failures keep what they came with.
TARGETS: dict[State, State] = {
    S.VERIFYING: S.MANAGEABLE, S.INSPECTING: S.MANAGEABLE, S.CLEANING: S.AVAILABLE, S.DELETING: S.AVAILABLE,
    S.DEPLOYING: S.ACTIVE, S.ADOPTING: S.ACTIVE, S.RESCUING: S.RESCUE, S.UNRESCUING: S.ACTIVE, S.SERVICING: S.ACTIVE,
}  # fmt: skip


def can(state: State, event: Event) -> bool:
    return event in TRANSITIONS[state]


def next_state(state: State, event: Event) -> State:
    """Errors: InvalidRequest, in words for the API's user."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        possible = (
            ", ".join(sorted(word for word, other in VERBS.items() if can(state, other))) or "nothing but waiting"
        )
        raise InvalidRequest(
            f'The requested action "{event}" can not be performed on a node while it is in state "{state}". '
            f"Possible now: {possible}."
        ) from None


def target_after(state: State, event: Event, target: State | None) -> State | None:
    """``target_provision_state`` after ``event``; ``target`` was before. Manual cleaning leads to manageable."""
    new = next_state(state, event)
    if new in STABLE:
        return None
    if state is S.MANAGEABLE and event is E.CLEAN:
        return S.MANAGEABLE
    if new in TRANSIENT and event is not E.RESUME:
        return TARGETS[new]
    return target


def verb(word: str) -> Event:
    """The event that a word of PUT states/provision asks for. Errors: InvalidRequest."""
    try:
        return VERBS[word]
    except KeyError:
        raise InvalidRequest(
            f'The requested action "{word}" is not known: one of {", ".join(sorted(VERBS))} is needed.'
        ) from None
