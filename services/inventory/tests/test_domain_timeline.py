"""Which rows of the timeline an event makes, and what never gets into one; what durations make of an estimate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steelyard_common.contracts.events import cloud_event
from steelyard_inventory.domain.estimates import Estimate, estimate, left, quantile, span, words
from steelyard_inventory.domain.timeline import read
from steelyard_inventory.domain.timeline_entries import Entry, entry_uuid, plain, time_of

NODE = "0b0f9a55-5fd2-4f07-8e7f-4f2a1d9c1111"
RUN = "7c7f9a55-5fd2-4f07-8e7f-4f2a1d9c2222"
AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
CANARY = "canary-In-Mine-7731"
CAUSE = {"user": "ada", "request_id": "req-1", "origin": "api", "traceparent": "00-1"}


def rows(service: str, fact: str, node: str = NODE, at: datetime = AT, **data: Any) -> list[Entry]:
    message = cloud_event("here", service, fact, node, data, cause=CAUSE, now=at, event_id="event-1")
    return list(read(message.subject, orjson.loads(message.body)))


def finished(status: str = "done", kind: str = "deploy", **more: Any) -> list[Entry]:
    steps = [
        {"step": "deploy.prepare", "status": "done", "attempts": 1, "error": None,
         "started_at": "2026-03-01T11:59:50+00:00", "finished_at": "2026-03-01T11:59:54+00:00"},
        {"step": "deploy.deploy", "status": "done", "attempts": 2, "error": None,
         "started_at": "2026-03-01T11:59:50+00:00", "finished_at": "2026-03-01T12:00:00+00:00"},
        {"step": "deploy.boot", "status": "aborted", "attempts": 0, "error": None, "started_at": None,
         "finished_at": "2026-03-01T12:00:00+00:00"},
    ]  # fmt: skip
    return rows(
        "inventory", "workflow-finished", workflow=RUN, kind=kind, status=status, params={}, steps=steps, **more
    )


def test_the_end_of_a_workflow_makes_a_row_for_each_step_that_ran_and_one_for_the_whole() -> None:
    first, second, whole = finished(started_at="2026-03-01T11:59:40+00:00")

    assert [(row.kind, row.name, row.outcome, row.duration_s) for row in (first, second)] == [
        ("step", "deploy.prepare", "done", 4.0), ("step", "deploy.deploy", "done", 6.0),
    ]  # fmt: skip
    assert (whole.kind, whole.name, whole.outcome, whole.workflow) == ("workflow", "deploy", "done", RUN)
    assert [row.at.time().isoformat("milliseconds") for row in (first, second, whole)] == [
        "11:59:54.000", "12:00:00.000", "12:00:00.123",
    ]  # fmt: skip
    assert time_of(first.uuid) == first.at
    assert whole.duration_s == pytest.approx(20.1, abs=0.1)
    assert second.detail == {"attempts": 2}
    assert whole.cause == {"user": "ada", "request_id": "req-1", "origin": "api"}


def test_the_same_event_makes_the_same_rows_and_each_row_of_it_has_a_uuid_of_its_own() -> None:
    once, again = finished(), finished()

    assert [row.uuid for row in once] == [row.uuid for row in again]
    assert len({row.uuid for row in once}) == 3


@given(st.integers(0, 30_000_000_000_000), st.text(), st.integers(0, 99))
def test_the_uuid_of_a_row_tells_its_time_to_the_millisecond(ms: int, event_id: str, place: int) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)

    assert time_of(entry_uuid(at, event_id, place)) == at


def test_a_uuid_of_another_kind_tells_no_time() -> None:
    with pytest.raises(ValueError, match="no row"):
        time_of(NODE)


@pytest.mark.parametrize(
    ("kind", "status", "params", "event_type"),
    [
        ("clean", "done", {"automated": True}, "automated_cleaning_end"), ("clean", "done", {}, "manual_cleaning_end"),
        ("clean", "failed", {}, "cleaning"), ("deploy", "aborted", {}, "deploying"),
        ("service", "failed", {}, "servicing"),
        ("verify", "failed", {}, "verify"), ("inspect", "failed", {}, "introspection"),
        ("undeploy", "failed", {}, "unprovision"), ("rescue", "failed", {}, "rescue"),
        ("adopt", "failed", {}, "adoption"),
        ("power", "failed", {}, "monitoring"), ("power", "done", {}, None), ("move", "done", {}, None),
    ],
)  # fmt: skip
def test_ends_of_workflows_have_the_event_types_of_ironics_history(
    kind: str, status: str, params: dict[str, Any], event_type: str | None
) -> None:
    row = rows("inventory", "workflow-finished", workflow=RUN, kind=kind, status=status, params=params, steps=[])[-1]

    assert row.event_type == event_type


@pytest.mark.parametrize(
    ("service", "fact", "data", "expected"),
    [
        ("inventory", "node-updated",
         {"uuid": NODE, "name": "n1", "changed": {"owner": "x"}, "changed_objects": ["extra"]},
         ("record", "node-updated", None, {"name": "n1", "fields": ["extra", "owner"]})),
        ("inventory", "provision-state-changed", {"from": "enroll", "to": "verifying", "target": "manageable"},
         ("state", "provision-state-changed", None, {"from": "enroll", "to": "verifying", "target": "manageable"})),
        ("inventory", "power-change-failed", {"target": "power on", "error": "no answer"},
         ("power", "power-change-failed", "failed", {"target": "power on", "error": "no answer"})),
        ("inventory", "fault-changed", {"from": None, "to": "power failure", "reason": "no answer"},
         ("state", "fault-changed", "failed", {"to": "power failure", "reason": "no answer"})),
        ("inventory", "workflow-progressed",
         {"workflow": RUN, "kind": "clean", "step": "deploy.erase", "status": "waiting", "signal": "heartbeat",
          "progress": "40 %"},
         ("step", "deploy.erase", "waiting", {"progress": "40 %", "signal": "heartbeat"})),
        ("inventory", "lease-released",
         {"purpose": "set boot device pxe", "duration_s": 1.5, "outcome": "ended"},
         ("call", "set boot device pxe", "ended", {})),
        ("power", "bmc-unreachable", {"failures": 3, "error": "timed out"},
         ("bmc", "bmc-unreachable", "failed", {"failures": 3, "error": "timed out"})),
        ("power", "bmc-recovered", {"power_state": "power on"},
         ("bmc", "bmc-recovered", "done", {"power_state": "power on"})),
        ("api-gateway", "call-refused", {"method": "PUT", "path": "/nodes/<ident>/states/power", "outcome": "refused",
                                         "status": 409, "code": "busy", "message": "locked", "duration_s": 0.01},
         ("call", "PUT /nodes/<ident>/states/power", "refused", {"status": 409, "code": "busy", "message": "locked"})),
        ("boot", "artifact-sent", {"name": "kernel", "duration_s": 2},
         ("boot", "artifact-sent", None, {"name": "kernel", "duration_s": 2})),
        ("boot", "agent-heartbeat", {"version": "9"}, ("agent", "agent-heartbeat", None, {"version": "9"})),
        ("mine", "washed", {"soap": "green"}, ("record", "washed", None, {"soap": "green"})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_facts_make_a_row_of_their_kind(
    service: str, fact: str, data: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    (row,) = rows(service, fact, **data)

    assert (row.kind, row.name, row.outcome, row.detail) == expected
    assert (row.node_uuid, row.at) == (NODE, AT.replace(microsecond=123000))


@pytest.mark.parametrize(
    ("service", "fact", "node"),
    [("power", "power-observed", NODE), ("power", "sensors", NODE), ("bus", "dead-letter", "engine-7"),
     ("inventory", "something-new", NODE), ("mine", "washed", "not-a-uuid")],
)  # fmt: skip
def test_some_facts_make_none(service: str, fact: str, node: str) -> None:
    assert rows(service, fact, node) == []


@pytest.mark.parametrize(
    "body",
    [{}, {"id": "1"}, {"id": "1", "time": "yesterday"}, {"id": "1", "time": AT.isoformat(), "data": [1]},
     {"id": "1", "time": AT.isoformat(), "data": {"status": "done"}}],
)  # fmt: skip
def test_what_is_no_event_is_an_error_that_the_consumer_knows(body: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        read(f"here.inventory.evt.workflow-finished.{NODE}", body)


def test_a_secret_gets_into_no_row_whoever_tells_it() -> None:
    hidden: dict[str, Any] = {
        "password": CANARY, "rescue_password": CANARY, "agent_token": CANARY, "configdrive": CANARY,
        "inner": {"x": CANARY}, "list": [{"x": CANARY}], "sealed": f"sealed:k1:{CANARY}",
        "params": {"rescue_password": CANARY, "configdrive": CANARY, "steps": [{"args": {"key": CANARY}}],
                   "target": f"sealed:k1:{CANARY}"},
    }  # fmt: skip
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("boot", "lookup", {"configdrive": None}),
        ("mine", "washed", {"configdrive": None}),
        ("inventory", "node-updated", {"changed": {"extra": CANARY}}),
        ("inventory", "workflow-started", {"kind": "rescue", "workflow": RUN}),
        ("inventory", "workflow-finished", {"kind": "rescue", "workflow": RUN, "status": "done", "steps": []}),
    ]
    told = [row for service, fact, extra in cases for row in rows(service, fact, **(hidden | extra))]

    assert len(told) == 5
    assert CANARY not in repr(told)


def test_plain_values_are_short_and_few() -> None:
    kept = plain({"long": "x" * 900, "many": list(range(99)), **{f"n{index}": index for index in range(99)}})

    assert len(kept["long"]) == 500
    assert "many" not in kept
    assert len(kept) <= 50


# ---- estimates


def test_steps_add_up_and_their_spread_grows_more_slowly() -> None:
    one = estimate(["a"], {"a": [100.0, 200.0, 300.0]})
    four = estimate(["a"] * 4, {"a": [100.0, 200.0, 300.0]})

    assert (one.middle_s, four.middle_s) == (200.0, 800.0)
    assert four.high_s - four.middle_s == pytest.approx(2 * (one.high_s - one.middle_s))


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        (Estimate(known=True, middle_s=420, low_s=300, high_s=540, runs=9), "about 7 min (80 % took 5–9 min)"),
        (Estimate(known=True, middle_s=60, low_s=50, high_s=150, runs=9), "about 60 s (80 % took 50 s–2 min)"),
        (Estimate(known=True, middle_s=60, low_s=60, high_s=60, runs=9), "about 60 s"),
        (Estimate(known=True, middle_s=60, low_s=60, high_s=60, runs=1), "about 60 s (1 run so far)"),
        (Estimate(known=True, middle_s=60, low_s=60, high_s=60, runs=9, unknown=("raid.x",)),
         "at least about 60 s; raid.x never ran here"),
        (Estimate(known=False, unknown=("raid.x",)), "unknown: none of these steps has run here yet"),
        (Estimate(known=False), "unknown"),
    ],
)  # fmt: skip
def test_an_estimate_reads_as_people_say_it(given_: Estimate, text: str) -> None:
    assert words(given_) == text


def test_without_history_nothing_is_claimed() -> None:
    unknown = estimate(["a", "b"], {})

    assert (unknown.known, unknown.unknown, unknown.to_dict()["p50_s"]) == (False, ("a", "b"), None)
    assert left(unknown, 5) == unknown


def test_what_has_passed_is_taken_off_and_never_more() -> None:
    whole = estimate(["a"], {"a": [60.0] * 5})

    assert left(whole, 20).middle_s == 40
    assert left(whole, 200).high_s == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "less than 1 s"), (40.4, "40 s"), (100, "2 min"), (3600, "60 min"),
     (7800, "2 h 10 min"), (40000, "11 h"), (300000, "3 d")],
)  # fmt: skip
def test_lengths_of_time_are_rounded_as_people_round_them(seconds: float, text: str) -> None:
    assert span(seconds) == text


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_quantiles_lie_within_and_in_order(samples: list[float]) -> None:
    values = [quantile(samples, share) for share in (0, 0.1, 0.5, 0.9, 1)]

    assert values == sorted(values)
    assert (values[0], values[-1]) == (min(samples), max(samples))
