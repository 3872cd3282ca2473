"""Whatever providers answer, whatever is lost, doubled or killed: every workflow ends, once, and frees its node."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from steelyard_common.contracts.steps import Again, Done, Failed, StepMessage, StepResult, Wait
from steelyard_common.db import outbox
from steelyard_common.errors import DeviceRefused, DeviceUnreachable, OutcomeUnknown, SteelyardError, Unavailable
from steelyard_inventory.service.lifecycle import Caller

if TYPE_CHECKING:
    from .conftest import Stage

FACTS = st.sampled_from([{}, {"power_state": "power on"}, {"power_state": "power off", "health": "OK"}])
RESULTS: st.SearchStrategy[StepResult] = st.one_of(
    st.builds(Done, facts=FACTS),
    st.builds(Again, after_s=st.sampled_from([0.0, 1.0, 90.0]), memo=st.just({"phase": "off"})),
    st.builds(Wait, signal=st.sampled_from(["heartbeat", "unhold"])),
    st.builds(Failed, error=st.sampled_from([DeviceUnreachable(), DeviceRefused(), OutcomeUnknown()])),
)
ANSWERS = st.tuples(st.lists(RESULTS, min_size=1, max_size=2), st.integers(1, 2))
NODE = st.integers(0, 1)
ACTIONS = st.one_of(
    st.tuples(st.just("power"), NODE, st.sampled_from(["power on", "power off", "rebooting"])),
    st.tuples(st.just("manage"), NODE, st.none()),
    # Which of the messages so far (from the newest) is answered, with what, how often.
    st.tuples(st.just("answer"), st.integers(0, 4), ANSWERS),
    st.tuples(st.just("time"), st.sampled_from([0, 2, 61, 500]), st.none()),
    st.tuples(st.just("abort"), NODE, st.none()),
    st.tuples(st.just("signal"), NODE, st.sampled_from(["heartbeat", "unhold"])),
    # The process dies in its next transaction: before the commit, or after it and before the messages are out.
    st.tuples(st.just("kill"), st.sampled_from(["before", "after"]), st.none()),
    st.tuples(st.just("see"), NODE, st.sampled_from(["power on", "power off"])),
)  # fmt: skip


class Play:
    """One story on the stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.nodes = [stage.add_node(provision_state="enroll", power_state=None), stage.add_node()]
        self.dies = ""
        commit, publish = stage.database._commit, stage.database.hand_over

        def commit_or_die(connection: Any, transaction: Any, ids: Any) -> None:
            dies, self.dies = self.dies, ""
            if dies == "before":
                raise Unavailable("killed before the commit")
            stage.database.hand_over = None if dies == "after" else publish
            commit(connection, transaction, ids)
            stage.database.hand_over = publish

        stage.database._commit = commit_or_die  # type: ignore[method-assign]

    def run(self, actions: Sequence[tuple[str, Any, Any]]) -> None:
        for name, what, how in actions:
            with suppress(SteelyardError):
                self.do(name, what, how)
            self.check()
        self.finish()

    def do(self, name: str, what: Any, how: Any) -> None:
        stage = self.stage
        match name:
            case "power":
                stage.lifecycle.set_power(self.nodes[what], how, None, Caller())
            case "manage":
                stage.lifecycle.set_provision(self.nodes[what], "manage", Caller())
            case "answer":
                results, times = how
                if len(messages := self.messages()) > what:
                    stage.answer(messages[-1 - what], *results, times=times)
            case "time":
                stage.tick(after_s=what)
            case "abort":
                stage.lifecycle.abort_workflow(self.nodes[what])
            case "signal":
                stage.lifecycle.send_signal(self.nodes[what], how)
            case "kill":
                self.dies = what
            case "see":
                stage.see("power-observed", self.nodes[what], power_state=how)

    def messages(self) -> list[StepMessage]:
        return self.stage.sent()

    def check(self) -> None:
        """What holds at any time."""
        rows = self.stage.rows(
            "SELECT n.uuid, n.reservation, n.provision_state, n.target_power_state, l.workflow_uuid AS lock, "
            "(SELECT count(*) FROM workflows w WHERE w.node_uuid = n.uuid AND w.finished_at IS NULL) AS active, "
            "(SELECT min(w.due_at) FROM workflows w WHERE w.node_uuid = n.uuid AND w.finished_at IS NULL) AS due "
            "FROM nodes n LEFT JOIN locks l ON l.node_uuid = n.uuid"
        )
        for row in rows:
            assert row["active"] == (row["lock"] is not None) == (row["reservation"] is not None)
            assert row["active"] <= 1
            assert bool(row["active"]) == (row["due"] is not None)
            assert row["active"] or row["target_power_state"] is None
            assert row["active"] or row["provision_state"] in ("enroll", "manageable", "available")

    def finish(self) -> None:
        """With nobody answering any more, time alone ends everything."""
        self.dies = ""
        self.sweep()
        self.stage.bus.deliver()
        for _ in range(40):
            self.stage.tick(after_s=60)
            self.check()
        assert self.stage.rows("SELECT uuid FROM workflows WHERE finished_at IS NULL") == []
        self.sweep()
        ended = self.stage.rows("SELECT uuid::text FROM workflows")
        told = [
            data["workflow"]
            for node in self.nodes
            for fact, data in self.stage.events(node)
            if fact == "workflow-finished"
        ]
        assert sorted(told) == sorted(row["uuid"] for row in ended)
        attempts = [(each.workflow, step.index, step.attempt) for each in self.messages() for step in each.steps]
        assert len(attempts) == len(set(attempts))

    def sweep(self) -> None:
        """What a relay does for those that died: whatever is in the outbox goes out, perhaps once more."""
        with self.stage.database.begin() as transaction:
            left = outbox.old(transaction.connection, -1, [], 1000)
        self.stage.bus.publish([message for _, message in left])


@settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(actions=st.lists(ACTIONS, min_size=3, max_size=18))
def test_every_workflow_ends_once_and_frees_its_node(stage: Stage, actions: list[tuple[str, Any, Any]]) -> None:
    for table in ("outbox", "nodes"):
        with stage.database.begin() as transaction:
            transaction.connection.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608
    stage.bus.published.clear()
    stage.database.__dict__.pop("_commit", None)

    Play(stage).run(actions)
