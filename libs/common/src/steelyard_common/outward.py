"""A connection to a host that somebody named: its name is resolved once, each address judged and then used as it is.

So no name can lead elsewhere between the look and the call (DNS rebinding). No redirect is followed here.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from ipaddress import ip_address

from .addresses import Address
from .errors import Forbidden
from .names import OF_STRANGERS

Judge = Callable[[Address], bool]


def connect(host: str, port: int, judge: Judge, refusal: str, until: float) -> socket.socket:
    """``refusal``: what is said when one of its addresses may not be called; ``until``: on time.monotonic().

    Errors: OSError, Forbidden.
    """
    found = OF_STRANGERS.find(host, port, max(0.1, until - time.monotonic()))
    for *_, place in found:
        if not judge(ip_address(str(place[0]).partition("%")[0])):
            raise Forbidden(refusal)
    failure: OSError | None = None
    for family, kind, protocol, _, place in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(0.1, until - time.monotonic()))
            sock.connect(place)
        except OSError as error:
            sock.close()
            failure = failure or error
        else:
            return sock
    raise failure or OSError("it has no address")


def reason(error: Exception) -> str:
    """Without addresses: what a name resolves to inside is nobody's business."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
