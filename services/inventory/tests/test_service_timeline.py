"""The timeline on a real database: written once, read in pages, forgotten by the month, and no secret in it."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
import sqlalchemy as sa
from steelyard_common.bus import Message
from steelyard_common.contracts import subjects
from steelyard_common.contracts.events import cloud_event
from steelyard_common.contracts.steps import Done, Failed, Outcome, ResultMessage, StepMessage
from steelyard_common.db import Database
from steelyard_common.errors import DeviceRefused, InvalidRequest, NotFound, SteelyardError
from steelyard_common.testing import SetClock
from steelyard_inventory.service.timeline import Timeline
from steelyard_inventory.service.workers import Workers
from steelyard_inventory.store import timeline as store
from steelyard_inventory.testing import SITE, Desk

CANARY = "canary-In-Mine-7731"
DAY = timedelta(days=1)


def rows(desk: Desk, ident: str, **asked: Any) -> list[dict[str, Any]]:
    desk.bus.deliver()
    found: list[dict[str, Any]] = desk.ask("node-timeline", ident=ident, **asked)["timeline"]
    return found


def tell(desk: Desk, node: str, fact: str, data: Any, service: str = "boot", **more: Any) -> Message:
    now = more.pop("now", datetime(2026, 3, 1, tzinfo=UTC))
    message = cloud_event(SITE, service, fact, node, data, now=now, **more)
    desk.bus.publish([message])
    return message


def answer(desk: Desk, *results: Any) -> None:
    """The provider's answer to the newest step message."""
    body = [each for each in desk.bus.published if each.subject.startswith(f"{SITE}.step.")][-1].body
    message = StepMessage.from_dict(orjson.loads(body))
    outcomes = [
        Outcome(index=step.index, attempt=step.attempt, result=result)
        for step, result in zip(message.steps, results, strict=False)
    ]
    said = ResultMessage(
        workflow=message.workflow, node=message.node["uuid"], fence=message.fence, provider="p", outcomes=outcomes
    )
    subject = subjects.result(SITE, message.workflow)
    desk.bus.publish([Message(subject=subject, body=orjson.dumps(said.to_dict()), msg_id=str(uuid.uuid4()))])
    desk.bus.deliver()


def test_the_timeline_of_a_node_alone_says_what_happened_and_why(desk: Desk, clock: SetClock) -> None:
    node = desk.create(name="n1")["uuid"]
    desk.patch("n1", ("add", "/extra/rack", "7"))
    clock.advance(1)
    desk.tell("set-provision", ident="n1", target="manage")
    clock.advance(5)
    answer(desk, Done(facts={"power_state": "power off"}))
    answer(desk, Done(facts={}))

    told = rows(desk, "n1")

    names = [(row["kind"], row["name"], row["outcome"]) for row in told]
    assert {("record", "node-created", None), ("record", "node-updated", None)} <= set(names)
    assert names[-1] == ("record", "node-created", None)
    assert {("workflow", "verify", "started"), ("step", "power.verify", "done"), ("workflow", "verify", "done")} <= set(
        names
    )
    ended = next(row for row in told if (row["kind"], row["outcome"]) == ("workflow", "done"))
    assert (ended["node_uuid"], ended["cause"]["user"], ended["cause"]["origin"]) == (node, "ada", "api")
    assert ended["duration_s"] == 5
    step = next(row for row in told if row["name"] == "power.verify")
    assert step["workflow"] == ended["workflow"]
    assert next(row for row in told if row["name"] == "node-updated")["detail"]["fields"] == ["extra"]


def test_what_is_told_twice_is_written_once_and_measured_once(desk: Desk, database: Database) -> None:
    node = desk.create(name="n1")["uuid"]
    step = {
        "step": "deploy.erase", "status": "done", "attempts": 1, "error": None,
        "started_at": "2026-03-01T00:00:00+00:00", "finished_at": "2026-03-01T00:01:00+00:00",
    }  # fmt: skip
    data = {"workflow": str(uuid.uuid4()), "kind": "clean", "status": "done", "params": {}, "steps": [step]}
    message = tell(desk, node, "workflow-finished", data, service="inventory")
    again = Message(subject=message.subject, body=message.body, msg_id="another")
    desk.bus.publish([again])

    told = [row for row in rows(desk, "n1") if row["kind"] in ("step", "workflow")]

    assert len(told) == 2
    with database.read() as connection:
        assert store.read_durations(connection, "fake-hardware", ["deploy.erase", "raid.x"]) == {"deploy.erase": [60.0]}


def test_only_the_newest_durations_are_kept(desk: Desk, database: Database) -> None:
    with database.begin() as transaction:
        for start in (0, 150):
            values = [float(value) for value in range(start, start + 150)]
            store.add_durations(transaction.connection, {("deploy", "ipmi"): values}, 200)
    with database.read() as connection:
        assert store.read_durations(connection, "ipmi", ["deploy"])["deploy"] == [float(x) for x in range(100, 300)]


def test_pages_go_back_in_time_and_miss_nothing_that_shares_a_millisecond(desk: Desk) -> None:
    node = desk.create(name="n1")["uuid"]
    at = datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(25):
        tell(desk, node, "packet", {"number": number}, now=at + timedelta(seconds=number // 10))
    desk.bus.deliver()

    seen: list[int] = []
    marker = None
    while True:
        page = desk.ask("node-timeline", ident="n1", kinds=["boot"], limit=10, marker=marker, query={"kind": "boot"})
        seen += [row["detail"]["number"] for row in page["timeline"]]
        if "next" not in page:
            break
        asked = parse_qs(urlsplit(page["next"]).query)
        assert asked["kind"] == ["boot"]
        marker = asked["marker"][0]

    assert seen == list(range(24, -1, -1))


def test_a_page_may_be_cut_out_by_time_and_kind(desk: Desk) -> None:
    node = desk.create(name="n1")["uuid"]
    at = datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(4):
        tell(desk, node, "packet", {"number": number}, now=at + timedelta(hours=number))

    found = rows(desk, "n1", since=(at + timedelta(hours=1)).isoformat(), until=(at + timedelta(hours=3)).isoformat())

    assert [row["detail"]["number"] for row in found] == [2, 1]
    assert rows(desk, "n1", kinds=["console"]) == []
    for wrong in ({"kinds": ["weather"]}, {"since": "yesterday"}, {"limit": 0}, {"marker": "x"}):
        with pytest.raises(InvalidRequest):
            desk.ask("node-timeline", ident="n1", **wrong)
    for marker in (str(uuid.uuid4()), found[0]["id"].replace("7", "8", 1)):
        with pytest.raises(NotFound):
            desk.ask("node-timeline", ident="n1", marker=marker)


def test_a_node_that_is_gone_still_tells_who_deleted_it(desk: Desk) -> None:
    node = desk.create(name="n1")["uuid"]
    desk.bus.deliver()
    desk.tell("delete-node", ident="n1")

    assert rows(desk, node)[0]["name"] == "node-deleted"
    for nobody in ("n1", str(uuid.uuid4())):
        with pytest.raises(NotFound):
            desk.ask("node-timeline", ident=nobody)


def test_a_malformed_event_fails_alone(desk: Desk) -> None:
    node = desk.create(name="n1")["uuid"]
    for number, body in enumerate((b"{", b"[]", b"{}", b'{"id": "1", "time": "never"}')):
        desk.bus.publish([Message(subject=f"{SITE}.boot.evt.packet.{node}", body=body, msg_id=f"bad-{number}")])
    tell(desk, node, "packet", {"text": "a\u0000b"})
    tell(desk, node, "packet", {"number": 1})

    assert [row["detail"] for row in rows(desk, "n1", kinds=["boot"])] == [{"number": 1}]


def test_a_direct_call_to_a_bmc_is_told_when_its_lease_ends(desk: Desk, clock: SetClock) -> None:
    node = desk.create(name="n1")["uuid"]
    lease = desk.tell("take-lease", ident="n1", purpose="set boot device pxe", ttl_s=30, holder="power-1")
    clock.advance(2)
    for _ in range(2):
        desk.tell("release-lease", node=node, fence=lease["fence"])

    (call,) = rows(desk, "n1", kinds=["call"])

    assert (call["name"], call["outcome"], call["duration_s"], call["detail"]["holder"]) == (
        "set boot device pxe", "ended", 2, "power-1",
    )  # fmt: skip
    assert call["cause"]["request_id"] == "req-1"


def test_a_refused_call_is_told_of_nodes_that_there_are_only(desk: Desk) -> None:
    node, nobody = desk.create(name="n1")["uuid"], str(uuid.uuid4())
    refused = {
        "method": "PUT", "path": "/v1/nodes/{ident}/states/power", "outcome": "refused", "status": 409, "code": "busy",
        "message": "locked", "duration_s": 0.01,
    }  # fmt: skip
    for each in (node, nobody):
        tell(desk, each, "call-refused", refused, service="api-gateway", cause={"user": "eve", "origin": "api"})

    for name in ("n1", "n2"):
        tell(desk, "by-name", "call-refused", refused | {"node_name": name}, service="api-gateway")

    named, call = rows(desk, "n1", kinds=["call"])

    assert (call["cause"]["user"], call["detail"]["code"]) == ("eve", "busy")
    assert (named["cause"], named["duration_s"]) == ({}, 0.01)
    with pytest.raises(NotFound):
        desk.ask("node-timeline", ident=nobody)


def test_no_secret_of_a_node_reaches_its_timeline(desk: Desk, database: Database) -> None:
    info = {"ipmi_password": f"sealed:k1:{CANARY}", "ipmi_address": "192.0.2.1"}
    desk.create(name="n1", driver_info=info, instance_info={"configdrive": CANARY}, extra={"note": CANARY})
    desk.patch("n1", ("add", "/driver_info/snmp_auth_key", f"sealed:k1:{CANARY}"))
    desk.tell("set-provision", ident="n1", target="manage", rescue_password=f"sealed:k1:{CANARY}")
    answer(desk, Failed(error=DeviceRefused("bad password")))

    assert len(rows(desk, "n1")) > 4
    with database.read() as connection:
        whole = connection.execute(sa.text("SELECT string_agg(timeline::text, ' ') FROM timeline")).scalar_one()
    assert CANARY not in whole


# ---- Ironic's node history


def verified(desk: Desk, *results: Any) -> None:
    desk.create(name="n1")
    desk.tell("set-provision", ident="n1", target="manage")
    answer(desk, *results)


def test_history_is_the_timeline_in_ironics_words(desk: Desk) -> None:
    verified(desk, Failed(error=DeviceRefused("the BMC said no")))

    history = desk.ask("node-history", ident="n1", detail=True)["history"]

    assert [(entry["event_type"], entry["severity"], entry["user"]) for entry in history] == [
        ("verify_start", "INFO", "ada"), ("verify", "ERROR", "ada"),
    ]  # fmt: skip
    assert "the BMC said no" in history[1]["event"]
    assert {entry["conductor"] for entry in history} == {"power-1.here"} == {desk.ask("node", ident="n1")["conductor"]}
    entry = desk.ask("node-history-entry", ident="n1", name=history[1]["uuid"])
    assert entry == history[1]
    assert entry["links"][0]["href"].endswith(f"/history/{entry['uuid']}")


def test_history_shows_the_fields_of_its_version(desk: Desk) -> None:
    verified(desk, Failed(error=DeviceRefused("the BMC said no")))

    short = desk.ask("node-history", ident="n1")["history"][0]
    old = desk.ask("node-history", ident="n1", detail=True, minor=78)["history"][0]
    new = desk.ask("node-history", ident="n1", detail=True)["history"][0]

    assert short.keys() == {"uuid", "created_at", "severity", "event", "links"}
    assert old.keys() == short.keys() | {"event_type", "conductor", "user"}
    assert new.keys() == old.keys() | {"project", "state", "target_provision_state", "duration_seconds"}


def test_history_comes_in_pages_and_orders_and_holds_the_newest_300(desk: Desk) -> None:
    node = desk.create(name="n1")["uuid"]
    at = datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(310):
        data = {"from": None, "to": "power failure", "reason": f"{number:03} {'x' * 300}"}
        tell(desk, node, "fault-changed", data, service="inventory", now=at + timedelta(seconds=number))
    desk.bus.deliver()

    whole = desk.ask("node-history", ident="n1")["history"]
    first = desk.ask("node-history", ident="n1", limit=2, sort_dir="desc", sort_key="created_at")
    marker = parse_qs(urlsplit(first["next"]).query)["marker"][0]
    second = desk.ask("node-history", ident="n1", limit=2, sort_dir="desc", sort_key="created_at", marker=marker)

    assert [entry["event"][:3] for entry in (whole[0], whole[-1])] == ["010", "309"]
    assert len(whole) == 300
    assert all(len(entry["event"]) <= 255 and entry["event"].endswith("...") for entry in whole)
    assert [entry["event"][:3] for entry in first["history"] + second["history"]] == ["309", "308", "307", "306"]
    assert desk.ask("node-history", ident="n1", sort_key="event", limit=1)["history"][0]["event"].startswith("010")


def test_history_knows_what_there_is_not(desk: Desk) -> None:
    desk.create(name="n1")
    for name in (str(uuid.uuid4()), "x"):
        with pytest.raises(NotFound):
            desk.ask("node-history-entry", ident="n1", name=name)
        with pytest.raises(NotFound):
            desk.ask("node-history", ident="n1", marker=name)
    with pytest.raises(NotFound):
        desk.ask("node-history", ident="nobody")


# ---- months


@pytest.fixture
def timeline(database: Database, clock: SetClock) -> Timeline:
    return Timeline(database, Workers(database, clock), clock, days=400)


def partitions(database: Database) -> list[str]:
    with database.read() as connection:
        query = "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'timeline'::regclass"
        return sorted(connection.execute(sa.text(query)).scalars())


def test_months_are_made_ahead_and_dropped_when_they_are_too_old(
    desk: Desk, timeline: Timeline, database: Database, clock: SetClock
) -> None:
    node = desk.create(name="n1")["uuid"]
    timeline.tidy()
    timeline.tidy()
    tell(desk, node, "packet", {"number": 1}, now=clock.now)
    tell(desk, node, "packet", {"number": 0}, now=clock.now - 900 * DAY)
    assert len(rows(desk, "n1", kinds=["boot"])) == 2
    assert len(partitions(database)) == 4

    timeline.tidy()
    assert [row["detail"]["number"] for row in rows(desk, "n1", kinds=["boot"])] == [1]
    clock.advance(450 * 86_400)
    timeline.tidy()

    assert rows(desk, "n1", kinds=["boot"]) == []
    assert f"timeline_{clock.now:%Y_%m}" in partitions(database)


def test_several_replicas_may_make_the_months_at_once(timeline: Timeline, database: Database) -> None:
    errors: list[SteelyardError] = []

    def tidy() -> None:
        try:
            timeline.tidy()
        except SteelyardError as error:
            errors.append(error)

    threads = [threading.Thread(target=tidy) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert errors == []
    assert len(partitions(database)) == 4


def test_a_month_whose_rows_came_before_its_partition_stays_where_they_are(
    desk: Desk, timeline: Timeline, database: Database, clock: SetClock
) -> None:
    node = desk.create(name="n1")["uuid"]
    tell(desk, node, "packet", {"number": 1}, now=clock.now)
    desk.bus.deliver()

    timeline.tidy()

    assert f"timeline_{clock.now:%Y_%m}" not in partitions(database)
    assert len(rows(desk, "n1", kinds=["boot"])) == 1
