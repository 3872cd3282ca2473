"""The stream of events: what is wanted, how bad it is, frames, places, and what a ring remembers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.domain import event_stream
from steelyard_api_gateway.domain.event_stream import Place, Ring, Told, Wanted, place_of
from steelyard_api_gateway.testing import SITE
from steelyard_common.contracts.events import cloud_event

NODE, OTHER = "8ac951e5-0800-43ec-be85-0af36c7d306c", "11111111-0800-43ec-be85-0af36c7d306c"


def event(sequence: int, fact: str = "node-updated", subject: str = NODE, **data: Any) -> Told:
    message = cloud_event(SITE, "inventory", fact, subject, data, now=datetime.now(UTC))
    made = event_stream.told("0badcafe", sequence, message.subject, message.body)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("wanted", "is_wanted"),
    [
        (Wanted(), True),
        (Wanted(types=("fault-*",)), True),
        (Wanted(types=("inventory.fault-changed",)), True),
        (Wanted(types=("power.*", "node-*")), False),
        (Wanted(nodes=frozenset({NODE})), True),
        (Wanted(nodes=frozenset({OTHER})), False),
        (Wanted(severity="warning"), True),
        (Wanted(severity="error"), True),
    ],
)
def test_a_reader_gets_what_it_wants(wanted: Wanted, is_wanted: bool) -> None:
    assert wanted.has(event(1, "fault-changed", to="power failure")) is is_wanted


@pytest.mark.parametrize(
    ("fact", "data", "severity"),
    [
        ("node-updated", {}, "info"),
        ("fault-changed", {"to": None}, "info"),
        ("provision-state-changed", {"to": "deploy failed"}, "error"),
        ("provision-state-changed", {"to": "active"}, "info"),
        ("workflow-finished", {"status": "failed"}, "error"),
        ("operation-finished", {"status": "aborted"}, "warning"),
        ("health-changed", {"health": "Critical"}, "error"),
        ("health-changed", {"health": None}, "info"),
        ("bmc-unreachable", {}, "error"),
        ("call-refused", {}, "warning"),
    ],
)
def test_how_bad_an_event_is_follows_from_what_it_says(fact: str, data: dict[str, Any], severity: str) -> None:
    assert event(1, fact, **data).severity == severity


def test_a_frame_is_one_event_whatever_its_body_looks_like() -> None:
    body = b'{\n "type": "org.acme.seen",\r\n "data": {"text": "a\\nb"}\n}'
    made = event_stream.told("0badcafe", 7, f"{SITE}.power.evt.seen.{NODE}", body)
    assert made is not None
    first, second, third, *rest = made.frame.decode().split("\n")
    assert (first, second, rest) == ("id: 0badcafe-7", "event: org.acme.seen", ["", ""])
    assert orjson.loads(third.removeprefix("data: "))["data"] == {"text": "a\nb"}
    for nonsense in (b"", b"[]", b'{"type": "a\\nb"}', b'{"data": {}}', b'{"type": "x", "data": 1}'):
        assert event_stream.told("0badcafe", 7, f"{SITE}.power.evt.seen.{NODE}", nonsense) is None


def test_places_are_written_and_read() -> None:
    assert place_of(Place("0badcafe", 12).text()) == Place("0badcafe", 12)
    for nonsense in ("", "12", "0badcafe-", "0badcafe-1x", "0BADCAFE-1", "0badcafe--1"):
        assert place_of(nonsense) is None


def test_a_ring_remembers_the_newest_and_says_since_when() -> None:
    ring = Ring("0badcafe", 10, most=3)
    ring.add([event(number) for number in range(11, 16)])
    assert (ring.after, ring.last) == (12, 15)
    assert [each.sequence for each in ring.behind(12, 9)] == [13, 14, 15]
    assert [each.sequence for each in ring.behind(12, 2)] == [13, 14]
    assert ring.behind(15, 9) == []
    small = Ring("0badcafe", 0, most_bytes=len(event(1).frame) + 1)
    small.add([event(1), event(2)])
    assert [each.sequence for each in small.behind(0, 9)] == [2]
