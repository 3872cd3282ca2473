"""How a process reaches NATS and as whom: URL, user, password, TLS, the inbox that is its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client, Srv
from nats.aio.transport import TcpTransport

from ..contracts import permissions
from ..errors import InvalidRequest
from ..settings import CommonSettings

DEFAULT_INBOX = "_INBOX"
CLOSE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Access:
    """``url`` may name several servers, with commas. TLS is on with ``ca_file`` or a ``tls://`` URL, and then verified.

    ``makes_streams``: this process creates the streams; others wait until they are there.
    """

    url: str = field(repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    password_file: str = ""
    makes_streams: bool = True

    @classmethod
    def of(cls, settings: CommonSettings, service: str) -> Access:
        return cls(
            url=settings.nats_url, ca_file=settings.nats_ca_file, cert_file=settings.nats_cert_file,
            key_file=settings.nats_key_file, password_file=settings.nats_password_file,
            makes_streams=permissions.ROWS[service].rules_workflows,
        )  # fmt: skip

    @property
    def servers(self) -> list[str]:
        return [url.strip() for url in self.url.split(",")]

    @property
    def user(self) -> str:
        return urlsplit(self.servers[0]).username or ""

    @property
    def inbox(self) -> str:
        """A user of the permissions table is answered where nobody else may listen."""
        return permissions.inbox(self.user) if self.user in permissions.ROWS else DEFAULT_INBOX

    @property
    def is_secure(self) -> bool:
        return bool(self.ca_file) or any(url.startswith("tls://") for url in self.servers)

    def check(self) -> None:
        """Errors: InvalidRequest when a file cannot be read or makes no sense, and names the setting."""
        if self.is_secure:
            self.context()
        if self.password_file:
            self.password()
            if not self.user:
                raise InvalidRequest("STEELYARD_NATS_PASSWORD_FILE is set and STEELYARD_NATS_URL names no user")

    def context(self) -> ssl.SSLContext:
        """Verifies the server's certificate and name."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:
            raise InvalidRequest(f"STEELYARD_NATS_CA_FILE cannot be used: {error.strerror or error}") from error
        if self.cert_file:
            try:
                context.load_cert_chain(self.cert_file, self.key_file or None)
            except OSError as error:
                reason = error.strerror or error
                raise InvalidRequest(
                    f"STEELYARD_NATS_CERT_FILE or STEELYARD_NATS_KEY_FILE cannot be used: {reason}"
                ) from error
        return context

    def password(self) -> str:
        try:
            return Path(self.password_file).read_text().strip()
        except OSError as error:
            raise InvalidRequest(f"STEELYARD_NATS_PASSWORD_FILE cannot be read: {error.strerror}") from error

    def options(self) -> dict[str, Any]:
        """For ``Client.connect``. The password's file is read again for each connection."""
        options: dict[str, Any] = {"servers": self.servers, "inbox_prefix": self.inbox}
        if self.is_secure:
            options["tls"] = self.context()
        if self.password_file:
            options |= {"user": self.user, "password": self.password}
        return options


class _Transport(TcpTransport):
    """Of a connection whose TLS did not come about in time asyncio never sees the end, and nats-py waits for that
    before it tries again."""

    def __init__(self) -> None:
        untyped: Any = super()
        untyped.__init__()

    def __bool__(self) -> bool:
        return True  # else nats-py would take one of its own

    async def wait_closed(self) -> None:
        untyped: Any = super()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(untyped.wait_closed(), CLOSE_S)

    def abort(self) -> None:
        if self._io_writer is not None:
            self._io_writer.transport.abort()


class AccessClient(Client):
    """A client for one connection, that says who it is over TLS or not at all: nats-py would believe a server that
    asks for none. ``known``: servers of the cluster that the client before this one was told of.

    ``over``: the connection is broken or left. nats-py's own call at the end fails to come when the end comes in the
    middle of a word.
    """

    def __init__(self, *, is_secure: bool, known: Sequence[Srv] = ()) -> None:
        super().__init__()
        self._needs_tls = is_secure
        self._known_before = known
        self.over = asyncio.Event()
        self._transport = self._line = _Transport()

    @property
    def known(self) -> list[Srv]:
        return [each for each in self._server_pool if each.discovered]

    def _setup_server_pool(self, connect_url: list[str]) -> None:
        super()._setup_server_pool(connect_url)
        named = {each.uri.netloc for each in self._server_pool}
        self._server_pool += [each for each in self._known_before if each.uri.netloc not in named]

    async def part(self) -> None:
        """However the connection stands: afterwards there is none."""
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            await asyncio.wait_for(self.close(), 2 * CLOSE_S)
        self._line.abort()

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        self.over.set()
        if not self.is_connected:  # else nats-py would send what is left into the broken connection, and break off
            self._pending, self._pending_data_size = [], 0
        await super()._close(status, do_cbs)

    def _connect_command(self) -> bytes:
        if self._needs_tls and not self._server_info.get("tls_required"):
            raise nats.errors.Error("the server offers no TLS")
        if self._server_info.get("tls_required"):
            # nats-py puts TLS below a protocol that is not told, and asyncio warns of that at each end of a connection.
            transport: Any = self._transport
            transport._io_writer.transport.get_protocol()._over_ssl = True
        return super()._connect_command()
