"""Whatever is asked, answered, lost, doubled, late, aborted or killed, on many nodes: every workflow ends, no node is
stuck, no state is outside the table, and each side effect happens at most once an attempt."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from steelyard_common.contracts.steps import Again, Done, Failed, Outcome, StepMessage, StepResult, Wait
from steelyard_common.db import outbox
from steelyard_common.errors import DeviceRefused, DeviceUnreachable, SteelyardError, Unavailable, Unsupported
from steelyard_inventory.domain.transitions import (
    FAILED,
    HOLDING,
    STABLE,
    TRANSIENT,
    TRANSITIONS,
    WAITING,
    Event,
    State,
    can,
)
from steelyard_inventory.service.lifecycle import Caller
from steelyard_inventory.testing_provider import AGENT_INTERFACES

if TYPE_CHECKING:
    from .conftest import Stage

RESET = {"interface": "bios", "step": "factory_reset"}
RAID = {"interface": "raid", "step": "create_configuration"}
UPDATE = {"interface": "firmware", "step": "update", "args": {"settings": []}}
HOLD = {"interface": "deploy", "step": "hold"}
LISTS = st.lists(st.sampled_from([RESET, RAID, UPDATE, HOLD]), min_size=1, max_size=3)
VERBS = st.sampled_from([
    "manage", "provide", "inspect", "active", "rebuild", "deleted", "adopt", "rescue", "unrescue", "abort", "unhold",
    "clean", "service",
])  # fmt: skip
RESULTS: st.SearchStrategy[StepResult] = st.one_of(
    st.just(Done()), st.just(Done()),
    st.builds(Again, after_s=st.sampled_from([0.0, 5.0, 90.0])),
    st.builds(Wait, signal=st.just("heartbeat")),
    st.builds(Failed, error=st.sampled_from([DeviceUnreachable("away"), DeviceRefused("no")])),
)  # fmt: skip
NODES = st.integers(0, 3)
STARTS = ("enroll", "manageable", "available", "active")


class Lives(RuleBasedStateMachine):
    """Four nodes, one provider that may crash, one inventory that may die in a commit."""

    stage: Stage
    has_agents = False

    def __init__(self) -> None:
        super().__init__()
        with self.stage.database.begin() as transaction:
            for table in ("outbox", "nodes"):
                transaction.connection.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608
        self.stage.bus.published.clear()
        self.provider = self.stage.announce_all(agents=self.has_agents)
        self.nodes = [self.stage.add_fake(start, **self.columns(start)) for start in STARTS]
        self.results: list[tuple[StepMessage, list[Outcome]]] = []
        self.dies = ""
        self._may_die()

    def columns(self, start: str) -> dict[str, Any]:
        return {}

    def _may_die(self) -> None:
        database = self.stage.database
        database.__dict__.pop("_commit", None)
        commit, publish = database._commit, database.hand_over

        def commit_or_die(connection: Any, transaction: Any, ids: Any) -> None:
            dies, self.dies = self.dies, ""
            if dies == "before":
                raise Unavailable("killed before the commit")
            database.hand_over = None if dies == "after" else publish
            try:
                commit(connection, transaction, ids)
            finally:
                database.hand_over = publish

        database._commit = commit_or_die  # type: ignore[method-assign]

    @rule(node=NODES, verb=VERBS, steps=LISTS)
    def ask(self, node: int, verb: str, steps: list[dict[str, Any]]) -> None:
        given: dict[str, dict[str, Any]] = {
            "clean": {"clean_steps": steps}, "service": {"service_steps": steps}, "rescue": {"rescue_password": "x"},
        }  # fmt: skip
        with suppress(SteelyardError):
            self.stage.verb(self.nodes[node], verb, **given.get(verb, {}))

    @rule(node=NODES, power=st.sampled_from(["power on", "power off"]))
    def switch(self, node: int, power: str) -> None:
        with suppress(SteelyardError):
            self.stage.lifecycle.set_power(self.nodes[node], power, None, Caller())

    @rule(which=st.integers(0, 5), results=st.lists(RESULTS, min_size=1, max_size=2), times=st.integers(0, 2))
    def answer(self, which: int, results: list[StepResult], times: int) -> None:
        """``times`` 0: the provider crashed after it acted; its answer comes late or never."""
        self.provider.receive()
        if which >= len(self.provider.seen):
            return
        message = self.provider.seen[-1 - which]
        outcomes = [
            Outcome(index=step.index, attempt=step.attempt, result=result)
            for step, result in zip(message.steps, results, strict=False)
        ]
        self.results.append((message, outcomes))
        for _ in range(times):
            self.provider.answer(message, outcomes)
        with suppress(SteelyardError):
            self.stage.bus.deliver()

    @rule(which=st.integers(0, 5))
    def answer_late(self, which: int) -> None:
        if which < len(self.results):
            self.provider.answer(*self.results[which])
            with suppress(SteelyardError):
                self.stage.bus.deliver()

    @rule(most=st.integers(1, 6))
    def work(self, most: int) -> None:
        with suppress(SteelyardError):
            self.provider.run(most)

    @rule(node=NODES, name=st.sampled_from(["heartbeat", "unhold"]))
    def signal(self, node: int, name: str) -> None:
        with suppress(SteelyardError):
            self.stage.lifecycle.send_signal(self.nodes[node], name)

    @rule(node=NODES)
    def abort_anything(self, node: int) -> None:
        with suppress(SteelyardError):
            self.stage.lifecycle.abort_workflow(self.nodes[node])

    @rule(seconds=st.sampled_from([0, 2, 61, 500, 2000]))
    def pass_time(self, seconds: int) -> None:
        with suppress(SteelyardError):
            self.stage.tick(after_s=seconds)

    @rule(when=st.sampled_from(["before", "after"]))
    def kill(self, when: str) -> None:
        self.dies = when

    @invariant()
    def holds(self) -> None:
        rows = self.stage.rows(
            "SELECT n.provision_state, n.target_provision_state AS target, n.reservation, l.workflow_uuid AS lock, "
            "count(w.uuid) FILTER (WHERE NOT w.parked) AS held, count(w.uuid) FILTER (WHERE w.parked) AS parked, "
            "bool_and(w.due_at IS NOT NULL) FILTER (WHERE w.uuid IS NOT NULL) AS due, n.clean_step, "
            "n.driver_internal_info AS internal "
            "FROM nodes n LEFT JOIN locks l ON l.node_uuid = n.uuid "
            "LEFT JOIN workflows w ON w.node_uuid = n.uuid AND w.finished_at IS NULL GROUP BY n.id, l.workflow_uuid"
        )
        for row in rows:
            state = State(row["provision_state"])
            assert state in TRANSITIONS
            assert row["held"] == (row["lock"] is not None) == (row["reservation"] is not None)
            assert row["held"] <= 1
            assert row["parked"] <= 1
            assert row["due"] in (None, True)
            # Work goes on wherever the state says so, and a wait is somebody's.
            assert row["held"] or state not in TRANSIENT
            assert row["parked"] or row["held"] or state not in WAITING | HOLDING
            assert (state in STABLE) == (row["target"] is None)
            assert row["held"] or row["parked"] or not row["internal"]
        self._check_rows()

    def _check_rows(self) -> None:
        """However often a work was planned anew: its rows are numbered without a gap, what is over stays over, and
        what is ahead was never sent alone."""
        for row in self.stage.rows(
            "SELECT w.current_step, w.status, array_agg(s.index ORDER BY s.index) AS indexes, "
            "array_agg(s.status ORDER BY s.index) AS statuses "
            "FROM workflows w JOIN steps s ON s.workflow_uuid = w.uuid GROUP BY w.uuid"
        ):
            assert row["indexes"] == list(range(len(row["indexes"])))
            assert set(row["statuses"][: row["current_step"]]) <= {"done", "skipped"}
            if row["status"] == "running":
                assert row["current_step"] < len(row["indexes"])
                assert set(row["statuses"][row["current_step"] + 1 :]) <= {"pending", "dispatched"}

    def teardown(self) -> None:
        """With nobody answering any more, time alone ends everything; then the API alone leads back."""
        self.dies = ""
        stage = self.stage
        for _ in range(14):
            stage.tick(after_s=86_400)
            stage.tick(after_s=2)
            self.holds()
        assert stage.rows("SELECT uuid FROM workflows WHERE finished_at IS NULL") == []
        stage.database.__dict__.pop("_commit", None)
        self._tell_what_is_left()
        self._check_told()
        self.stage.announce_all(agents=self.has_agents)
        self.provider.receive()
        self.provider.behaviour.clear()
        for node in self.nodes:
            self._lead_back(node)

    def _tell_what_is_left(self) -> None:
        with self.stage.database.begin() as transaction:
            left = outbox.old(transaction.connection, -1, [], 1000)
        self.stage.bus.publish([message for _, message in left])

    def _check_told(self) -> None:
        """Each end is told once; no message repeats an attempt; the timeline's states follow one another."""
        ended = self.stage.rows("SELECT uuid::text FROM workflows")
        facts = [(node, fact, data) for node in self.nodes for fact, data in self.stage.events(node)]
        told = [data["workflow"] for _, fact, data in facts if fact == "workflow-finished"]
        assert sorted(told) == sorted(row["uuid"] for row in ended)
        self.provider.receive()
        attempts = [(each.workflow, step.index, step.attempt) for each in self.provider.seen for step in each.steps]
        assert len(attempts) == len(set(attempts))
        for node, start in zip(self.nodes, STARTS, strict=True):
            moves = [data for each, fact, data in facts if each == node and fact == "provision-state-changed"]
            # They may be told in another order after a crash, but none is missing and none is told twice.
            now = self.stage.node(node)["provision_state"]
            assert sorted([now, *(each["from"] for each in moves)]) == sorted([start, *(each["to"] for each in moves)])

    def _lead_back(self, node: str) -> None:
        for _ in range(6):
            state = State(self.stage.node(node)["provision_state"])
            if state is State.MANAGEABLE:
                return
            assert state in STABLE | FAILED
            events = (Event.MANAGE, Event.DELETE)
            word = next(str(event) for event in events if can(state, event))
            self.stage.verb(node, "deleted" if word == "delete" else word)
            self.provider.run()
            for _ in range(3 if self.has_agents else 0):
                self.stage.lifecycle.send_signal(node, "heartbeat")
                self.stage.tick()
                self.provider.run()
        raise AssertionError(f"{state} does not lead back")


IN_BAND = {"interface": "deploy", "step": "erase_devices", "abortable": True}
AGENT_STEPS = st.lists(
    st.builds(
        lambda name, priority, reboots: IN_BAND | {"step": name, "priority": priority, "reboot_requested": reboots},
        st.sampled_from(["erase_devices", "write_image", "own"]), st.sampled_from([0, 10, 150]), st.booleans(),
    ),
    max_size=3,
)  # fmt: skip
WORDS = st.fixed_dictionaries({
    "deploy.read_agent_steps": st.builds(
        lambda steps: Done(facts={"agent_steps": {"version": {"v": len(steps)}, "steps": steps}}), AGENT_STEPS
    ),
    "deploy.execute_in_band": st.one_of(RESULTS, st.just(Done(facts={"agent_version_mismatch": True}))),
    "deploy.find_agent": st.builds(lambda alive: Done(facts={"agent_alive": alive}), st.booleans()),
    "management.set_boot_device": st.sampled_from([Done(), Failed(error=Unsupported("no"))]),
})  # fmt: skip


class AgentLives(Lives):
    """Machines that boot an agent, which answers late, twice or never, dies, comes back as another, and says anything;
    two of them may keep theirs running between their works."""

    has_agents = True

    def columns(self, start: str) -> dict[str, Any]:
        fast = {"driver_info": {"fast_track": True}} if start in ("manageable", "available") else {}
        image = {"image_source": "http://images.example/x", "capabilities": {"boot_mode": "uefi"}}
        return {**AGENT_INTERFACES, "instance_info": image, "boot_mode": "bios", "power_state": "power on", **fast}

    @rule(node=NODES, verb=st.sampled_from(["active", "clean", "service", "provide"]), words=WORDS)
    def begin(self, node: int, verb: str, words: dict[str, StepResult]) -> None:
        """Work in a ramdisk, wherever the node's state allows it."""
        self.ask(node, verb, [IN_BAND, HOLD])
        self.speak(words, 12)
        self.beat(node, words)

    @rule(words=WORDS, most=st.integers(3, 12))
    def speak(self, words: dict[str, StepResult], most: int) -> None:
        """The agent's next words, and what comes of them."""
        for label, result in words.items():
            self.provider.behaviour[label] = [result]
        self.work(most)

    @rule(node=NODES, words=WORDS)
    def beat(self, node: int, words: dict[str, StepResult]) -> None:
        self.signal(node, "heartbeat")
        self.pass_time(0)
        self.speak(words, 6)


def test_lives_of_machines_with_agents_end_well(stage: Stage) -> None:
    machine = type("AgentLivesHere", (AgentLives,), {"stage": stage})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_lives_of_many_nodes_end_well(stage: Stage) -> None:
    machine = type("LivesHere", (Lives,), {"stage": stage})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20, stateful_step_count=25, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
