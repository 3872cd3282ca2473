"""The stream of events: what is wanted and seen, where it goes on, and what becomes of who takes too little."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.domain import event_stream
from steelyard_api_gateway.domain.event_stream import Place, Ring, Told, Wanted, place_of
from steelyard_api_gateway.drivers import outlets as outlets_room
from steelyard_api_gateway.drivers.outlets import Outlets
from steelyard_api_gateway.handlers.events import SOCKET
from steelyard_api_gateway.main import create_app
from steelyard_api_gateway.service import event_readers
from steelyard_api_gateway.service import event_stream as service_room
from steelyard_api_gateway.service.call import Caller
from steelyard_api_gateway.service.identity import SignIn
from steelyard_api_gateway.settings import Settings
from steelyard_api_gateway.testing import SEAL_KEY, SITE, Others
from steelyard_api_gateway.testing_policy import NamedCallers, of_project
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.events import cloud_event
from steelyard_common.errors import Unavailable
from steelyard_common.health import Parts
from steelyard_common.testing import eventually

NODE, OTHER = "8ac951e5-0800-43ec-be85-0af36c7d306c", "11111111-0800-43ec-be85-0af36c7d306c"

PROJECTS = ("p1", "p2", "p3")
TOKENS = NamedCallers({f"reader:{each}": of_project(each, "reader") for each in PROJECTS} | {"admin": Caller(user="u")})


# ---- pure


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


# ---- connections


class Client:
    """The other end of a connection."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(10)
        self.closed = threading.Event()
        self.text = b""

    def read_until(self, words: bytes, within_s: float = 20) -> bytes:
        end = time.monotonic() + within_s
        while words not in self.text:
            assert time.monotonic() < end, f"{words!r} did not come: {self.text[-300:]!r}"
            data = self.theirs.recv(65536)
            assert data, f"closed before {words!r} came: {self.text[-300:]!r}"
            self.text += data
        return self.text

    def read_to_end(self) -> bytes:
        while data := self.theirs.recv(65536):
            self.text += data
        return self.text


@pytest.fixture
def outlets() -> Iterator[Outlets]:
    made = Outlets()
    yield made
    made.stop(b"the end")


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.theirs.close()


def test_what_is_put_is_sent_in_chunks_and_then_is_told_when_it_was_taken(outlets: Outlets, client: Client) -> None:
    taken = threading.Event()
    outlet = outlets.open(client.ours, chunked=True, last_word=b"", on_close=client.closed.set)
    outlet.put([b"one", b"two"], taken.set)
    assert client.read_until(b"two") == b"6\r\nonetwo\r\n"
    assert taken.wait(10)
    outlet.end(b"bye")
    assert client.read_to_end() == b"6\r\nonetwo\r\n3\r\nbye\r\n0\r\n\r\n"
    assert client.closed.wait(10)
    assert (outlet.is_open, outlets.count) == (False, 0)


def test_a_client_that_leaves_is_noticed_at_once(outlets: Outlets, client: Client) -> None:
    outlet = outlets.open(client.ours, chunked=False, last_word=b"", on_close=client.closed.set)
    outlet.put([b"hello"])
    client.read_until(b"hello")
    client.theirs.close()
    assert client.closed.wait(10)
    assert not outlet.is_open


def test_a_client_that_takes_too_little_is_told_so_and_left_and_no_more_is_kept_for_it(
    outlets: Outlets, client: Client
) -> None:
    outlet = outlets.open(client.ours, chunked=False, last_word=b"TOO SLOW", on_close=client.closed.set)
    frame = b"x" * 64 * 1024
    for _ in range(3 * outlets_room.MOST_BYTES // len(frame)):
        outlet.put([frame])
    assert outlet.ends == outlets_room.SLOW
    assert client.read_to_end().endswith(b"TOO SLOW")
    assert len(client.text) < 2 * outlets_room.MOST_BYTES
    assert client.closed.wait(10)


def test_a_client_that_takes_nothing_is_left_after_a_while(
    outlets: Outlets, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlets_room, "STALL_S", 0.2)
    outlet = outlets.open(client.ours, chunked=False, last_word=b"", on_close=client.closed.set)
    outlet.put([b"x" * 8 * 1024 * 1024])
    assert client.closed.wait(10)
    assert not outlet.is_open


def test_all_clients_are_told_when_the_process_stops(client: Client) -> None:
    outlets = Outlets()
    outlets.open(client.ours, chunked=True, last_word=b"", on_close=client.closed.set).put([b"one"])
    client.read_until(b"one")
    outlets.stop(b"the end")
    assert client.read_to_end().endswith(b"7\r\nthe end\r\n0\r\n\r\n")


# ---- the route, over the bus's twin


class Desk:
    """The gateway's API on the bus in memory, and what happens there."""

    def __init__(self, sign_in: SignIn | None = None, **settings: Any) -> None:
        self.bus = MemoryBus()
        self.others = Others(self.bus)
        self.others.serve()
        self.others.replies["qry.access"] = orjson.dumps({"uuid": NODE, "target": {}, "public": False})
        self.parts = Parts()
        given: dict[str, Any] = {"site": SITE, "seal_keys": SEAL_KEY, "project_rate": 0.0} | settings
        whole = Settings(**given)
        self.app = create_app(whole, self.bus, sign_in, self.parts)
        self.clients: list[Client] = []

    def own(self, *nodes: tuple[str, str | None, str | None]) -> None:
        """(node, owner, lessee)"""
        self.others.replies["qry.owners"] = orjson.dumps({"owners": nodes})

    def tell(self, fact: str, subject: str = NODE, service: str = "inventory", **data: Any) -> None:
        self.bus.publish([cloud_event(SITE, service, fact, subject, data, now=datetime.now(UTC))])

    def refused(self, query: str = "", **headers: str) -> int:
        return self.app.test_client().get(f"/v1/events/stream{query}", headers=headers).status_code

    def follow(self, query: str = "", **headers: str) -> Client:
        """As the HTTP server would: the head is sent, then the socket is handed over."""
        client = Client()
        self.clients.append(client)
        told: list[str] = []
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": "/v1/events/stream", "QUERY_STRING": query.removeprefix("?"),
            "SERVER_NAME": "x", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.0", "wsgi.url_scheme": "http",
            "wsgi.input": None, SOCKET: client.ours,
            **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
        }  # fmt: skip

        def start_response(status: str, _headers: object, _error: object = None) -> Callable[[bytes], object]:
            told.append(status)
            return bytes

        body = self.app.wsgi_app(environ, start_response)
        with pytest.raises(BrokenPipeError):
            list(body)
        assert told == ["200 OK"]
        client.read_until(b"retry: ")
        return client

    def stop(self) -> None:
        self.parts.stop()
        for client in self.clients:
            client.theirs.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.stop()


def events_in(text: bytes) -> list[tuple[str, str]]:
    """(type's end, subject) of each event."""
    found = []
    for block in text.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
        if "data" in lines:
            data = orjson.loads(lines["data"])
            found.append((lines["event"].rpartition(".")[2], data.get("subject", data.get("reason"))))
    return found


def last_id(text: bytes) -> str:
    return text.decode().rpartition("id: ")[2].split("\n")[0]


def test_what_happens_is_told_from_now_on_and_nothing_from_before(desk: Desk) -> None:
    desk.tell("node-created")
    client = desk.follow()
    desk.tell("node-updated")
    desk.tell("fault-changed", to="x")
    client.read_until(b"fault-changed")
    assert events_in(client.text) == [("node-updated", NODE), ("fault-changed", NODE)]


def test_it_goes_on_behind_the_last_event_that_somebody_has(desk: Desk) -> None:
    client = desk.follow()
    desk.tell("node-created")
    client.read_until(b"node-created")
    client.theirs.close()
    for _ in range(600):  # more than is sent at once
        desk.tell("node-updated")
    again = desk.follow(last_event_id=last_id(client.text))
    desk.tell("node-deleted")
    again.read_until(b"node-deleted")
    assert [fact for fact, _ in events_in(again.text)] == ["node-updated"] * 600 + ["node-deleted"]


def test_it_begins_at_an_id_or_a_time_in_the_past(desk: Desk) -> None:
    desk.tell("node-created")
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    desk.tell("node-updated")
    client = desk.follow(f"?since={before.isoformat().replace('+00:00', 'Z')}")
    assert events_in(client.read_until(b"node-updated"))[-1] == ("node-updated", NODE)
    epoch = last_id(client.text).split("-")[0]
    again = desk.follow(f"?since={epoch}-0")
    again.read_until(b"node-updated")
    assert [fact for fact, _ in events_in(again.text)] == ["node-created", "node-updated"]


def test_a_place_in_a_stream_that_is_no_more_begins_anew_with_a_word_about_it(desk: Desk) -> None:
    desk.tell("node-created")
    epoch = last_id(desk.follow().text).split("-")[0]
    for place in ("0badcafe-3", f"{epoch}-99"):
        client = desk.follow(last_event_id=place)
        client.read_until(b"node-created")
        assert [fact for fact, _ in events_in(client.text)] == ["stream-gap", "node-created"]


def test_filters_choose_by_type_node_and_severity(desk: Desk) -> None:
    clients = {
        query: desk.follow(query)
        for query in ("?type=fault-*,org.steelyard.power.*", f"?node={NODE}&type=node-*", "?severity=error")
    }
    desk.tell("node-updated", OTHER)
    desk.tell("node-updated")
    desk.tell("fault-changed", to="x")
    desk.tell("fault-changed", to=None)
    desk.tell("bmc-unreachable", OTHER, service="power")
    desk.tell("node-deleted")
    by_type, by_node, by_severity = clients.values()
    by_type.read_until(b"bmc-unreachable")
    by_severity.read_until(b"bmc-unreachable")
    by_node.read_until(b"node-deleted")
    assert [fact for fact, _ in events_in(by_type.text)] == ["fault-changed", "fault-changed", "bmc-unreachable"]
    assert events_in(by_node.text) == [("node-updated", NODE), ("node-deleted", NODE)]
    assert [fact for fact, _ in events_in(by_severity.text)] == ["fault-changed", "bmc-unreachable"]


@pytest.mark.parametrize(
    "query",
    ["?type=a%20b", "?severity=bad", "?since=yesterday", "?since=2999-01-01T00:00:00Z", "?node=%20", "?colour=red"],
)
def test_what_makes_no_stream_is_refused_before_it_begins(desk: Desk, query: str) -> None:
    assert desk.refused(query) == 400


def test_an_id_that_is_none_and_a_bus_that_is_away_are_refused(desk: Desk) -> None:
    assert desk.refused(**{"Last-Event-ID": "7"}) == 400
    desk.bus.available = False
    assert desk.refused() == 503


def test_a_project_is_told_of_what_it_may_see_and_of_the_past_of_what_it_owns() -> None:
    desk = Desk(TOKENS)
    mine, leased, others = (f"{digit * 8}-0800-43ec-be85-0af36c7d306c" for digit in "123")
    desk.own((mine, "p1", None), (leased, "p2", "p1"), (others, "p2", None))
    try:
        client = desk.follow(x_auth_token="reader:p1")
        for node in (mine, leased, others):
            desk.tell("fault-changed", node, to="x")
        desk.tell("allocation-created", "a1", owner="p1")
        desk.tell("allocation-created", "a2", owner="p2")
        desk.tell("chassis-created", "c1")
        desk.tell("node-updated", mine)
        client.read_until(b"node-updated")
        seen = [
            ("fault-changed", mine),
            ("fault-changed", leased),
            ("allocation-created", "a1"),
            ("node-updated", mine),
        ]
        assert events_in(client.text) == seen

        epoch = last_id(client.text).split("-")[0]
        again = desk.follow(x_auth_token="reader:p1", last_event_id=f"{epoch}-0")
        again.read_until(b"node-updated")
        assert events_in(again.text) == seen, "it is remembered as it was told"
        whole = desk.follow(x_auth_token="admin", last_event_id=f"{epoch}-0")
        whole.read_until(b"node-updated")
        assert len(events_in(whole.text)) == 7
    finally:
        desk.stop()

    later = Desk(TOKENS)
    later.own((mine, "p1", None), (leased, "p2", "p1"), (others, "p2", None))
    try:
        for node in (mine, leased, others):
            later.tell("fault-changed", node, to="x")
        client = later.follow("?since=2020-01-01T00:00:00Z", x_auth_token="reader:p1")
        later.tell("node-updated", leased)
        client.read_until(b"node-updated")
        told = events_in(client.text)
        assert [fact for fact, _ in told] == ["stream-gap", "fault-changed", "node-updated"]
        assert [subject for _, subject in told[1:]] == [mine, leased]
    finally:
        later.stop()


def test_who_may_not_see_all_waits_while_nobody_says_whose_it_is() -> None:
    desk = Desk(TOKENS)
    try:
        client, whole = desk.follow(x_auth_token="reader:p1"), desk.follow(x_auth_token="admin")
        desk.others.errors["qry.owners"] = Unavailable("inventory is away")
        desk.tell("fault-changed", to="x")
        whole.read_until(b"fault-changed")
        del desk.others.errors["qry.owners"]
        desk.own((NODE, "p1", None))
        assert ("fault-changed", NODE) in events_in(client.read_until(b"fault-changed"))
    finally:
        desk.stop()


def test_so_many_may_follow_and_no_more_of_one_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_room, "MOST_OF_ONE", 1)
    desk = Desk(TOKENS, event_readers=2)
    try:
        one = desk.follow(x_auth_token="reader:p1")
        assert desk.refused(**{"X-Auth-Token": "reader:p1"}) == 429
        desk.follow(x_auth_token="reader:p2")
        assert desk.refused(**{"X-Auth-Token": "reader:p3"}) == 503
        one.theirs.close()
        eventually(lambda: desk.refused(**{"X-Auth-Token": "reader:p2"}) == 429)
        desk.follow(x_auth_token="reader:p1")
    finally:
        desk.stop()


def test_who_follows_for_long_must_come_back_and_a_gateway_that_stops_says_so() -> None:
    desk = Desk(event_stream_s=0.1)
    client = desk.follow()
    assert b"sign in again" in client.read_to_end()
    desk.stop()
    other = Desk()
    client = other.follow()
    other.parts.stop()
    assert b"this gateway stops" in client.read_to_end()
    other.stop()


def test_who_hears_nothing_for_a_while_learns_that_it_is_still_there_and_where_to_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_readers, "HEARTBEAT_S", 0.2)
    desk = Desk()
    try:
        client = desk.follow("?type=nothing")
        desk.tell("node-updated")
        eventually(lambda: last_id(client.read_until(b": still here") + client.theirs.recv(4096)).endswith("-1"))
    finally:
        desk.stop()
