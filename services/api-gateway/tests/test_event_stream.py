"""The stream of events as a route: what is seen, where it goes on, how many may follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.handlers.events import SOCKET
from steelyard_api_gateway.main import create_app
from steelyard_api_gateway.service import event_readers
from steelyard_api_gateway.service import event_stream as service_room
from steelyard_api_gateway.service.call import Caller
from steelyard_api_gateway.service.identity import SignIn
from steelyard_api_gateway.settings import Settings
from steelyard_api_gateway.testing import SEAL_KEY, SITE, Others
from steelyard_api_gateway.testing_outlets import Client
from steelyard_api_gateway.testing_policy import NamedCallers, of_project
from steelyard_common.bus import MemoryBus
from steelyard_common.contracts.events import cloud_event
from steelyard_common.errors import Unavailable
from steelyard_common.health import Parts
from steelyard_common.testing import eventually

NODE, OTHER = "8ac951e5-0800-43ec-be85-0af36c7d306c", "11111111-0800-43ec-be85-0af36c7d306c"


PROJECTS = ("p1", "p2", "p3")
TOKENS = NamedCallers({f"reader:{each}": of_project(each, "reader") for each in PROJECTS} | {"admin": Caller(user="u")})


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
