"""HTTP to one BMC: one kept connection, one shared TLS context, and the knowledge of what was really sent."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from ...names import OF_BMCS

CONNECT_S = 30.0  # where the request has no limit of its own


class Wire:
    """What happened on the connection during the present request."""

    def __init__(self) -> None:
        self.sent = False  # bytes of the request may have reached the BMC
        self.reused = False  # over a connection that was open before
        self.sock: socket.socket | None = None
        self._fresh = False

    def begin(self) -> None:
        self.sent, self.reused, self._fresh = False, False, False

    def connected(self, sock: socket.socket) -> None:
        self.sock, self._fresh = sock, True

    def sending(self) -> None:
        self.sent, self.reused = True, not self._fresh

    def cut(self) -> None:
        """End whatever is waiting on the socket; called from another thread when a BMC only trickles."""
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it ended by itself

    def limit(self, timeout_s: float) -> None:
        """Bound the next read from the socket."""
        if self.sock is not None and self.sock.fileno() >= 0:
            self.sock.settimeout(max(timeout_s, 0.001))


class _Traced:
    """Mixed into urllib3's connections: they report to the wire. ``wire`` is set right after creation."""

    wire: Wire

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.wire.connected(self.sock)  # type: ignore[attr-defined]
        # urllib3 would warn at each request; verify false is an operator's written decision.
        self.is_verified = True

    def _new_conn(self) -> socket.socket:
        """As urllib3's, but the name is looked for within the time to connect, too, and kept."""
        host, port = self.host, self.port  # type: ignore[attr-defined]
        limit = self.timeout  # type: ignore[attr-defined]
        until = time.monotonic() + (limit if isinstance(limit, (int, float)) else CONNECT_S)
        try:
            found = OF_BMCS.find(host, port, until - time.monotonic())
        except socket.gaierror as error:
            raise NameResolutionError(host, self, error) from error  # type: ignore[arg-type]
        except OSError as error:
            raise NewConnectionError(self, f"the name {host}: {error}") from error  # type: ignore[arg-type]
        failure: OSError | None = None
        for family, kind, protocol, _, place in found:
            try:
                sock = socket.socket(family, kind, protocol)
                return self._connected(sock, place, max(until - time.monotonic(), 0.001))
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"{host} takes too long to connect to") from failure
        raise NewConnectionError(self, f"no connection: {failure}") from failure  # type: ignore[arg-type]

    def _connected(self, sock: socket.socket, place: tuple[Any, ...], timeout_s: float) -> socket.socket:
        """Errors: OSError."""
        try:
            for option in self.socket_options or ():  # type: ignore[attr-defined]
                sock.setsockopt(*option)
            sock.settimeout(timeout_s)
            sock.connect(place)
        except OSError:
            sock.close()
            raise
        return sock

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()
        self.wire.sending()
        super().send(data)  # type: ignore[misc]


class _Http(_Traced, HTTPConnection):
    pass


class _Https(_Traced, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class WireAdapter(HTTPAdapter):
    """requests' way to one BMC: never retries, never loads certificates again, ignores proxies."""

    def __init__(self, scheme: str, host: str, port: int | None, context: ssl.SSLContext | None) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self.wire = Wire()
        if scheme == "https":
            self._pool: HTTPConnectionPool = _HttpsPool(host, port, maxsize=1, block=False, ssl_context=context)
        else:
            self._pool = _HttpPool(host, port, maxsize=1, block=False)
        make = self._pool._new_conn

        def make_traced() -> Any:
            connection = make()
            connection.wire = self.wire  # type: ignore[attr-defined]
            return connection

        self._pool._new_conn = make_traced  # type: ignore[method-assign]

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> HTTPConnectionPool:
        return self._pool

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """The shared context has its certificates already."""

    def close(self) -> None:
        self._pool.close()
        super().close()
