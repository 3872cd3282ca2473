"""One who follows the stream of events as `curl -N` does: line by line, over one connection."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One event. ``at``: time.time() when it was read."""

    id: str
    type: str
    data: dict[str, Any]
    at: float


class Reader:
    """A thread that reads until the stream ends or ``close``. ``returns``: it comes back, with the last id, as an
    EventSource of a browser does."""

    def __init__(self, url: str, query: str = "", *, last_id: str = "", returns: bool = False) -> None:
        self.url, self.query, self.last_id, self.returns = url, query, last_id, returns
        self.heard: list[Heard] = []
        self.notices: list[str] = []
        self.ready = threading.Event()
        self.times_opened = 0
        self._stopping = threading.Event()
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            if self._client is not None:
                self._client.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)

    def types(self, subject: str) -> list[str]:
        """The events' short names of one node, in their order."""
        return [each.type.rpartition(".")[2] for each in list(self.heard) if each.data.get("subject") == subject]

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):  # the gateway went away
                self._read()
            if not self.returns or self._stopping.wait(0.2):
                return

    def _read(self) -> None:
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        with contextlib.closing(connection):
            connection.request("GET", f"/v1/events/stream{self.query}", headers=headers)
            self._client = connection.sock
            answer = connection.getresponse()
            if answer.status == 200:
                self._follow(answer)

    def _follow(self, answer: http.client.HTTPResponse) -> None:
        self.times_opened += 1
        block: dict[str, str] = {}
        while line := answer.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name and value:
                block[name] = value
            elif not name:
                self._take(block)
                block = {}

    def _take(self, block: dict[str, str]) -> None:
        if "id" in block:
            self.last_id = block["id"]
            self.ready.set()
        if "data" not in block:
            return
        data = json.loads(block["data"])
        if "id" in block:
            self.heard.append(Heard(id=block["id"], type=block["event"], data=data, at=time.time()))
        else:
            self.notices.append(f"{block['event']}: {data['reason']}")
