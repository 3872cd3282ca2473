"""Servers that are slow to take a client in."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from steelyard_common.bus import connect
from steelyard_common.testing import eventually
from steelyard_common.testing.guarded import GuardedNats


class Between:
    """Before a server: who comes first hears its first words, and no more."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._ends: list[socket.socket] = []
        self.came = 0

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.came += 1
                server = socket.create_connection(self._to)
                self._ends += [client, server]
                if self.came == 1:
                    with contextlib.suppress(OSError):
                        client.sendall(server.recv(65536))
                    continue
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=[one, other], daemon=True).start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            end.close()

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)


@pytest.fixture
def between(guarded: GuardedNats) -> Iterator[Between]:
    made = Between(guarded.server.port)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    yield made
    made.stop()
    thread.join()


def test_a_server_that_is_too_slow_with_tls_is_tried_again(guarded: GuardedNats, between: Between) -> None:
    access = guarded.access("power", url=guarded.folder.url("power", between.port))
    bus = connect(access, guarded.site, "power", wait_s=60)
    try:
        eventually(lambda: bus.is_connected, timeout_s=60)
    finally:
        bus.close()
    assert between.came > 1
