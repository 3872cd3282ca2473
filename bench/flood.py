"""What a flood by one project costs another: ``python -m bench.flood [--rounds 5] [--seconds 4] [--nodes 1000]``.

The whole suite, with tokens. One project asks now and then and measures; another one, in a process of its own, does its
worst in one way after the other. Quiet and flooded spells take turns, so that both see the same machine; what is judged
is their ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from steelyard_local.testing import running_suite

from tests.contract.oidc_issuer import AUDIENCE, Issuer

from .client import VERSION, Load, run
from .report import Figure, table

THREADS = 64
PAUSE_S = 0.03  # between two requests of the one who measures: below its own rate
SETTLE_S = 1.0  # after a flood has begun, or ended
OPERATORS = "operators"


class Client:
    """One kept connection of one caller."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._headers = VERSION | {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, body=data, headers=self._headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise


# The floods. Each is one thread's work, again and again.

Attack = Callable[[str, str], Iterator[int]]


def often(url: str, token: str) -> Iterator[int]:
    """Small requests, as fast as they are answered."""
    client = Client(url, token)
    while True:
        yield client.call("GET", "/v1/nodes?limit=1")[0]


def much(url: str, token: str) -> Iterator[int]:
    """The largest lists there are."""
    client = Client(url, token)
    while True:
        yield client.call("GET", "/v1/nodes/detail?sort_key=updated_at&description_contains=a")[0]


def large(url: str, token: str) -> Iterator[int]:
    """Bodies of nearly a megabyte that are wrong at their end."""
    client, body = Client(url, token), b'{"extra":{"x":[' + b"1," * 480_000 + b"x]}}"
    while True:
        yield client.call("POST", "/v1/nodes", body)[0]


def many(url: str, token: str) -> Iterator[int]:
    """A new connection for each request, and requests that end in errors."""
    while True:
        client = Client(url, token)
        yield client.call("GET", f"/v1/nodes/{random.getrandbits(64)}?fields=nothing")[0]


def _raw(url: str, text: bytes) -> socket.socket:
    parts = urlsplit(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((parts.hostname, parts.port))
    client.sendall(text)
    return client


def slow_readers(url: str, token: str) -> Iterator[int]:
    """Ask for large lists and read them byte by byte."""
    head = "".join(f"{name}: {value}\r\n" for name, value in VERSION.items())
    ask = f"GET /v1/nodes/detail HTTP/1.1\r\nHost: x\r\n{head}Authorization: Bearer {token}\r\n\r\n".encode()
    while True:
        with _raw(url, ask) as client:
            for _ in range(30):
                client.recv(1)
                time.sleep(0.1)
        yield 0


def slow_senders(url: str, token: str) -> Iterator[int]:
    """Announce large bodies and send them bit by bit."""
    head = f"POST /v1/nodes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 1000000\r\n\r\n"
    while True:
        with _raw(url, head.encode() + b"x" * 900_000) as client:
            for _ in range(30):
                client.send(b"x")
                time.sleep(0.1)
        yield 0


def strangers(url: str, token: str) -> Iterator[int]:
    """Tokens that nobody has issued."""
    while True:
        client = Client(url, f"{token[:-20]}{random.getrandbits(64):x}")
        yield client.call("GET", "/v1/nodes")[0]


ATTACKS: dict[str, Attack] = {
    each.__name__.replace("_", "-"): each
    for each in (often, much, large, many, slow_readers, slow_senders, strangers)
}  # fmt: skip


def attack(name: str, url: str, token: str) -> None:
    """In a process of its own, until it is told to end. The machine is to serve first."""
    os.nice(10)
    seen: Counter[int] = Counter()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def work() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                for status in ATTACKS[name](url, token):
                    seen[status] += 1
                    if stop.is_set():
                        return

    for _ in range(THREADS):
        threading.Thread(target=work, daemon=True).start()
    print("begun", flush=True)
    stop.wait()
    print(json.dumps(seen), flush=True)
    os._exit(0)


@contextlib.contextmanager
def flood(name: str, url: str, token: str, seen: Counter[str]) -> Iterator[None]:
    """That flood, for a while. ``seen``: grows by the statuses that it was answered."""
    command = [sys.executable, "-m", "bench.flood", "--attack", name, "--url", url, "--token", token]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(SETTLE_S)
        yield
        process.terminate()
        seen.update(json.loads(process.communicate(timeout=30)[0]))
    time.sleep(SETTLE_S)


class Neighbour:
    """The project that measures: it reads a node, lists its nodes, changes one."""

    def __init__(self, url: str, token: str) -> None:
        self._client = Client(url, token)
        self._turn = 0
        self.failed: Counter[int] = Counter()

    def ask(self, seconds: float) -> list[float]:
        """→ what each request took, in seconds"""
        took, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            self._turn += 1
            start = time.perf_counter()
            status, _ = self._client.call(*self._next())
            took.append(time.perf_counter() - start)
            if status != 200:
                self.failed[status] += 1
            time.sleep(PAUSE_S)
        return took

    def _next(self) -> tuple[str, str, object]:
        if self._turn % 3 == 0:
            return "PATCH", "/v1/nodes/mine-1", [{"op": "add", "path": "/extra/turn", "value": self._turn}]
        return "GET", "/v1/nodes/mine-1" if self._turn % 3 == 1 else "/v1/nodes?limit=100", None


def fill(url: str, issuer: Issuer, nodes: int) -> None:
    """``nodes`` of the project that floods, a hundred of the one that measures."""
    token = issuer.signed(roles=["admin", OPERATORS])
    clients, operator = threading.local(), Client(url, token)
    while b"fake-hardware" not in operator.call("GET", "/v1/drivers")[1]:
        time.sleep(0.2)

    def enrol(i: int) -> None:
        if not hasattr(clients, "own"):
            clients.own = Client(url, token)
        name, owner = (f"mine-{i}", "p-quiet") if i < 100 else (f"theirs-{i}", "p-flood")
        body = {"driver": "fake-hardware", "name": name, "owner": owner, "description": "a" * 200}
        status, answer = clients.own.call("POST", "/v1/nodes", body)
        if status != 201:
            raise RuntimeError(answer)

    run(enrol, nodes + 100, 8)


def figures(rounds: int, seconds: float, nodes: int, attacks: list[str]) -> list[Figure]:
    found: list[Figure] = []
    with Issuer() as issuer:
        names = {"OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": AUDIENCE, "OIDC_SYSTEM_ROLE": OPERATORS}
        environment = {f"STEELYARD_{name}": value for name, value in names.items()}
        with running_suite("--auth", "oidc", environment=environment) as suite:
            fill(suite.url, issuer, nodes)
            bad, good = (issuer.signed(roles=["admin", "member", "reader"], project=p, exp=int(time.time()) + 36_000)
                         for p in ("p-flood", "p-quiet"))  # fmt: skip
            neighbour = Neighbour(suite.url, good)
            neighbour.ask(3)
            for name in attacks:
                quiet, flooded, seen = Load(), Load(), Counter[str]()
                for _ in range(rounds):
                    quiet.each += neighbour.ask(seconds)
                    with flood(name, suite.url, bad, seen):
                        flooded.each += neighbour.ask(seconds)
                found += _compared(name, quiet, flooded)
                print(f"{name}: the flood was answered {dict(seen)}; failed of the other: {dict(neighbour.failed)}")
    return found


def _compared(name: str, quiet: Load, flooded: Load) -> list[Figure]:
    before, during = quiet.percentile_ms(0.95), flooded.percentile_ms(0.95)
    return [
        Figure(f"{name}: p95 of the other project, quiet", "ms", before, None, None),
        Figure("  in the flood", "ms", during, None, None),
        Figure("  times slower", "", during / before, 2, None),
        Figure("  times slower, p50", "", flooded.percentile_ms(0.5) / quiet.percentile_ms(0.5), None, None),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.flood", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="quiet and flooded spells of each kind (5)")
    parser.add_argument("--seconds", type=float, default=4, help="how long each is (4)")
    parser.add_argument("--nodes", type=int, default=1_000, help="nodes of the project that floods (1000)")
    parser.add_argument("--kinds", nargs="+", choices=ATTACKS, default=list(ATTACKS), help="which floods (all)")
    for name in ("attack", "url", "token"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.attack:
        attack(asked.attack, asked.url, asked.token)
    print(table(figures(asked.rounds, asked.seconds, asked.nodes, asked.kinds)))


if __name__ == "__main__":
    main()
