"""Every state × every verb × locked or not, from the table itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from steelyard_common.errors import Busy, InvalidRequest, SteelyardError
from steelyard_inventory.domain.transitions import (
    HOLDING,
    STABLE,
    TARGETS,
    TRANSITIONS,
    VERBS,
    Event,
    State,
    next_state,
    target_after,
)
from steelyard_inventory.service.lifecycle import Caller

if TYPE_CHECKING:
    from .conftest import Stage

RESET = {"interface": "bios", "step": "factory_reset"}
PARAMS: dict[Event, dict[str, Any]] = {
    Event.CLEAN: {"clean_steps": [RESET]},
    Event.SERVICE: {"service_steps": [RESET]},
    Event.RESCUE: {"rescue_password": "sealed:k1:AA"},
}
EVENTS = sorted(set(VERBS.values()))
WORDS = {event: word for word, event in VERBS.items()}


def asked(stage: Stage, node: str, event: Event) -> type[SteelyardError] | None:
    try:
        stage.verb(node, WORDS[event], **PARAMS.get(event, {}))
    except SteelyardError as error:
        return type(error)
    return None


@pytest.mark.parametrize("state", TRANSITIONS)
def test_a_verb_does_what_the_table_says_and_nothing_else(stage: Stage, state: State) -> None:
    stage.announce_all()
    for event in EVENTS:
        node = stage.add_fake(state, target_provision_state=_target(state))

        met = asked(stage, node, event)

        row = stage.node(node)
        shown = (row["provision_state"], row["target_provision_state"])
        if event not in TRANSITIONS[state]:
            assert (met, shown) == (InvalidRequest, (state, _target(state))), event
        elif event is Event.UNHOLD:  # nothing waits there: that is refused, abort is the way out
            assert (met, state in HOLDING) == (InvalidRequest, True)
        elif (state, event) == (State.SERVICE_FAILED, Event.ABORT):
            # What was prepared is taken back first; that leads to active.
            assert (met, row["provision_state"], row["reservation"] is not None) == (None, State.SERVICE_FAILED, True)
        else:
            after = target_after(state, event, _target(state))
            assert (met, shown) == (None, (next_state(state, event), after)), event


@pytest.mark.parametrize("state", TRANSITIONS)
def test_every_verb_is_refused_as_busy_while_somebody_holds_the_node(stage: Stage, state: State) -> None:
    stage.announce_all()
    node = stage.add_fake(state)
    stage.leases.take(node, "a direct call", 60)

    assert [asked(stage, node, event) for event in EVENTS] == [Busy] * len(EVENTS)

    assert stage.node(node)["provision_state"] == state


def test_a_hold_that_was_begun_by_a_verb_can_be_left_by_unhold(stage: Stage) -> None:
    stage.announce_all()
    node = stage.add_fake(State.ACTIVE)
    stage.lifecycle.set_provision(
        node, "service", Caller(), {"service_steps": [{"interface": "deploy", "step": "hold"}]}
    )

    assert asked(stage, node, Event.UNHOLD) is None

    assert stage.node(node)["provision_state"] == State.SERVICE_WAIT


def test_an_unhold_that_is_repeated_is_refused_as_ironic_does_and_leaves_no_other_hold(stage: Stage) -> None:
    provider = stage.announce_all()
    node = stage.add_fake()
    hold = {"interface": "deploy", "step": "hold"}
    stage.verb(node, "clean", clean_steps=[hold, {"interface": "bios", "step": "factory_reset"}, hold])
    caller = Caller(request_id="req-1")

    stage.lifecycle.set_provision(node, "unhold", caller, {})
    for again in (caller, Caller(request_id="req-2")):
        with pytest.raises(InvalidRequest, match="can not be performed"):
            stage.lifecycle.set_provision(node, "unhold", again, {})
    stage.tick()
    provider.run()

    assert stage.node(node)["provision_state"] == State.CLEAN_HOLD


def test_of_two_that_unhold_at_once_one_is_refused(stage: Stage) -> None:
    stage.announce_all()
    node = stage.add_fake()
    stage.verb(node, "clean", clean_steps=[{"interface": "deploy", "step": "hold"}] * 2)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: asked(stage, node, Event.UNHOLD), range(2)))

    assert sorted(answers, key=str) == sorted([None, InvalidRequest], key=str)


def _target(state: State) -> State | None:
    """What a node in ``state`` is on its way to: that of the verb that leads there, None where nothing goes on."""
    return TARGETS.get(state) or next(
        (TARGETS[old] for old in TARGETS if state in TRANSITIONS[old].values() and state not in STABLE), None
    )
