"""Requests on a real nats-server: answers, errors, deadlines, and a server or a service that goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from marshmallow import Schema, fields
from nats.micro.request import ERROR_CODE_HEADER
from steelyard_common.bus import Endpoint, NatsBus, Request, connect
from steelyard_common.contracts import subjects
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.errors import Busy, InternalError, InvalidRequest, OutcomeUnknown, Unavailable
from steelyard_common.testing import eventually


def _serve(bus: NatsBus, subject: str, handler: Callable[[Request], Any], schema: type[Schema] | None = None) -> None:
    bus.serve("inventory", [Endpoint(subject=subject, handler=handler, schema=schema)])


def _ask(bus: NatsBus, subject: str, body: dict[str, object] | None = None, timeout_s: float = 30) -> bytes:
    return bus.request(subject, body or {}, timeout_s=timeout_s)


def test_a_request_is_answered_with_what_the_handler_returns(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    subject = subjects.query(site, "inventory", "echo")
    _serve(nats_bus, subject, lambda request: {"got": request.body, "caller": request.headers["Steelyard-Caller"]})

    answer = other_bus.request(subject, {"a": 1}, timeout_s=5, headers={"Steelyard-Caller": "me"})

    assert orjson.loads(answer) == {"got": {"a": 1}, "caller": "me"}


def test_a_handler_learns_until_when_its_caller_waits(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    subject = subjects.query(site, "inventory", "deadline")
    _serve(nats_bus, subject, lambda request: {"left": request.deadline - time.monotonic()})

    assert 30 < orjson.loads(_ask(other_bus, subject, timeout_s=60))["left"] <= 60


def test_the_error_of_a_handler_is_raised_by_its_caller(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    def refuse(_request: Request) -> None:
        raise Busy("Node é is locked\r\nInjected: yes", detail="not for the caller")

    subject = subjects.command(site, "inventory", "refuse")
    _serve(nats_bus, subject, refuse)

    with pytest.raises(Busy) as caught:
        _ask(other_bus, subject)
    assert caught.value.message == "Node é is locked\r\nInjected: yes"
    assert caught.value.detail == ""
    assert ERROR_CODE_HEADER == "Nats-Service-Error-Code"


def test_a_bug_is_told_without_its_text(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    subject = subjects.query(site, "inventory", "bug")
    _serve(nats_bus, subject, lambda request: {"x": request.body["nothing"]})

    with pytest.raises(InternalError, match="the log says more"):
        _ask(other_bus, subject)


class _Sized(Schema):
    size = fields.Integer(required=True, strict=True)


def test_a_body_that_does_not_fit_its_schema_never_reaches_the_handler(
    nats_bus: NatsBus, other_bus: NatsBus, site: str
) -> None:
    subject = subjects.query(site, "inventory", "sized")
    _serve(nats_bus, subject, lambda request: request.body, schema=_Sized)

    with pytest.raises(InvalidRequest, match="size"):
        _ask(other_bus, subject, {"size": "big"})
    assert orjson.loads(_ask(other_bus, subject, {"size": 1, "newer": True})) == {"size": 1}


@pytest.mark.parametrize("size", [0, 512 * 1024, 512 * 1024 + 1, 5_000_001])
def test_a_reply_of_any_size_arrives_whole(nats_bus: NatsBus, other_bus: NatsBus, site: str, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    subject = subjects.query(site, "inventory", "bytes")
    _serve(nats_bus, subject, lambda _request: content[:size])

    assert _ask(other_bus, subject) == content[:size]


def test_a_request_too_large_for_a_message_is_refused_before_it_is_sent(nats_bus: NatsBus, site: str) -> None:
    with pytest.raises(InvalidRequest, match="larger than"):
        _ask(nats_bus, subjects.query(site, "inventory", "any"), {"x": "x" * 1_100_000})


def test_slow_requests_of_one_endpoint_run_side_by_side(nats_bus: NatsBus, other_bus: NatsBus, site: str) -> None:
    together = threading.Barrier(4)
    subject = subjects.query(site, "inventory", "slow")
    _serve(nats_bus, subject, lambda _request: {"met": together.wait(20) >= 0})

    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(_ask(other_bus, subject))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [b'{"met":true}'] * 4


def test_nobody_there_is_unavailable_at_once(nats_bus: NatsBus, site: str) -> None:
    began = time.monotonic()

    with pytest.raises(Unavailable, match="the inventory service is away"):
        _ask(nats_bus, subjects.command(site, "inventory", "nobody"))

    assert time.monotonic() - began < 20


@pytest.mark.parametrize(("kind", "error"), [("query", Unavailable), ("command", OutcomeUnknown)])
def test_no_answer_in_time_is_worse_for_a_command(
    nats_bus: NatsBus, other_bus: NatsBus, site: str, kind: str, error: type[Exception]
) -> None:
    done = threading.Event()
    subject = getattr(subjects, kind)(site, "inventory", "stuck")
    _serve(nats_bus, subject, lambda _request: {"late": done.wait(60)})

    with pytest.raises(error):
        _ask(other_bus, subject, timeout_s=0.2)
    done.set()


def test_a_service_that_leaves_finishes_what_it_took(nats_bus: NatsBus, own_nats: EmbeddedNats, site: str) -> None:
    leaving = connect(own_nats.url, site, "leaving", wait_s=10)
    began, go_on = threading.Event(), threading.Event()

    def slow(_request: Request) -> dict[str, bool]:
        began.set()
        return {"done": go_on.wait(60)}

    subject = subjects.query(site, "inventory", "slow")
    _serve(leaving, subject, slow)
    answers: list[bytes] = []
    caller = threading.Thread(target=lambda: answers.append(_ask(nats_bus, subject, timeout_s=90)))
    caller.start()
    assert began.wait(30)

    closer = threading.Thread(target=leaving.close)
    closer.start()
    eventually(lambda: _is_gone(nats_bus, subject))
    go_on.set()
    caller.join(90)
    closer.join(30)

    assert answers == [b'{"done":true}']
    assert not closer.is_alive()


def _is_gone(bus: NatsBus, subject: str) -> bool:
    try:
        _ask(bus, subject, timeout_s=0.2)
    except Unavailable as error:
        return "is away" in error.message
    return False


def test_requests_meet_the_bus_again_after_the_server_was_away(
    nats_bus: NatsBus, other_bus: NatsBus, own_nats: EmbeddedNats, site: str
) -> None:
    subject = subjects.query(site, "inventory", "echo")
    _serve(nats_bus, subject, lambda request: request.body)

    own_nats.stop()
    eventually(lambda: not other_bus.is_connected)
    with pytest.raises(Unavailable, match="bus is away"):
        _ask(other_bus, subject, timeout_s=0.2)
    own_nats.start()
    eventually(lambda: nats_bus.is_connected and other_bus.is_connected)

    assert eventually(lambda: not _is_gone(other_bus, subject))
    assert _ask(other_bus, subject, {"back": 1}) == b'{"back":1}'
