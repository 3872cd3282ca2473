"""The state machine: every state with every event, against a second writing of the facts."""

from __future__ import annotations

from pathlib import Path

import pytest
from steelyard_common.errors import InvalidRequest
from steelyard_inventory.domain import diagram
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
    can,
    next_state,
    target_after,
    verb,
)

# Lifecycle facts §2, written independently of the table: "state: event>state event>state …", spaces as _.
FACTS = """
enroll: manage>verifying
verifying: done>manageable fail>enroll
manageable: provide>cleaning clean>cleaning inspect>inspecting adopt>adopting
available: deploy>deploying manage>manageable
cleaning: done>available manage>manageable fail>clean_failed wait>clean_wait hold>clean_hold
clean_wait: resume>cleaning fail>clean_failed abort>clean_failed hold>clean_hold
clean_hold: unhold>clean_wait abort>clean_failed
clean_failed: manage>manageable
deploying: done>active fail>deploy_failed wait>wait_call-back hold>deploy_hold
wait_call-back: resume>deploying fail>deploy_failed abort>deploy_failed delete>deleting hold>deploy_hold
deploy_hold: unhold>wait_call-back abort>deploy_failed
deploy_failed: rebuild>deploying deploy>deploying delete>deleting
active: rebuild>deploying delete>deleting rescue>rescuing service>servicing
deleting: clean>cleaning fail>error
error: rebuild>deploying delete>deleting
inspecting: done>manageable fail>inspect_failed wait>inspect_wait
inspect_wait: done>manageable resume>inspecting fail>inspect_failed abort>inspect_failed
inspect_failed: inspect>inspecting manage>manageable
adopting: done>active fail>adopt_failed
adopt_failed: adopt>adopting manage>manageable
rescuing: done>rescue wait>rescue_wait fail>rescue_failed
rescue_wait: resume>rescuing fail>rescue_failed abort>rescue_failed delete>deleting
rescue: rescue>rescuing unrescue>unrescuing delete>deleting
rescue_failed: rescue>rescuing unrescue>unrescuing delete>deleting
unrescuing: done>active fail>unrescue_failed
unrescue_failed: rescue>rescuing unrescue>unrescuing delete>deleting
servicing: done>active fail>service_failed wait>service_wait hold>service_hold
service_wait: resume>servicing fail>service_failed abort>service_failed hold>service_hold delete>deleting
service_hold: service>servicing unhold>service_wait fail>service_failed abort>service_failed
service_failed: service>servicing rescue>rescuing abort>active delete>deleting wait>service_wait hold>service_hold
"""


def _facts() -> dict[tuple[str, str], str]:
    found = {}
    for line in FACTS.strip().splitlines():
        state, events = line.split(": ")
        for pair in events.split():
            event, new = pair.split(">")
            found[state.replace("_", " "), event] = new.replace("_", " ")
    return found


EXPECTED = _facts()
PAIRS = [(state, event) for state in State for event in Event]


@pytest.mark.parametrize(("state", "event"), PAIRS, ids=lambda value: str(value))
def test_every_pair_of_state_and_event_is_as_the_facts_say(state: State, event: Event) -> None:
    expected = EXPECTED.get((state, event))

    if expected is None:
        assert not can(state, event)
        with pytest.raises(InvalidRequest, match=f'"{event}" can not be performed .* state "{state}". Possible now: '):
            next_state(state, event)
    else:
        assert next_state(state, event) == expected


def test_every_state_has_a_row_and_belongs_to_one_group() -> None:
    groups = [STABLE, TRANSIENT, WAITING, HOLDING, FAILED]

    assert set(TRANSITIONS) == set(State)
    assert sorted(state for group in groups for state in group) == sorted(State)


@pytest.mark.parametrize(("state", "event"), [pair for pair in PAIRS if can(*pair)], ids=lambda value: str(value))
def test_stable_states_have_no_target_and_all_others_have_one(state: State, event: Event) -> None:
    before = None if state in STABLE else State.ACTIVE

    target = target_after(state, event, before)

    assert (target is None) == (next_state(state, event) in STABLE)


def test_a_failure_keeps_the_target_and_manual_cleaning_leads_to_manageable() -> None:
    assert target_after(State.DEPLOYING, Event.FAIL, State.ACTIVE) is State.ACTIVE
    assert target_after(State.MANAGEABLE, Event.CLEAN, None) is State.MANAGEABLE
    assert target_after(State.MANAGEABLE, Event.PROVIDE, None) is State.AVAILABLE
    assert target_after(State.CLEAN_WAIT, Event.RESUME, State.MANAGEABLE) is State.MANAGEABLE


def test_every_word_of_the_api_is_a_verb_and_nothing_else_is() -> None:
    assert (verb("active"), verb("deploy"), verb("undeploy")) == (Event.DEPLOY, Event.DEPLOY, Event.DELETE)
    assert set(VERBS.values()) == set(Event) - {Event.DONE, Event.FAIL, Event.WAIT, Event.RESUME, Event.HOLD}
    with pytest.raises(InvalidRequest, match="is not known"):
        verb("done")


@pytest.mark.parametrize(("page", "make"), [("states", diagram.states_page), ("workflows", diagram.workflows_page)])
def test_the_reference_pages_are_made_from_the_tables(page: str, make: object) -> None:
    assert callable(make)
    path = Path(__file__).parents[3] / "docs" / "reference" / f"{page}.md"

    assert path.read_text() == make()
