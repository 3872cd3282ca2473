"""A lean HTTP client on kept connections, so that the load costs little beside what it measures."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

VERSION = {"X-OpenStack-Ironic-API-Version": "1.115", "Content-Type": "application/json"}


class Api:
    """One API, one connection a thread. ``call`` returns (status, body bytes)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._local = threading.local()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """A kept connection may have been closed while it was idle: then once more on a new one."""
        try:
            return self._call(method, path, body)
        except (ConnectionResetError, BrokenPipeError):
            return self._call(method, path, body)

    def _call(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(*self._address, timeout=60)
        data = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, body=data, headers=VERSION)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._local.connection = None
            raise

    def json(self, method: str, path: str, body: Any = None, *, expect: Iterable[int] = (200, 201, 202, 204)) -> Any:
        status, answer = self.call(method, path, body)
        if status not in expect:
            raise RuntimeError(f"{method} {path} answered {status}: {answer[:300].decode(errors='replace')}")
        return json.loads(answer) if answer else None


def ask(api: Api, node: str, verb: str, *, every_s: float, longest_s: float) -> int:
    """Give a node a verb, again and again until it is accepted. → how often it was refused"""
    refused, end = 0, time.monotonic() + longest_s
    while True:
        status, body = api.call("PUT", f"/v1/nodes/{node}/states/provision", {"target": verb})
        if status == 202:
            return refused
        refused += 1
        if status not in (409, 503) or time.monotonic() > end:
            raise RuntimeError(f"{verb} of {node}: {status}: {body[:300].decode(errors='replace')}")
        time.sleep(every_s)


@dataclass(kw_only=True)
class Load:
    """What a run of many calls took: seconds each and in all."""

    seconds: float = 0.0
    each: list[float] = field(default_factory=list)

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.each)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def rate(self) -> float:
        return len(self.each) / self.seconds


def run(work: Callable[[int], object], count: int, clients: int) -> Load:
    """``work(i)`` for i below ``count``, from that many clients at once."""
    load = Load()

    def one(i: int) -> float:
        start = time.perf_counter()
        work(i)
        return time.perf_counter() - start

    start = time.perf_counter()
    if clients == 1:
        load.each = [one(i) for i in range(count)]
    else:
        with ThreadPoolExecutor(clients) as pool:
            load.each = list(pool.map(one, range(count)))
    load.seconds = time.perf_counter() - start
    return load
