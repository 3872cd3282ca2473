"""Fetches by HTTP(S): redirects judged one by one, ranges, proxies, a limit for each wait.

Rule 1  What a tenant names leads to no internal address: each host is resolved once, judged, and called where it was
        judged, again for each redirect; a proxy is judged like a host, and what it is asked for, too.
Rule 2  Authorization goes to the host it was given for and to no other.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

from steelyard_common.addresses import Address, Network, is_allowed, is_beside
from steelyard_common.errors import DeviceUnreachable, Forbidden, InvalidRequest
from steelyard_common.names import OF_STRANGERS
from steelyard_common.outward import connect, reason

from ..domain.artifacts import shown, split
from . import Opened, Validator, Wanted
from .http_words import PORTS, at_end, check_status, headers_for, next_url, opened, reason_of, translated

REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, kw_only=True)
class HttpRules:
    """``networks``: internal ones that tenants' URLs may lead to."""

    connect_s: float = 10
    stall_s: float = 30
    redirects: int = 5
    networks: Sequence[Network] = ()
    ca_file: str = ""


class Http:
    """A ``Source``."""

    def __init__(self, rules: HttpRules) -> None:
        self._rules = rules
        self._tls = ssl.create_default_context(cafile=rules.ca_file or None)

    @contextmanager
    def open(self, wanted: Wanted, offset: int, known: Validator) -> Iterator[Opened]:
        asked = headers_for(wanted, offset, known)
        with self.request(wanted, asked) as response:
            if response.status == 416 and offset:
                found = at_end(response, offset, known)
            else:
                check_status(response, wanted.url)
                found = opened(response, wanted, offset, known)
            if found is not None:
                yield found
                return
        with self.open(wanted, 0, Validator()) as anew:  # there is less than we have: something else
            yield anew

    @contextmanager
    def request(
        self, wanted: Wanted, headers: Mapping[str, str], *, method: str = "GET"
    ) -> Iterator[http.client.HTTPResponse]:  # fmt: skip
        """The answer behind all redirects. Errors: those of a ``Source``."""
        url, sent = wanted.url, dict(headers)
        for _ in range(self._rules.redirects + 1):
            with self._limited(wanted) as watched:
                connection = self._connect(watched, url)
                try:
                    with translated(url, wanted):
                        response = self._ask(connection, wanted, url, sent, method)
                except BaseException:
                    connection.close()
                    raise
            try:
                if response.status not in REDIRECTS:
                    yield response
                    return
                url = next_url(url, response.headers.get("Location"), wanted, sent)
            finally:
                connection.close()
        raise InvalidRequest(f"{shown(wanted.url)} redirects more than {self._rules.redirects} times")

    @contextmanager
    def _limited(self, wanted: Wanted) -> Iterator[Wanted]:
        """Until the head of the answer is here: who sends it byte by byte would never meet the limit of one wait."""
        cuts: list[Callable[[], None]] = []

        def watch(cut: Callable[[], None]) -> None:
            cuts.append(cut)
            wanted.watch(cut)

        limit = threading.Timer(self._rules.connect_s + self._rules.stall_s, lambda: [cut() for cut in cuts[-1:]])
        limit.daemon = True
        limit.start()
        try:
            yield replace(wanted, watch=watch)
        finally:
            limit.cancel()

    def _ask(
        self, connection: http.client.HTTPConnection, wanted: Wanted, url: str, headers: Mapping[str, str], method: str
    ) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        if parts.scheme == "http" and proxy_of(wanted, parts):
            target = urlunsplit((parts.scheme, parts.netloc, parts.path or "/", parts.query, ""))
        try:
            connection.request(method, target, headers={"Host": parts.netloc, **headers})
        except (UnicodeError, ValueError) as error:
            raise InvalidRequest(f"{shown(url)}: the URL is malformed") from error
        return connection.getresponse()

    def _connect(self, wanted: Wanted, url: str) -> http.client.HTTPConnection:
        """Errors: OSError, Forbidden, InvalidRequest."""
        parts = split(url)
        host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
        proxy = proxy_of(wanted, parts)
        try:
            if proxy is None:
                sock = self._reach(wanted, host, port)
            else:
                self._judge_by_name(wanted, host, port)
                sock = self._reach(wanted, str(proxy.hostname), proxy.port or 3128)
        except OSError as error:
            raise DeviceUnreachable(
                f"{host} cannot be reached: {reason(error)}. See that the boot service gets there: name, network, "
                "proxy (driver_info image_http_proxy, image_https_proxy)"
            ) from error
        wanted.watch(lambda: _cut(sock))
        try:
            if proxy is not None and parts.scheme == "https":
                _tunnel(sock, host, port)
            sock.settimeout(self._rules.stall_s)
            if parts.scheme == "https":
                sock = self._tls.wrap_socket(sock, server_hostname=host)
        except (OSError, http.client.HTTPException) as error:
            sock.close()
            raise DeviceUnreachable(f"{host} cannot be reached: {reason_of(error, wanted)}") from error
        wanted.watch(lambda: _cut(sock))
        connection = http.client.HTTPConnection(host, port)
        connection.sock = sock
        return connection

    def _reach(self, wanted: Wanted, host: str, port: int) -> socket.socket:
        until = min(wanted.until, time.monotonic() + self._rules.connect_s)
        sock = connect(host, port, lambda each: self._may(wanted, each), _refused(wanted, host), until)
        sock.settimeout(self._rules.connect_s)
        return sock

    def _judge_by_name(self, wanted: Wanted, host: str, port: int) -> None:
        """What a proxy will be asked for: it resolves by itself, so this is as near as we come."""
        if not (wanted.is_tenants or wanted.is_owners):
            return
        for *_, place in OF_STRANGERS.find(host, port, self._rules.connect_s):
            if not self._may(wanted, ip_address(str(place[0]).partition("%")[0])):
                raise Forbidden(_refused(wanted, host))

    def _may(self, wanted: Wanted, address: Address) -> bool:
        if wanted.is_tenants:
            return is_allowed(address, self._rules.networks)
        return not wanted.is_owners or not is_beside(address) or is_allowed(address, self._rules.networks)


def _refused(wanted: Wanted, host: str) -> str:
    if wanted.is_tenants:
        return refusal(host)
    return (
        f"{host} is an address of the boot service's own machine or of a metadata service, and what owners of nodes "
        "name is not fetched from there; who runs the service may allow it (STEELYARD_ARTIFACTS_TENANT_NETWORKS)"
    )


def refusal(host: str) -> str:
    return (
        f"{host} is an address of an internal network, and images of projects are not fetched from there; who runs "
        "the service may allow it (STEELYARD_ARTIFACTS_TENANT_NETWORKS)"
    )


def proxy_of(wanted: Wanted, parts: SplitResult) -> SplitResult | None:
    """The proxy for this URL. Errors: InvalidRequest."""
    if wanted.proxies is None:
        return None
    host = (parts.hostname or "").lower()
    excepted = [each.strip().lower().lstrip(".") for each in (wanted.proxies.no or "").split(",") if each.strip()]
    if any(each == "*" or host == each or host.endswith(f".{each}") for each in excepted):
        return None
    text = wanted.proxies.https if parts.scheme == "https" else wanted.proxies.http
    if not text:
        return None
    proxy = urlsplit(text if "://" in text else f"http://{text}")
    if proxy.scheme != "http" or not proxy.hostname or proxy.username is not None:
        raise InvalidRequest("a proxy is http://<host>:<port>, without user and password")
    return proxy


def _tunnel(sock: socket.socket, host: str, port: int) -> None:
    """Errors: OSError."""
    name = f"[{host}]" if ":" in host else host
    sock.sendall(f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # byte by byte: what follows is TLS's
        byte = sock.recv(1)
        if not byte or len(head) > 8192:
            raise OSError(0, "the proxy ended the connection")
        head += byte
    status = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(status) < 2 or status[1] != b"200":
        raise OSError(0, f"the proxy refused: {head.splitlines()[0].decode('latin-1')[:100]}")


def _cut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
