"""Connections that are written to: who takes too little, leaves, or is told that all ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from steelyard_api_gateway.drivers import outlets as outlets_room
from steelyard_api_gateway.drivers.outlets import Outlets
from steelyard_api_gateway.testing_outlets import Client


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
    assert taken.wait(60)
    outlet.end(b"bye")
    assert client.read_to_end() == b"6\r\nonetwo\r\n3\r\nbye\r\n0\r\n\r\n"
    assert client.closed.wait(60)
    assert (outlet.is_open, outlets.count) == (False, 0)


def test_a_client_that_leaves_is_noticed_at_once(outlets: Outlets, client: Client) -> None:
    outlet = outlets.open(client.ours, chunked=False, last_word=b"", on_close=client.closed.set)
    outlet.put([b"hello"])
    client.read_until(b"hello")
    client.theirs.close()
    assert client.closed.wait(60)
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
    assert client.closed.wait(60)


def test_a_client_that_takes_nothing_is_left_after_a_while(
    outlets: Outlets, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlets_room, "STALL_S", 0.2)
    outlet = outlets.open(client.ours, chunked=False, last_word=b"", on_close=client.closed.set)
    outlet.put([b"x" * 8 * 1024 * 1024])
    assert client.closed.wait(60)
    assert not outlet.is_open


def test_all_clients_are_told_when_the_process_stops(client: Client) -> None:
    outlets = Outlets()
    outlets.open(client.ours, chunked=True, last_word=b"", on_close=client.closed.set).put([b"one"])
    client.read_until(b"one")
    outlets.stop(b"the end")
    assert client.read_to_end().endswith(b"7\r\nthe end\r\n0\r\n\r\n")
