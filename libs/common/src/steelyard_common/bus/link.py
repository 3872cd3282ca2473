"""The connection to NATS: nats-py's event loop in a thread of its own, and the ways in and out of it.

Rules of this file
1. Nobody outside the loop's thread touches the client. Threads leave messages in a queue; one wake-up sends them all.
2. The connection is kept for ever: when it breaks, a new client is made, and the ``on_ready`` steps run on it.
   nats-py's own reconnection is off: its tries share one transport, and when one breaks half-way, its reader lives
   on, takes the words of the next, and the client is deaf or waits for ever (test_bus_connecting.py).
3. A server that is too old is not used: the bus stays away and the log says why.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import nats.errors
from nats.aio.client import Client, Srv
from nats.nuid import NUID

from ..errors import Unavailable
from ..telemetry import get_logger
from .access import Access, AccessClient
from .short_cuts import command, write

log = get_logger(__name__)
T = TypeVar("T")
MIN_SERVER = (2, 12)
MIN_PAYLOAD = 1_048_576  # the server's default
RECONNECT_WAIT_S = 0.25
CONNECT_S = 6  # a little more than our servers give TLS; a hashed password costs a busy one seconds
Step = Callable[[Client], Awaitable[None]]


def _why_not(client: Client) -> str:
    """Why this server cannot be used; empty when it can."""
    version = client.connected_server_version
    if (version.major, version.minor) < MIN_SERVER:
        return f"{version} is too old: 2.12 or later is needed"
    if client.max_payload < MIN_PAYLOAD:
        return f"max_payload is {client.max_payload} bytes: {MIN_PAYLOAD} or more are needed"
    return ""


def _refused(error: Exception) -> str:
    """Why the server does not take us or we do not take it; empty when it is merely away."""
    text = str(error)
    if "authorization violation" in text.lower() or isinstance(error, nats.errors.AuthorizationError):
        return "NATS does not take this user and password"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of NATS is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection to NATS: {error.reason}"
    return "NATS offers no TLS, and TLS is asked for" if "offers no TLS" in text else ""


class Link:
    """Keeps one client connected; ``send`` may be called from any thread."""

    def __init__(self, access: Access, site: str, name: str) -> None:
        self.access, self.site, self._name = access, site, f"{site}.{name}"
        self.loop = asyncio.new_event_loop()
        self.client: Client | None = None
        self.ready = threading.Event()
        self.closing = False
        self.refusal = ""  # why this server cannot be used
        self._out: deque[bytes] = deque()
        self._waking = False
        self._known: list[Srv] = []  # told of by a server that we were connected to
        self._on_ready: list[Step] = []
        self._on_lost: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)
        self._main: asyncio.Task[None] | None = None

    # ---- from any thread

    def start(self) -> None:
        self._thread.start()

    @property
    def is_connected(self) -> bool:
        return self.ready.is_set()

    def new_inbox(self) -> str:
        """A subject of our own to be answered on."""
        return f"{self.access.inbox}.{NUID().next().decode()}"

    def send(self, subject: str, body: bytes, reply: str = "", headers: dict[str, str] | None = None) -> None:
        """Leave a message to be sent; it is lost if there is no connection, or it breaks before it is on its way."""
        self._out.append(command(subject, body, reply, headers))
        if not self._waking:
            self._waking = True
            self.loop.call_soon_threadsafe(self._send_all)

    def call(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run a coroutine in the loop and wait for it. Errors: Unavailable on time-out or a lost connection."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout_s)
        except (concurrent.futures.TimeoutError, nats.errors.Error, OSError) as error:
            future.cancel()
            raise Unavailable("the message bus does not answer", detail=repr(error)) from error

    def on_ready(self, step: Step) -> None:
        """Run ``step`` now, if connected, and on each new client: subscriptions are made in these."""
        future = asyncio.run_coroutine_threadsafe(self._add_step(step), self.loop)
        concurrent.futures.wait([future], 5)

    def on_lost(self, callback: Callable[[], None]) -> None:
        """``callback`` runs in the loop when a connection breaks: what was on its way may never be answered."""
        self._on_lost.append(callback)

    def close(self) -> None:
        """Send what is left, then leave. Subscriptions are the callers' to drain before."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._shut(), self.loop)
        self._thread.join(10)

    # ---- in the loop's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self._main = self.loop.create_task(self._keep_connected())
        try:
            self.loop.run_forever()
        finally:
            pending = asyncio.all_tasks(self.loop)
            for task in pending:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            self.loop.close()

    async def _shut(self) -> None:
        self.closing = True
        client = self.client
        if client is not None and client.is_connected:
            self._send_all()
            try:
                await client.flush(timeout=2)
            except (TimeoutError, nats.errors.Error, OSError):
                log.warning("bus closed with messages unsent")
        if client is not None:
            await client.close()
        self.ready.clear()
        self.loop.stop()

    async def _add_step(self, step: Step) -> None:
        self._on_ready.append(step)
        client = self.client
        if client is not None and self.ready.is_set():
            try:
                await step(client)
            except (nats.errors.Error, OSError) as error:
                log.warning("bus set-up broke off", error=repr(error))
                await client.close()  # a new client runs all steps again

    async def _keep_connected(self) -> None:
        while not self.closing:
            client = AccessClient(is_secure=self.access.is_secure, known=self._known)
            try:
                await self._connect(client)
                await self._use(client)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log.debug("bus connection failed", error=repr(error))
            except Exception as error:  # noqa: BLE001  the runner: whatever it was, the bus comes back
                log.error("bus connection failed", error=repr(error))
            finally:
                self._lost()
                self._known = client.known
                await client.part()
            await asyncio.sleep(RECONNECT_WAIT_S)

    async def _connect(self, client: AccessClient) -> None:
        await client.connect(
            name=self._name, allow_reconnect=False, max_reconnect_attempts=-1, connect_timeout=CONNECT_S,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
            ping_interval=10, max_outstanding_pings=2, error_cb=self._tell_error,
            **self.access.options(),
        )  # fmt: skip

    async def _use(self, client: AccessClient) -> None:
        """Until the connection breaks, or a step of its set-up does."""
        self.refusal = _why_not(client)
        if self.refusal:
            log.error("bus refused", reason=self.refusal)
            await client.close()
            await asyncio.sleep(5)
            return
        self.client = client
        end = asyncio.ensure_future(client.over.wait())
        set_up = asyncio.ensure_future(self._set_up(client))
        try:
            await asyncio.wait({end, set_up}, return_when=asyncio.FIRST_COMPLETED)
            if set_up.done():
                set_up.result()
            await end
        finally:
            self.client = None
            set_up.cancel()
            end.cancel()
            await asyncio.gather(set_up, end, return_exceptions=True)

    async def _set_up(self, client: Client) -> None:
        try:
            for step in self._on_ready:  # it may grow meanwhile, and those steps are ours to run, too
                await step(client)
        except (nats.errors.Error, OSError) as error:
            if client.is_connected:
                log.warning("bus set-up broke off", error=repr(error))
            raise
        if client.is_connected:
            log.info("bus connected")
            self.ready.set()

    async def _tell_error(self, error: Exception) -> None:
        """A refusal is told once and kept as ``refusal``: nats-py tries again for ever, and says nothing itself."""
        if self.closing:
            return
        text = str(error)
        if "permissions violation" in text.lower():
            log.error("bus refused what this service may not do", user=self.access.user, reason=text)
        elif not self.ready.is_set() and (reason := _refused(error)):
            if reason != self.refusal:
                log.error("bus refused", user=self.access.user, reason=reason)
            self.refusal = reason
        else:
            log.debug("bus error", error=repr(error))

    def _lost(self) -> None:
        if self.ready.is_set() and not self.closing:
            log.warning("bus connection lost")
        self.ready.clear()
        self._out.clear()
        for callback in self._on_lost:
            callback()

    def _send_all(self) -> None:
        self._waking = False  # before looking: who appends from now on wakes us again
        out, client = self._out, self.client
        parts = []
        while out:
            parts.append(out.popleft())
        if client is not None and client.is_connected and parts:
            write(client, parts[0] if len(parts) == 1 else b"".join(parts))
