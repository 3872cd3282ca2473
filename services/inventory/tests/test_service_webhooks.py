"""Webhooks on a real database: what is piled up, in which order it goes out, and what becomes of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
import pytest
from steelyard_common.bus import CALLER, MemoryBus, Message
from steelyard_common.bus.types import TAG
from steelyard_common.contracts import subjects
from steelyard_common.errors import Conflict, NotFound, PreconditionFailed
from steelyard_common.testing import SetClock
from steelyard_inventory.domain.webhooks import LONGEST_GAP_S, MOST_AT_ONCE, PAUSES_S
from steelyard_inventory.main import NAME
from steelyard_inventory.service.webhooks import Heard
from steelyard_inventory.testing import BASE_URL, SITE, Desk


class Hooks:
    """The desk, seen by whoever keeps webhooks and whoever sends what is due."""

    def __init__(self, desk: Desk, bus: MemoryBus, clock: SetClock) -> None:
        self.desk, self.bus, self.clock = desk, bus, clock

    def create(self, project: str | None = None, **more: Any) -> str:
        self.bus.deliver()  # what was told before is not for it
        webhook = {"uuid": str(uuid4()), "url": "https://hooks.example/", "secret": "sealed:k1:AAAA",
                   "events": ["*"], **more}  # fmt: skip
        caller: dict[str, Any] = {"user": "ada", "request_id": "r", "project": project}
        if project:
            caller |= {"visible": {"project": project}, "redacted": {"project": project, "fields": {}}}
        self.bus.request(
            subjects.command(SITE, NAME, "create-webhook"),
            {"api": {"minor": 115, "base_url": BASE_URL}, "webhook": webhook},
            timeout_s=5, headers={CALLER: orjson.dumps(caller).decode()},
        )  # fmt: skip
        return str(webhook["uuid"])

    def tell(self, fact: str, subject: str, number: int = 0, **data: Any) -> str:
        event_id = f"{fact}-{subject}-{number}"
        body = orjson.dumps({"id": event_id, "type": f"org.steelyard.inventory.{fact}", "data": data})
        self.bus.publish([Message(subject=subjects.event(SITE, NAME, fact, subject), body=body, msg_id=str(uuid4()))])
        self.bus.deliver()
        return event_id

    def lend(self, **asked: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.desk.tell("take-deliveries", **asked)["deliveries"]
        return found

    def settle(self, delivery: dict[str, Any], answer: int | None = 200, error: str | None = None) -> None:
        self.desk.tell("settle-deliveries", answers=[{"uuid": delivery["uuid"], "answer": answer, "error": error}])

    def version(self, webhook: str) -> str:
        told: dict[str, str] = {}
        body = {"api": {"minor": 115, "base_url": BASE_URL}, "uuid": webhook}
        self.bus.request(subjects.query(SITE, NAME, "webhook"), body, timeout_s=5, told=told)
        return told[TAG].strip('"').split("-")[0]

    def change(self, verb: str, webhook: str, version: str, **more: Any) -> None:
        caller = orjson.dumps({"user": "ada", "request_id": "r", "if_match": [version]}).decode()
        body = {"api": {"minor": 115, "base_url": BASE_URL}, "uuid": webhook, **more}
        self.bus.request(subjects.command(SITE, NAME, verb), body, timeout_s=5, headers={CALLER: caller})

    def deliveries(self, webhook: str, **asked: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.desk.ask("webhook-deliveries", uuid=webhook, **asked)["deliveries"]
        return found


@pytest.fixture
def hooks(desk: Desk, memory_bus: MemoryBus, clock: SetClock) -> Hooks:
    return Hooks(desk, memory_bus, clock)


def test_what_is_wanted_is_piled_up_once_however_often_it_is_read(hooks: Hooks) -> None:
    node = hooks.desk.create(name="n1")["uuid"]
    webhook = hooks.create(events=["provision-*", "power.bmc-unreachable"])
    for _ in range(2):
        hooks.tell("provision-state-changed", node)
        hooks.tell("node-updated", node)
    [delivery] = hooks.deliveries(webhook)
    assert (delivery["type"], delivery["status"]) == ("org.steelyard.inventory.provision-state-changed", "pending")


def test_filters_choose_by_node_owner_and_lessee(hooks: Hooks) -> None:
    one, two = (hooks.desk.create(name=name, owner=owner)["uuid"] for name, owner in (("n1", "p1"), ("n2", "p2")))
    by_owner, by_node = hooks.create(filters={"owner": "p1"}), hooks.create(filters={"node": two})
    for node in (one, two):
        hooks.tell("fault-changed", node)
    assert [each["subject"] for each in hooks.deliveries(by_owner)] == [one]
    assert [each["subject"] for each in hooks.deliveries(by_node)] == [two]


def test_a_projects_webhook_is_told_of_its_own_nodes_and_things_only(hooks: Hooks) -> None:
    mine = hooks.desk.create(name="n1", owner="p1")["uuid"]
    leased = hooks.desk.create(name="n2", owner="p2", lessee="p1")["uuid"]
    others = hooks.desk.create(name="n3", owner="p2")["uuid"]
    webhook = hooks.create(project="p1")
    for subject, data in ((mine, {}), (leased, {}), (others, {}), (others, {"owner": "p1"}), (str(uuid4()), {}),
                          ("a1", {"owner": "p1"}), ("a2", {"owner": "p2"})):  # fmt: skip
        hooks.tell("fault-changed", subject, len(data), **data)
    assert {each["subject"] for each in hooks.deliveries(webhook)} == {mine, leased, "a1"}


def test_events_of_one_node_go_out_in_order_and_wait_for_the_one_that_is_tried_again(hooks: Hooks) -> None:
    one, two = (hooks.desk.create(name=name)["uuid"] for name in ("n1", "n2"))
    hooks.create()
    for number in range(2):
        for node in (one, two):
            hooks.tell("fault-changed", node, number)
    first = {each["event_id"].split("-", 2)[2][:36]: each for each in hooks.lend()}
    assert {each["event_id"][-1] for each in first.values()} == {"0"}
    assert hooks.lend() == []

    hooks.settle(first[one], 500, "HTTP 500")
    hooks.settle(first[two])
    [second] = hooks.lend()
    assert (second["event_id"][-1], two in second["event_id"]) == ("1", True)
    hooks.clock.advance(PAUSES_S[0] + 1)
    assert [each["uuid"] for each in hooks.lend()] == [first[one]["uuid"]]


def test_an_event_waits_for_older_ones_that_another_replica_still_reads_but_not_for_ever(hooks: Hooks) -> None:
    hooks.create()
    node, webhooks = str(uuid4()), hooks.desk.inventory.webhooks

    def hear(place: int) -> None:
        webhooks.take([Heard(service=NAME, fact="node-updated", subject=node, event_id=f"e{place}", event_type="t",
                             body="{}", place=place)])  # fmt: skip

    def lent(taken_to: int) -> list[dict[str, Any]]:
        return list(orjson.loads(webhooks.lend(taken_to))["deliveries"])

    hear(8)
    assert lent(taken_to=6) == []
    hear(7)
    [first] = lent(taken_to=8)
    assert first["event_id"] == "e7"
    hooks.settle(first)
    [second] = lent(taken_to=8)
    assert second["event_id"] == "e8"
    hooks.settle(second)

    hear(90)
    hooks.clock.advance(LONGEST_GAP_S - 1)
    assert lent(taken_to=8) == []
    hooks.clock.advance(1)
    assert [each["event_id"] for each in lent(taken_to=8)] == ["e90"]


def test_what_fails_is_tried_for_hours_then_dead_then_sent_again_when_asked(hooks: Hooks) -> None:
    webhook = hooks.create()
    hooks.tell("fault-changed", str(uuid4()))
    began = hooks.clock.now
    for pause in (*PAUSES_S, 0):
        [delivery] = hooks.lend()
        hooks.settle(delivery, None, "no answer")
        hooks.clock.advance(pause + 1)
    assert hooks.lend() == []
    [dead] = hooks.deliveries(webhook, status="dead")
    assert (dead["tries"], dead["error"]) == (len(PAUSES_S) + 1, "no answer")
    assert (hooks.clock.now - began).total_seconds() > 8 * 3600

    hooks.desk.tell("redeliver-webhook", uuid=webhook, delivery=dead["uuid"])
    with pytest.raises(Conflict):
        hooks.desk.tell("redeliver-webhook", uuid=webhook, delivery=dead["uuid"])
    [again] = hooks.lend()
    hooks.settle(again)
    assert [each["status"] for each in hooks.deliveries(webhook)] == ["delivered"]


def test_a_sender_that_dies_leaves_its_deliveries_to_another_and_an_answer_counts_once(hooks: Hooks) -> None:
    webhook = hooks.create()
    hooks.tell("fault-changed", str(uuid4()))
    [taken] = hooks.lend()
    hooks.clock.advance(61)
    [again] = hooks.lend()
    assert again["uuid"] == taken["uuid"]
    hooks.settle(again)
    hooks.settle(again, 500, "late")
    [delivery] = hooks.deliveries(webhook)
    assert (delivery["status"], delivery["tries"]) == ("delivered", 1)


def test_one_webhook_has_only_so_many_out_at_once(hooks: Hooks) -> None:
    slow, quick = hooks.create(), hooks.create(events=["node-updated"])
    for _ in range(MOST_AT_ONCE + 3):
        hooks.tell("fault-changed", str(uuid4()))
    hooks.tell("node-updated", str(uuid4()))
    taken = hooks.lend()
    assert len(taken) == MOST_AT_ONCE + 1
    assert hooks.lend() == []
    assert len(hooks.deliveries(slow)) == MOST_AT_ONCE + 4
    assert len(hooks.deliveries(quick)) == 1


def test_who_has_few_threads_takes_few_of_each_webhook_in_turn_and_says_how_long_it_may_be_at_them(
    hooks: Hooks,
) -> None:
    for _ in range(2):
        hooks.create()
    for _ in range(3):
        hooks.tell("fault-changed", str(uuid4()))
    taken = hooks.lend(most=2, hold_s=5)
    assert len({each["event_id"] for each in taken}) == 1, "the oldest, for each of the two"
    assert len(hooks.lend()) == 4
    hooks.clock.advance(6)
    assert {each["uuid"] for each in hooks.lend()} == {each["uuid"] for each in taken}


def test_a_change_that_is_meant_for_what_a_webhook_no_longer_is_is_refused(hooks: Hooks) -> None:
    webhook = hooks.create()
    hooks.tell("fault-changed", str(uuid4()))
    before = hooks.version(webhook)
    hooks.settle(hooks.lend()[0], 500, "HTTP 500")
    assert hooks.version(webhook) == before, "deliveries do not change it"

    hooks.change("update-webhook", webhook, before, changes={"description": "mine"})
    assert hooks.version(webhook) != before
    for verb, more in (("update-webhook", {"changes": {"description": "yours"}}), ("delete-webhook", {})):
        with pytest.raises(PreconditionFailed):
            hooks.change(verb, webhook, before, **more)
    assert hooks.desk.ask("webhook", uuid=webhook)["description"] == "mine"
    hooks.change("delete-webhook", webhook, hooks.version(webhook))
    assert hooks.desk.ask("webhooks") == {"webhooks": []}


def test_a_receiver_that_is_gone_switches_its_webhook_off_until_somebody_switches_it_on(hooks: Hooks) -> None:
    webhook = hooks.create()
    hooks.tell("fault-changed", str(uuid4()))
    hooks.settle(hooks.lend()[0], 410, "HTTP 410")
    shown = hooks.desk.ask("webhook", uuid=webhook)
    assert (shown["enabled"], "410" in shown["disabled_reason"]) == (False, True)
    hooks.tell("fault-changed", str(uuid4()))
    assert len(hooks.deliveries(webhook)) == 1

    shown = hooks.desk.tell("update-webhook", uuid=webhook, changes={"enabled": True, "events": ["node-*"]})
    assert (shown["enabled"], shown["disabled_reason"], shown["events"]) == (True, None, ["node-*"])
    assert shown["secret"] == "******"


def test_a_test_is_delivered_to_this_webhook_alone(hooks: Hooks) -> None:
    webhook, other = hooks.create(events=["nothing"]), hooks.create()
    made = hooks.desk.tell("test-webhook", uuid=webhook)
    assert made["type"] == "org.steelyard.inventory.webhook-tested"
    assert [each["uuid"] for each in hooks.lend()] == [made["uuid"]]
    assert hooks.deliveries(other) == []


def test_a_webhook_goes_with_its_deliveries_and_without_any_there_is_nothing_to_do(hooks: Hooks) -> None:
    webhook = hooks.create()
    hooks.tell("fault-changed", str(uuid4()))
    hooks.desk.tell("delete-webhook", uuid=webhook)
    assert hooks.desk.tell("take-deliveries") == {"deliveries": [], "idle": True}
    with pytest.raises(NotFound):
        hooks.desk.ask("webhook", uuid=webhook)
    assert hooks.desk.ask("webhooks") == {"webhooks": []}
