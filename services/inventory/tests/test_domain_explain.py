"""Explanations: every state in every situation has all parts; a dozen read word for word."""

# ruff: noqa: E501 - texts are whole, as people read them
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from steelyard_inventory.domain.estimates import Estimate
from steelyard_inventory.domain.explain import explain
from steelyard_inventory.domain.situation import Explanation, Held, Queue, Situation, StepNow, Work, veiled
from steelyard_inventory.domain.transitions import (
    FAILED,
    HOLDING,
    STABLE,
    TRANSIENT,
    TRANSITIONS,
    VERBS,
    WAITING,
    Event,
    State,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NODE = "0b0f9a55-5fd2-4f07-8e7f-4f2a1d9c1111"


def before(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


STEP = StepNow(
    label="deploy.erase_devices", status="dispatched", number=2, started_at=before(30), deadline_at=after(600)
)
WORK = Work(uuid="w", kind="clean", created_at=before(60), steps=5, asked_by="ada", step=STEP)
BASE = Situation(uuid=NODE, name="n1", state=State.AVAILABLE, now=NOW, since=before(3600), power_state="power on")
HELD = Held(holder="power-1.here", purpose="inject NMI", since=before(2), expires_at=after(20))
QUEUE = Queue(
    operation="op-1", verb="active", running=50, limit=50, ahead=7, since=before(90), due_at=before(90)
)  # fmt: skip
KINDS = {
    State.VERIFYING: "verify", State.DELETING: "undeploy", State.ADOPTING: "adopt", State.UNRESCUING: "unrescue",
    **{state: "clean" for state in State if state.startswith("clean")},
    **{state: "deploy" for state in State if state.startswith("deploy") or state is State.DEPLOY_WAIT},
    **{state: "inspect" for state in State if state.startswith("inspect")},
    **{state: "rescue" for state in State if state.startswith("rescu")},
    **{state: "service" for state in State if state.startswith("servic")},
}  # fmt: skip


def at(step: StepNow | None = STEP, state: State = State.CLEANING, **more: Any) -> Situation:
    """Work at this step; of Work: due_at, left, abort_asked_at, kind."""
    of_work = {name: more.pop(name) for name in ("due_at", "left", "abort_asked_at", "asked_by") if name in more}
    work = replace(WORK, step=step, kind=KINDS.get(state, "power"), **of_work)
    return replace(BASE, state=state, work=work, **more)


SITUATIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a failure": {"last_error": "the BMC said no"},
    "maintenance": {"maintenance": True, "maintenance_reason": "a fan is broken"},
    "maintenance for no reason": {"maintenance": True},
    "a fault": {"maintenance": True, "fault": "power failure", "maintenance_reason": "no answer"},
    "a lease": {"held": Held(holder="power-1", purpose="inject NMI", since=before(2), expires_at=after(20))},
    "an expired lease": {"held": Held(holder="power-1", purpose="inject NMI", since=before(60), expires_at=before(20))},
    "a step out": {"step": STEP},
    "the third try out": {"step": replace(STEP, attempt=3)},
    "a step to begin": {"step": replace(STEP, status="pending", started_at=None, deadline_at=None)},
    "no step yet": {"step": None},
    "a step asleep": {"step": replace(STEP, status="sleeping", progress="40 % erased"), "due_at": after(15)},
    "an agent to come": {"step": replace(STEP, status="waiting", signal="heartbeat")},
    "another signal": {"step": replace(STEP, status="waiting", signal="firmware-done", progress="flashing")},
    "back-off": {"step": replace(STEP, status="sleeping", failures=1, retries=2, error="no answer"), "due_at": after(4)},
    "a hold": {"step": replace(STEP, label="deploy.hold", status="waiting", signal="unhold")},
    "children": {"step": replace(STEP, status="sleeping", children=("c1", "c2"))},
    "nobody to take it": {"step": replace(STEP, is_served=False)},
    "a queue": {"queue": QUEUE},
    "a queue that somebody blocks": {"queue": replace(QUEUE, ahead=1, due_at=after(2))},
    "an abort": {"step": STEP, "abort_asked_at": before(5)},
    "everything": {"step": STEP, "maintenance": True, "retired": True, "protected": True, "last_error": "x",
                   "unserved": (("raid", "redfish"),)},
}  # fmt: skip


def situation(state: State, name: str) -> Situation:
    values = dict(SITUATIONS[name])
    return at(values.pop("step"), state, **values) if "step" in values else replace(BASE, state=state, **values)


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("state", State)
def test_every_state_in_every_situation_is_explained_in_all_parts(state: State, name: str) -> None:
    node = situation(state, name)
    told = explain(node)

    for text in (told.summary, told.waiting_for, told.holder, told.then):
        assert text.strip() == text != ""
        assert not any(wrong in text for wrong in ("None", "  ", "..", " .", "{", "unknown time", "State.", "()"))
    assert told.summary[0].isupper() or told.summary.startswith("n1")
    assert told.summary.endswith((".", "?"))
    assert "n1" in told.summary
    assert told.since is not None
    assert (told.deadline is None) == (told.then[:3] != "At ")
    assert told.actions
    for action in told.actions:
        assert action.command.startswith("baremetal ")
        assert "{" not in action.command
        assert action.what


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("state", State)
def test_verbs_are_offered_only_where_they_would_be_taken(state: State, name: str) -> None:
    node = situation(state, name)

    for action in explain(node).actions:
        word = action.command.split()[2]
        if word in VERBS:
            assert VERBS[word] in TRANSITIONS[state]
            assert state not in TRANSIENT
            if node.maintenance:
                assert VERBS[word] not in {Event.CLEAN, Event.DEPLOY, Event.RESCUE, Event.SERVICE}


@pytest.mark.parametrize("state", [*sorted(FAILED), State.ERROR])
@pytest.mark.parametrize("maintenance", [True, False])
def test_from_every_failed_state_a_way_back_is_named_and_offered(state: State, maintenance: bool) -> None:
    told = explain(replace(BASE, state=state, last_error="the disk is gone", maintenance=maintenance))

    words = [action.command.split()[2] for action in told.actions]
    assert (told.situation, told.waiting_for) == ("failed", "your decision")
    assert "The reason: the disk is gone." in told.summary
    assert set(words) & set(VERBS)
    assert (words[0] == "maintenance") == maintenance


@pytest.mark.parametrize("state", sorted(HOLDING))
def test_a_hold_can_be_let_go(state: State) -> None:
    assert "baremetal node unhold n1" in [action.command for action in explain(replace(BASE, state=state)).actions]


@pytest.mark.parametrize("state", sorted(WAITING))
def test_every_wait_says_what_comes_at_its_deadline_and_how_to_end_it(state: State) -> None:
    told = explain(at(replace(STEP, status="waiting", signal="heartbeat"), state))

    assert (told.situation, told.deadline) == ("waiting", after(600))
    assert f'"{TRANSITIONS[state][Event.FAIL]}"' in told.then
    assert "baremetal node abort n1" in [action.command for action in told.actions]


@pytest.mark.parametrize("state", sorted(STABLE - {State.ERROR}))
def test_an_idle_node_waits_for_a_command_and_nobody_holds_it(state: State) -> None:
    told = explain(replace(BASE, state=state))

    assert (told.situation, told.holder, told.deadline) == ("idle", "nobody", None)


def test_a_protected_node_is_not_said_to_take_what_would_be_refused() -> None:
    told = explain(replace(BASE, state=State.ACTIVE, protected=True))

    assert not any(word in action.command for action in told.actions for word in ("undeploy", "rebuild"))


def test_without_a_name_a_node_is_called_by_its_uuid() -> None:
    told = explain(replace(BASE, name=None))

    assert told.summary.startswith(f"{NODE} is available")


GOLDEN: list[tuple[Situation, str]] = [
    (
        replace(BASE, state=State.ENROLL, last_error="Verifying the node failed: bad password", power_state=None),
        "n1 is enrolled, and nobody has asked to manage it yet: its BMC is on record and has not been checked. The next "
        "step is manage, which checks that the BMC answers and reads the power state. Its power is unknown. The last "
        "thing that was tried failed: Verifying the node failed: bad password.",
    ),
    (
        replace(BASE, resource_class="baremetal"),
        "n1 is available: whoever asks for a node of baremetal may get it, and nothing is going on until somebody does. "
        "Its power is on.",
    ),
    (
        at(replace(STEP, label="deploy.wait", status="waiting", signal="heartbeat"), State.CLEAN_WAIT),
        "Cleaning n1 has been going on for 60 s, asked for by ada. It is at step 2 of 5, deploy.wait. It waits for the "
        "agent's first call, for 30 s. The machine has to boot the ramdisk and its agent to reach the API: GET "
        "/v1/nodes/n1/boots shows how far it came. If it does not come: is the machine on, does it boot from the right "
        "network, and does the agent reach the API's address?",
    ),
    (
        at(replace(STEP, label="deploy.erase_devices", status="waiting", signal="heartbeat"), State.CLEAN_WAIT),
        "Cleaning n1 has been going on for 60 s, asked for by ada. It is at step 2 of 5, deploy.erase_devices. It waits "
        "for the agent on the node to call, for 30 s. The agent is at work on deploy.erase_devices and calls every few "
        "minutes, and when it is done; each call puts the deadline off.",
    ),
    (
        at(replace(STEP, label="power.verify", status="sleeping", failures=1, retries=2, error="no answer"),
           State.VERIFYING, due_at=after(4)),
        "Checking the BMC of n1 has been going on for 60 s, asked for by ada. It is at step 2 of 5, power.verify. The "
        "last try failed: no answer. It is tried again in 4 s (2 more tries before the step fails).",
    ),
    (
        replace(BASE, state=State.ACTIVE, maintenance=True, fault="power failure",
                maintenance_reason="The BMC did not answer 3 times in a row: timed out"),
        "n1 is in maintenance because its power can not be trusted: The BMC did not answer 3 times in a row: timed out. "
        "Its power state was last seen as power on. Power sync goes on asking the BMC; as soon as it answers, "
        "maintenance and fault end by themselves and the node is active as before.",
    ),
    (
        replace(BASE, held=Held(holder="power-1.here", purpose="set boot device pxe", since=before(3), expires_at=after(27))),
        "n1 is held by power-1.here for a direct call to its BMC (set boot device pxe) for 3 s. Such calls take seconds; "
        "others that would change the node get 409 meanwhile.",
    ),
    (
        at(replace(STEP, label="deploy.hold", status="waiting", signal="unhold", started_at=before(7200)), State.DEPLOY_HOLD),
        "n1 holds on purpose for 2 h: a hold step stopped it so that somebody can look. Deploying n1 has been going on "
        "for 60 s, asked for by ada. It is at step 2 of 5, deploy.hold. Nothing goes on until it is let go; it is free "
        "for other work on its power or record meanwhile.",
    ),
    (
        replace(BASE, maintenance=True, maintenance_reason="a fan is broken"),
        "n1 is available and in maintenance: it is left alone, and deployments are refused. The reason: a fan is broken. "
        "Maintenance ends only when somebody ends it.",
    ),
    (
        at(replace(STEP, label="raid.create_configuration", is_served=False)),
        "Cleaning n1 has been going on for 60 s, asked for by ada. It is at step 2 of 5, raid.create_configuration. No "
        "worker is online that serves raid for this node, so nobody can take the step. It is kept, and asked for again "
        "and again: as soon as such a worker comes it goes on by itself.",
    ),
    (
        replace(BASE, queue=QUEUE),
        'n1 is available, and waits for its turn in a group operation ("active"): 50 of at most 50 nodes are at work, '
        "and 7 nodes come before it.",
    ),
    (
        replace(BASE, state=State.CLEAN_FAILED, last_error="Cleaning failed: disk sdb does not answer", maintenance=True),
        "Cleaning n1 failed or was aborted 60 min ago. The reason: Cleaning failed: disk sdb does not answer. It is in "
        "maintenance, so that nobody gets it before somebody has looked. Nothing is going on now, and it can be brought "
        "back: manage it, end maintenance if it is on, then clean it again or provide it.",
    ),
    (
        at(replace(STEP, status="sleeping", progress="40 % erased"), due_at=after(15),
           left=Estimate(known=True, middle_s=420, low_s=300, high_s=540, runs=9)),
        "Cleaning n1 has been going on for 60 s, asked for by ada. It is at step 2 of 5, deploy.erase_devices. The "
        "provider looks at it again in 15 s. It says: 40 % erased. Going by earlier runs, it should be done in about 7 "
        "min (80 % took 5–9 min).",
    ),
    (
        replace(BASE, state=State.CLEANING),
        'n1 is in the state "cleaning" for 60 min, but no workflow belongs to it. That is so for a moment between two '
        "pieces of work. If this stays so for more than a minute, something is wrong: please look into inventory's log.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("node", "text"), GOLDEN, ids=[explain(node).situation for node, _ in GOLDEN])
def test_it_reads_like_a_colleagues_answer(node: Situation, text: str) -> None:
    assert explain(node).summary == text


def test_the_deadline_is_told_with_what_comes_then() -> None:
    told: Explanation = explain(at(replace(STEP, status="waiting", signal="heartbeat"), State.DEPLOY_WAIT))

    assert told.then == (
        'At 2026-03-01 12:10:00 UTC (in 10 min) the step is given up, the node goes to "deploy failed" and last_error '
        "says why."
    )


HIDDEN = {"last_error": "disk sdb is gone", "reservation": "power-1.here"}


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("state", State)
def test_what_is_not_shown_of_a_node_is_in_no_part_of_its_explanation(state: State, name: str) -> None:
    node = replace(situation(state, name), last_error=HIDDEN["last_error"], held=replace(HELD, purpose="ask for ada"))
    if node.work is not None and node.step is not None and node.step.error is not None:
        node = replace(node, work=replace(node.work, step=replace(node.step, error=HIDDEN["last_error"])))

    told = str(explain(veiled(node, HIDDEN)))

    assert not any(text in told for text in (*HIDDEN.values(), "ada"))


def test_only_what_is_hidden_is_left_out() -> None:
    node = replace(BASE, state=State.CLEAN_FAILED, last_error="disk sdb is gone")
    held = replace(node, held=HELD)

    assert veiled(held, ()) == held
    assert "disk sdb is gone" in explain(veiled(node, {"reservation"})).summary
    assert "the policy does not show it to you" in explain(veiled(node, {"last_error"})).summary
    assert "power-1.here" in explain(veiled(held, {"last_error"})).holder
