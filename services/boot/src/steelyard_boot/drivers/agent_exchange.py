"""One request to an agent and its answer, on a connection that is known to be the agent's, within one deadline."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from steelyard_common.errors import DeviceRefused, DeviceUnreachable, SteelyardError
from steelyard_common.outward import reason

MOST_BYTES = 64 << 20  # of an answer: logs are the largest


class TooLarge(OSError):
    """The answer is larger than any that is meant."""


class Exchange:
    """One request on a connection, with its deadline: time-outs of a socket are for each read, and who sends a byte now
    and then would never meet one."""

    def __init__(self, connection: http.client.HTTPConnection, until: float) -> None:
        self._connection, self._until = connection, until
        self.was_sent = False
        self.may_be_kept = False

    @property
    def is_late(self) -> bool:
        return time.monotonic() >= self._until

    def run(self, method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
        """Errors: OSError, HTTPException."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        with watched(self._connection.sock, self._until):
            self.was_sent = True
            self._connection.request(method, target, body, headers)
            response = self._connection.getresponse()
            data = response.read(MOST_BYTES + 1)
            if len(data) > MOST_BYTES:
                raise TooLarge
            self.may_be_kept = not response.will_close
            return response.status, data


@contextmanager
def watched(sock: socket.socket, until: float) -> Iterator[None]:
    """Whatever is done on ``sock`` has ended by ``until``."""
    left = max(0.1, until - time.monotonic())
    sock.settimeout(left)
    watch = threading.Timer(left, _cut, [sock])
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _cut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def new_context(verify: str | bool) -> ssl.SSLContext:
    """Errors: OSError for a PEM that is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if isinstance(verify, str):
        context.load_verify_locations(cadata=verify)
    elif verify:
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def no_tls(node_uuid: str, error: OSError) -> SteelyardError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return DeviceRefused(
            f"whoever answers at the address of node {node_uuid}'s agent does not hold the certificate that the agent "
            f"sent ({error.verify_message}); nothing was told to it. Boot the ramdisk again, and look for two machines "
            "with one address."
        )
    return DeviceUnreachable(f"the agent of node {node_uuid} cannot be spoken to by TLS: {reason(error)}")
