"""Webhooks end to end: real services, two gateways that send, and a real receiver that goes down and comes back."""

from __future__ import annotations

import itertools
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from steelyard_local.testing import RunningSuite, running_suite

from .lives import Lives, fake_body
from .operator import Operator
from .processes import kill
from .receiver import Call, Receiver

SETTINGS = {
    "STEELYARD_WEBHOOK_NETWORKS": "127.0.0.0/8",
    "STEELYARD_WEBHOOK_TIMEOUT_S": "5",
    "STEELYARD_WEBHOOK_PAUSES_S": "0.5,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
}
STATES = "provision-state-changed"
NODES = 4


@pytest.fixture(scope="module")
def suite() -> Iterator[RunningSuite]:
    with running_suite("--replicas", "2", environment=SETTINGS) as suite:
        yield suite


@pytest.fixture
def operator(suite: RunningSuite) -> Operator:
    return Operator(suite.url)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture
def webhook(operator: Operator, receiver: Receiver) -> Iterator[str]:
    made = operator.ask("POST", "/v1/webhooks", {"url": receiver.url})
    receiver.secret = made["secret"]
    yield made["uuid"]
    operator.ask("DELETE", f"/v1/webhooks/{made['uuid']}")


def eventually(told: Callable[[], bool], what: str, *, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not told():
        assert time.monotonic() < end, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.1)


def live(operator: Operator, prefix: str, verbs: tuple[str, ...] = ("manage", "provide")) -> dict[str, str]:
    """So many nodes go through these verbs at once. → name → UUID"""
    over = threading.Event()

    def one(number: int) -> tuple[str, str]:
        lives = Lives(operator, fake_body(f"{prefix}-{number}"), over, has_machine=False)
        lives.begin()
        for verb in verbs:
            lives.go(verb)
        return lives.name, str(operator.node(lives.name)["uuid"])

    with ThreadPoolExecutor(NODES) as pool:
        return dict(pool.map(one, range(NODES)))


def states(calls: list[Call]) -> list[str]:
    """The states that a node went through, in the order in which they were told; each must begin where the one before
    ended."""
    changes = [call.event["data"] for call in calls if call.fact == STATES]
    for before, after in itertools.pairwise(changes):
        assert before["to"] == after["from"], f"one is missing: {before} {after}"
    return [change["to"] for change in changes]


def deliveries(operator: Operator, webhook: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator.ask("GET", f"/v1/webhooks/{webhook}/deliveries?limit=1000{query}")[
        "deliveries"
    ]
    return found


def is_told(operator: Operator, receiver: Receiver, webhook: str, nodes: dict[str, str], state: str) -> bool:
    """All that led these nodes to this state; and nothing is pending just now, though an end may still be announced."""
    there = all(states(receiver.taken(uuid))[-1:] == [state] for uuid in nodes.values())
    return there and not deliveries(operator, webhook, "&status=pending")


def books_agree(operator: Operator, receiver: Receiver, webhook: str, nodes: dict[str, str]) -> bool:
    """Of each node the receiver has taken what the books list, no more and no less."""
    listed = deliveries(operator, webhook)
    return all(
        sorted(call.delivery for call in receiver.taken(uuid))
        == sorted(each["event"] for each in listed if each["subject"] == uuid)
        for uuid in nodes.values()
    )


@pytest.mark.slow
def test_each_node_is_told_in_order_signed_and_by_one_gateway_at_a_time(
    operator: Operator, receiver: Receiver, webhook: str
) -> None:
    receiver.pause_s = 0.05
    nodes = live(operator, "calm")
    eventually(lambda: is_told(operator, receiver, webhook, nodes, "available"), "all told")

    assert all(call.is_signed for call in receiver.calls)
    ids = [call.delivery for call in receiver.calls]
    assert len(ids) == len(set(ids)), "two gateways, and each event was sent once"
    for uuid in nodes.values():
        calls = receiver.taken(uuid)
        assert [call.delivery for call in calls] == [call.event["id"] for call in calls]
        assert calls[0].fact == "node-created"
        for before, after in itertools.pairwise(calls):
            assert before.ended <= after.began, "of one node, the next goes out when the one before was taken"
    eventually(lambda: books_agree(operator, receiver, webhook, nodes), "all told, the last ends too")
    shown = json.dumps([operator.ask("GET", f"/v1/webhooks/{webhook}"), operator.ask("GET", "/v1/webhooks")])
    assert receiver.secret not in shown
    assert "******" in shown


@pytest.mark.slow
def test_a_receiver_that_is_down_is_told_afterwards_in_order(
    operator: Operator, receiver: Receiver, webhook: str
) -> None:
    receiver.stop()
    with ThreadPoolExecutor(1) as pool:
        lives = pool.submit(live, operator, "down", ("manage",))
        eventually(lambda: any(each["tries"] >= 2 for each in deliveries(operator, webhook)), "tried again")
        waiting = deliveries(operator, webhook, "&status=pending")
        tried = [each for each in waiting if each["tries"]]
        assert all(each["error"] and each["next_try_at"] for each in tried)
        assert len({each["subject"] for each in tried}) == len(tried), "nothing overtakes what is tried again"
        receiver.start()
        nodes = lives.result()
    eventually(lambda: is_told(operator, receiver, webhook, nodes, "manageable"), "all told, in order")


@pytest.mark.slow
def test_what_is_refused_for_too_long_is_a_dead_letter_that_holds_nothing_up_and_can_be_sent_again(
    operator: Operator, receiver: Receiver, webhook: str
) -> None:
    receiver.answer = lambda event: 500 if event["type"].endswith(".node-created") else 204
    [(_, uuid), *_] = live(operator, "dead", ("manage",)).items()
    eventually(lambda: states(receiver.taken(uuid)) != [], "told of what came after", within_s=240)
    dead = [each for each in deliveries(operator, webhook, "&status=dead") if each["subject"] == uuid]
    assert [(each["answer"], each["error"], each["tries"]) for each in dead] == [(500, "HTTP 500", 21)]

    receiver.answer = lambda event: 204
    operator.ask("POST", f"/v1/webhooks/{webhook}/deliveries/{dead[0]['uuid']}/redeliver")
    eventually(lambda: any(call.fact == "node-created" for call in receiver.taken(uuid)), "sent again")
    eventually(lambda: dead[0]["uuid"] in _delivered(operator, webhook), "its book says so")


def _delivered(operator: Operator, webhook: str) -> set[str]:
    return {each["uuid"] for each in deliveries(operator, webhook, "&status=delivered")}


def is_later(began: list[float], since: float) -> bool:
    """Whether something began since then."""
    return max(began) > since


@pytest.mark.slow
def test_gateways_that_are_killed_while_they_send_lose_nothing_and_repeat_under_the_same_id(
    suite: RunningSuite, operator: Operator, receiver: Receiver, webhook: str
) -> None:
    receiver.pause_s = 0.3
    began = [0.0]

    def begin(_event: dict[str, Any]) -> int:
        began.append(time.monotonic())
        return 204

    receiver.answer = begin
    killed_at = 0.0
    with ThreadPoolExecutor(1) as pool:
        lives = pool.submit(live, operator, "killed")
        for _ in range(2):
            eventually(partial(is_later, began, killed_at), "a gateway sends")
            kill(suite.pid, "gateway")
            killed_at = time.monotonic()
            operator.ask("GET", "/v1")  # which another one answers: what the dead one sent may still arrive
        eventually(partial(is_later, began, killed_at), "another gateway goes on")
        nodes = lives.result()
    eventually(lambda: is_told(operator, receiver, webhook, nodes, "available"), "all told, in order", within_s=240)

    told = {call.delivery: call.event for call in receiver.calls}
    assert all(told[call.delivery] == call.event for call in receiver.calls), "the same id, the same event"
    eventually(lambda: books_agree(operator, receiver, webhook, nodes), "all told, the last ends too")
    print(len(receiver.calls), "calls,", len(told), "events")


@pytest.mark.slow
def test_a_webhook_is_tried_out_and_changed_by_who_has_seen_what_it_is(
    suite: RunningSuite, operator: Operator, receiver: Receiver, webhook: str
) -> None:
    made = operator.ask("POST", f"/v1/webhooks/{webhook}/test")
    eventually(lambda: any(call.fact == "webhook-tested" for call in receiver.calls), "the test")
    assert all(call.is_signed for call in receiver.calls if call.fact == "webhook-tested")
    eventually(lambda: made["uuid"] in _delivered(operator, webhook), "its book says so")

    path = f"{suite.url}/v1/webhooks/{webhook}"
    with urllib.request.urlopen(path, timeout=30) as answer:
        tag = answer.headers["ETag"]
    first = [{"op": "replace", "path": "/description", "value": "first"}]
    assert _change(path, "PATCH", tag, first) == 200
    assert _change(path, "PATCH", tag, [{"op": "replace", "path": "/description", "value": "second"}]) == 412
    assert _change(path, "DELETE", tag) == 412
    assert operator.ask("GET", f"/v1/webhooks/{webhook}")["description"] == "first"


def _change(url: str, method: str, tag: str, body: Any = None) -> int:
    data = None if body is None else json.dumps(body).encode()
    headers = {"If-Match": tag, "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data=data, method=method, headers=headers), timeout=30
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
