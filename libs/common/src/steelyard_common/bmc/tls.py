"""TLS contexts, shared: a new one costs about 39 ms of CPU, a poll of a BMC 2 ms.

Trust comes from the operating system's store (verify true), from the file or folder an operator names, or nowhere
(verify false, which an operator has to write down).
"""

from __future__ import annotations

import os
import ssl
import threading

from ..errors import InvalidRequest
from .driver_info import TLS_MINIMUMS


class TlsContexts:
    """One context for each way of verifying; thread-safe. A changed CA file gets a new context."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    def get(self, verify: bool | str, minimum: str | None = None, ciphers: str | None = None) -> ssl.SSLContext:
        """Errors: InvalidRequest when the CA path or the cipher list cannot be used."""
        try:
            changed = os.stat(verify).st_mtime_ns if isinstance(verify, str) else 0
        except OSError as error:
            raise InvalidRequest(f"redfish_verify_ca: {verify} cannot be read") from error
        key = (verify, changed, minimum, ciphers)
        with self._lock:
            if key not in self._contexts:
                self._contexts[key] = _new_context(verify, minimum, ciphers)
            return self._contexts[key]


def _new_context(verify: bool | str, minimum: str | None, ciphers: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if isinstance(verify, str):
            context.load_verify_locations(**({"capath": verify} if os.path.isdir(verify) else {"cafile": verify}))
        elif verify:
            context.load_default_certs()
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if minimum:
            context.minimum_version = TLS_MINIMUMS[minimum]
        if ciphers:
            context.set_ciphers(ciphers)
    except (ssl.SSLError, OSError) as error:
        raise InvalidRequest(f"TLS settings cannot be used (verify {verify}, ciphers {ciphers})") from error
    return context
