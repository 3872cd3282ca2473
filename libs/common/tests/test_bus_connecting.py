"""Servers that are slow to take a client in, and lines that break in the middle of a word."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from steelyard_common.bus import Access, Endpoint, NatsBus, connect
from steelyard_common.embedded import EmbeddedNats
from steelyard_common.embedded.nats import server_program
from steelyard_common.embedded.process import free_port, port_is_open, wait_until
from steelyard_common.errors import Unavailable
from steelyard_common.testing import eventually
from steelyard_common.testing.guarded import GuardedNats

Way = Literal["up", "down", "silent"]
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Between:
    """A line to a server. ``faults``: one for each connection to come, as long as there are any.

    ("up" or "down", n): n bytes go up to the server, or down from it, and then the connection breaks.
    ("silent", n): n bytes come down, and nothing more goes either way.
    """

    def __init__(self, port: int, faults: list[tuple[Way, int]] | None = None) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.faults = deque(faults or [])
        self._ends: list[socket.socket] = []
        self.came = 0
        self.passed = {"up": 0, "down": 0}  # bytes, by all connections

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.came += 1
                server = socket.create_connection(self._to)
                self._ends += [client, server]
                way, count = self.faults.popleft() if self.faults else ("", 0)
                if way == "silent":
                    with contextlib.suppress(OSError):
                        client.sendall(server.recv(count))
                    continue
                for one, other, its_way in ((client, server, "up"), (server, client, "down")):
                    work = partial(self._pass_on, one, other, its_way, count if way == its_way else None)
                    threading.Thread(target=work, daemon=True).start()

    def cut(self) -> None:
        """All connections break at once; new ones may be made."""
        ends, self._ends = self._ends, []
        _break(ends)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _pass_on(self, one: socket.socket, other: socket.socket, way: str, left: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536 if left is None else left):
                other.sendall(data)
                self.passed[way] += len(data)
                if left is not None:
                    left -= len(data)
                    if not left:
                        break
        _break([one, other])


def _break(ends: list[socket.socket]) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextlib.contextmanager
def between(port: int, faults: list[tuple[Way, int]] | None = None) -> Iterator[Between]:
    made = Between(port, faults)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    yield made
    made.stop()
    thread.join()


def test_a_server_that_is_too_slow_with_tls_is_tried_again(guarded: GuardedNats) -> None:
    with between(guarded.server.port, [("silent", 65536)]) as line:
        access = guarded.access("power", url=guarded.folder.url("power", line.port))
        bus = connect(access, guarded.site, "power", wait_s=60)
        try:
            eventually(lambda: bus.is_connected, timeout_s=60)
        finally:
            bus.close()
        assert line.came > 1


def test_another_server_of_the_cluster_is_found_though_its_url_was_never_given(tmp_path: Path, site: str) -> None:
    one, two, routes = free_port(), free_port(), free_port()
    subject = f"{site}.boot.qry.anything"

    def boot() -> contextlib.closing[NatsBus]:
        bus = connect(Access(url=f"nats://127.0.0.1:{one}", makes_streams=False), site, "boot", wait_s=60)
        bus.serve("boot", [Endpoint(subject=subject, handler=lambda request: request.body)])
        return contextlib.closing(bus)

    with (
        _server(tmp_path, one, {"listen": f"127.0.0.1:{routes}"}) as first,
        _server(tmp_path, two, {"listen": "127.0.0.1:-1", "routes": [f"nats://127.0.0.1:{routes}"]}),
        contextlib.closing(
            connect(Access(url=f"nats://127.0.0.1:{two}", makes_streams=False), site, "other", wait_s=60)
        ) as other,
    ):
        with boot():
            eventually(lambda: _answers(other, subject))  # the servers have met, and tell who comes of each other
        with boot() as bus:
            eventually(lambda: _answers(other, subject))
            first.kill()
            eventually(lambda: not bus.is_connected)
            eventually(lambda: _answers(other, subject))


@contextlib.contextmanager
def _server(folder: Path, port: int, cluster: dict[str, object]) -> Iterator[subprocess.Popen[bytes]]:
    config = folder / f"{port}.conf"
    config.write_text(json.dumps({"listen": f"127.0.0.1:{port}", "cluster": {"name": "two", **cluster}}))
    process = subprocess.Popen([server_program(), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: port_is_open(port), process, "nats-server", config, 60)
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(bus: NatsBus, subject: str) -> bool:
    with contextlib.suppress(Unavailable):
        return bus.request(subject, {}, timeout_s=5) == b"{}"
    return False


@pytest.mark.slow
def test_a_line_that_breaks_anywhere_again_and_again_is_made_anew(own_nats: EmbeddedNats, site: str) -> None:
    """Two tries of each reconnection break: in what the server says first, in our greeting, in our subscriptions."""
    with between(own_nats.port) as line:
        url = own_nats.url.replace(str(own_nats.port), str(line.port))
        bus, other = connect(url, site, "inventory", wait_s=60), connect(own_nats.url, site, "other", wait_s=60)
        try:
            subject = f"{site}.inventory.qry.anything"
            bus.serve("inventory", [Endpoint(subject=subject, handler=lambda request: request.body)])
            first = dict(line.passed)
            line.cut()
            eventually(lambda: not bus.is_connected)
            eventually(lambda: bus.is_connected)
            ways: tuple[Way, Way] = ("up", "down")
            places = [(way, 1 + (line.passed[way] - first[way]) * part // 10) for way in ways for part in range(9)]
            for number, place in enumerate(places):
                line.faults.extend([place, places[7 * number % len(places)]])
                line.cut()
                eventually(lambda: not bus.is_connected)
                # A client that is deaf would find it out by its pings after twenty seconds.
                eventually(lambda: bus.is_connected and not line.faults, timeout_s=15)
                assert other.request(subject, {"round": number}, timeout_s=30) == b'{"round":%d}' % number
        finally:
            other.close()
            bus.close()
