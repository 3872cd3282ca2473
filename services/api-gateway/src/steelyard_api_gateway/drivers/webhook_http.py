"""One POST to a host that a stranger chose: the name is resolved once, the address judged and then used as it is.

No redirect is followed. The whole call has one deadline, whatever the other side does; of its answer the status counts.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence

from steelyard_common.addresses import Network, is_allowed
from steelyard_common.errors import DeviceUnreachable, InvalidRequest
from steelyard_common.outward import connect, reason

from ..domain.webhook_urls import PORTS, parse, refusal


class WebhookHttp:
    """``allowed``: networks that may be called though they are internal."""

    def __init__(self, allowed: Sequence[Network] = (), *, timeout_s: float = 10.0, ca_file: str = "") -> None:
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context(cafile=ca_file or None)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """→ the HTTP status. Errors: InvalidRequest (url), Forbidden (an internal address), DeviceUnreachable."""
        parts = parse(url, self._allowed)
        host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
        until = time.monotonic() + self._timeout_s
        try:
            sock = connect(host, port, lambda each: is_allowed(each, self._allowed), refusal(host), until)
        except OSError as error:
            raise DeviceUnreachable(f"{host} cannot be reached: {reason(error)}") from error
        # Time-outs of a socket are for each read: who sends a byte now and then would never meet one.
        watch = threading.Timer(max(0.0, until - time.monotonic()), _cut, [sock])
        watch.daemon = True
        watch.start()
        try:
            if parts.scheme == "https":
                sock = self._tls.wrap_socket(sock, server_hostname=host)
            return _exchange(
                sock, host, port, f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}", body, headers
            )
        except (OSError, http.client.HTTPException) as error:
            late = time.monotonic() >= until
            why = f"no answer within {self._timeout_s:g} s" if late else reason(error)
            raise DeviceUnreachable(f"{host} did not answer: {why}") from error
        finally:
            watch.cancel()
            sock.close()


def _exchange(
    sock: socket.socket, host: str, port: int, target: str, body: bytes, headers: Mapping[str, str]
) -> int:  # fmt: skip
    connection = http.client.HTTPConnection(host, port)
    connection.sock = sock
    try:
        connection.request("POST", target, body, {**headers, "Connection": "close"})
        return connection.getresponse().status
    except (UnicodeError, ValueError) as error:
        raise InvalidRequest("url is malformed") from error
    finally:
        connection.close()


def _cut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
