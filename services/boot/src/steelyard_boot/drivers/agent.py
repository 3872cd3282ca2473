"""The agent on a node, called by HTTPS (lifecycle facts §12): its commands, in its own words.

Every call has one deadline, whatever the other side does. No proxy is used and no redirect followed. Connections are
kept for a moment, because a step asks several times in a row and a handshake costs more than all else.
Whoever answers must hold the certificate that the agent sent with its heartbeat; the token goes to nobody else.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson
from steelyard_common.errors import (
    Busy,
    DeviceRefused,
    DeviceUnreachable,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    SteelyardError,
)
from steelyard_common.outward import reason

from .agent_exchange import MOST_BYTES, Exchange, TooLarge, new_context, no_tls, watched

TIMEOUT_S = 30.0
KEPT_CONNECTIONS, KEPT_S = 64, 8.0  # the agent closes what is idle for 10 s
KEPT_CONTEXTS = 512
RUNNING, SUCCEEDED, FAILED, MISMATCH = "RUNNING", "SUCCEEDED", "FAILED", "CLEAN_VERSION_MISMATCH"
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a node's agent is called. ``verify``: PEM that it must be known by; True: the system's authorities; False:
    anybody is believed, which an operator has to write down."""

    node_uuid: str
    url: str
    token: str = field(repr=False)
    verify: str | bool = field(default=True, repr=False)


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command as the agent tells it. ``name`` is without its extension."""

    id: str
    name: str
    status: str
    result: Any = field(default=None, repr=False)
    error: str | None = None

    @property
    def is_running(self) -> bool:
        return self.status == RUNNING

    @classmethod
    def of(cls, body: Any) -> Command:
        """Errors: DeviceRefused for what is no command."""
        if not isinstance(body, Mapping) or not isinstance(body.get("id"), str):
            raise DeviceRefused("the agent answered something that is no command: is its version known?")
        result = body.get("command_result")
        # Texts come wrapped.
        if isinstance(result, Mapping) and result.keys() == {"result"}:
            result = result["result"]
        return cls(
            id=body["id"], name=str(body.get("command_name", "")), status=str(body.get("command_status", "")),
            result=result, error=_error_text(body.get("command_error")),
        )  # fmt: skip


class AgentClient:
    """Thread-safe. Errors of every call: DeviceUnreachable (nothing was done), OutcomeUnknown (it was sent and no
    answer came), Busy (it runs another command), NotFound, DeviceRefused, InvalidRequest (the address)."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._contexts: OrderedDict[str | bool, ssl.SSLContext] = OrderedDict()
        self._kept: OrderedDict[int, tuple[tuple[Any, ...], http.client.HTTPConnection, float]] = OrderedDict()
        self._lock = threading.Lock()

    def status(self, door: Door) -> Mapping[str, Any]:
        """{started_at, version}; needs no token."""
        answer = self._ask(door, "GET", "/v1/status", {})
        return answer if isinstance(answer, Mapping) else {}

    def commands(self, door: Door) -> list[Command]:
        """All since it started, the oldest first."""
        answer = self._ask(door, "GET", "/v1/commands/", {"agent_token": door.token})
        listed = answer.get("commands") if isinstance(answer, Mapping) else None
        if not isinstance(listed, list):
            raise DeviceRefused("the agent does not tell its commands")
        return [Command.of(each) for each in listed]

    def command(self, door: Door, command_id: str) -> Command:
        """Errors: NotFound when it does not know it (any more): it was started anew."""
        path = f"/v1/commands/{quote(command_id, safe='')}"
        return Command.of(self._ask(door, "GET", path, {"agent_token": door.token}))

    def run(
        self, door: Door, name: str, params: Mapping[str, Any] | None = None, *, wait: bool = False,
        timeout_s: float | None = None,
    ) -> Command:  # fmt: skip
        """Begin ``extension.command``; ``wait``: the answer comes when it is over."""
        body = orjson.dumps({"name": name, "params": dict(params or {})})
        query = {"wait": "true" if wait else "false", "agent_token": door.token}
        return Command.of(self._ask(door, "POST", "/v1/commands/", query, body, timeout_s))

    def close(self) -> None:
        with self._lock:
            kept, self._kept = list(self._kept.values()), OrderedDict()
        for _, connection, _ in kept:
            connection.close()

    # ---- inside

    def _ask(
        self, door: Door, method: str, path: str, query: Mapping[str, str], body: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Any:  # fmt: skip
        until = time.monotonic() + (timeout_s or self._timeout_s)
        parts = urlsplit(door.url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise InvalidRequest("the agent's address is no http or https URL")
        where = (parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme], door.node_uuid, door.verify)
        target = f"{parts.path.rstrip('/')}{path}{'?' if query else ''}{urlencode(query)}"
        connection = self._connect(where, until)
        exchange = Exchange(connection, until)
        try:
            status, data = exchange.run(method, target, body)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._lost(door, exchange, error, is_change=method == "POST") from error
        if exchange.may_be_kept:
            self._keep(where, connection)
        else:
            connection.close()
        return _answer(status, data)

    def _lost(self, door: Door, exchange: Exchange, error: Exception, *, is_change: bool) -> SteelyardError:
        why = f"no answer within {self._timeout_s:g} s" if exchange.is_late else reason(error)
        text = f"the agent of node {door.node_uuid} did not answer: {why}"
        if isinstance(error, TooLarge):
            return DeviceRefused(f"the agent of node {door.node_uuid} answers more than {MOST_BYTES >> 20} MiB")
        return OutcomeUnknown(text) if is_change and exchange.was_sent else DeviceUnreachable(text)

    def _connect(self, where: tuple[Any, ...], until: float) -> http.client.HTTPConnection:
        """One that was kept, or a new one. Errors: DeviceUnreachable."""
        if (kept := self._take(where)) is not None:
            return kept
        scheme, host, port, node_uuid, verify = where
        try:
            sock = socket.create_connection((host, port), max(0.1, until - time.monotonic()))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise DeviceUnreachable(
                f"the agent of node {node_uuid} cannot be reached at {host}:{port}: {reason(error)}"
            ) from error
        connection = http.client.HTTPConnection(host, port)
        if scheme == "https":
            try:
                sock = self._context(verify).wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
                with watched(sock, until):
                    sock.do_handshake()
            except OSError as error:
                sock.close()
                raise no_tls(node_uuid, error) from error
        connection.sock = sock
        return connection

    def _take(self, where: tuple[Any, ...]) -> http.client.HTTPConnection | None:
        now = time.monotonic()
        found = None
        dropped: list[http.client.HTTPConnection] = []
        with self._lock:
            for key, (place, connection, since) in list(self._kept.items()):
                is_old = now - since > KEPT_S
                if not is_old and (place != where or found is not None):
                    continue
                del self._kept[key]
                # Something to read on an idle connection is its end.
                if is_old or select.select([connection.sock], [], [], 0)[0]:
                    dropped.append(connection)
                else:
                    found = connection
        for connection in dropped:
            connection.close()
        return found

    def _keep(self, where: tuple[Any, ...], connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._kept[id(connection)] = (where, connection, time.monotonic())
            oldest = self._kept.popitem(last=False)[1][1] if len(self._kept) > KEPT_CONNECTIONS else None
        if oldest is not None:
            oldest.close()

    def _context(self, verify: str | bool) -> ssl.SSLContext:
        with self._lock:
            if verify not in self._contexts:
                self._contexts[verify] = new_context(verify)
            self._contexts.move_to_end(verify)
            if len(self._contexts) > KEPT_CONTEXTS:
                self._contexts.popitem(last=False)
            return self._contexts[verify]


def _answer(status: int, data: bytes) -> Any:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = {}
    if status < 300:
        return body
    said = str(body.get("faultstring") or body.get("details") or body.get("message") or "") if body else ""
    if status == 401:
        raise DeviceRefused(
            "the agent does not take its token: it is another boot of the machine; begin this work anew"
        )
    if status == 404:
        raise NotFound(f"the agent does not know this: {said or 'no such thing'}")
    if status == 409 or "agent is busy" in said.lower():
        raise Busy(f"the agent is at work on another command: {said}")
    raise DeviceRefused(f"the agent refused with status {status}: {said or 'no reason given'}"[:2000])


def _error_text(error: Any) -> str | None:
    if error is None:
        return None
    if isinstance(error, Mapping):
        return str(error.get("details") or error.get("message") or error.get("type") or "no reason given")[:2000]
    return str(error)[:2000]
