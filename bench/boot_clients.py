"""Machines as boot sees them, many in one process: each fetches the entry, then its script, on a connection each.

Plain sockets and one epoll: what the machines cost themselves (``Times.cpu_s``) is to be little beside what they ask
for, because they run on the same processors.
"""

from __future__ import annotations

import random
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context

LONGEST_S = 120.0
READ_BYTES = 64 * 1024
IP_BIND_ADDRESS_NO_PORT = 24  # Linux; the socket module of Python 3.11 does not name it


@dataclass
class Times:
    """Seconds of each request, from connecting to the last byte. ``cpu_s``: what the machines used themselves."""

    entry: list[float] = field(default_factory=list)
    script: list[float] = field(default_factory=list)
    failed: int = 0
    cpu_s: float = 0.0


@dataclass
class _Machine:
    uuid: str
    mac: str
    starts_at: float
    began: float = 0.0
    is_at_script: bool = False
    client: socket.socket = field(default_factory=socket.socket)
    answer: bytearray = field(default_factory=bytearray)

    def path(self) -> str:
        return f"/ipxe?uuid={self.uuid}&mac={self.mac.replace(':', '-')}" if self.is_at_script else "/boot.ipxe"

    def is_answered(self) -> bool:
        return b" 200 " in self.answer[:20] and (b"ipa-api-url" if self.is_at_script else b"#!ipxe") in self.answer


class _Storm:
    def __init__(self, address: tuple[str, int], names: list[tuple[str, str]], window_s: float) -> None:
        draw, now = random.Random(7), time.perf_counter()  # noqa: S311
        self._address, self._times, self._poll = address, Times(), select.epoll()
        self._waiting = sorted(
            (_Machine(*each, starts_at=now + draw.uniform(0, window_s)) for each in names),
            key=lambda each: -each.starts_at,
        )
        self._asking: dict[int, _Machine] = {}

    def run(self) -> Times:
        used, end = time.process_time(), time.perf_counter() + LONGEST_S
        while (self._waiting or self._asking) and time.perf_counter() < end:
            while self._waiting and self._waiting[-1].starts_at <= time.perf_counter():
                self._connect(self._waiting.pop())
            left = self._waiting[-1].starts_at - time.perf_counter() if self._waiting else 1.0
            for descriptor, event in self._poll.poll(max(0.0, left)):
                self._go_on(self._asking[descriptor], is_writable=bool(event & select.EPOLLOUT))
        self._times.failed += len(self._waiting) + len(self._asking)
        self._times.cpu_s = time.process_time() - used
        return self._times

    def _connect(self, machine: _Machine) -> None:
        machine.began, machine.answer = time.perf_counter(), bytearray()
        client = machine.client = socket.socket()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        # Each machine has an address of its own.
        client.bind((f"127.77.{int(machine.mac[-5:-3], 16)}.{int(machine.mac[-2:], 16)}", 0))
        client.connect_ex(self._address)
        self._asking[client.fileno()] = machine
        self._poll.register(client.fileno(), select.EPOLLOUT)
        self._go_on(machine, is_writable=True)

    def _go_on(self, machine: _Machine, *, is_writable: bool) -> None:
        try:
            if is_writable:
                head = f"GET {machine.path()} HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
                machine.client.send(f"{head}Connection: close\r\n\r\n".encode())
                self._poll.modify(machine.client.fileno(), select.EPOLLIN)
            elif data := machine.client.recv(READ_BYTES):
                machine.answer += data
            else:
                self._answered(machine)
        except BlockingIOError:
            return
        except OSError:
            machine.answer.clear()
            self._answered(machine)

    def _answered(self, machine: _Machine) -> None:
        took = time.perf_counter() - machine.began
        del self._asking[machine.client.fileno()]
        machine.client.close()
        if not machine.is_answered():
            self._times.failed += 1
            return
        (self._times.script if machine.is_at_script else self._times.entry).append(took)
        if not machine.is_at_script:
            machine.is_at_script = True
            self._connect(machine)


def storm(host: str, port: int, names: list[tuple[str, str]], window_s: float) -> Times:
    """``names``: system UUID and MAC of each, which are switched on at random within so many seconds."""
    return _Storm((host, port), names, window_s).run()


@contextmanager
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """A process for the machines."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield process
