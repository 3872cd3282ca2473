"""The bus on NATS: puts the parts together and takes them apart in the right order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from ..errors import Unavailable
from ..settings import CommonSettings
from . import streams
from .access import Access
from .asking import ask_stream_state, ask_taken_to
from .calls import Calls
from .consuming import BatchConsumer, PooledConsumer
from .following import Follower
from .link import Link
from .pulling import Consumer
from .serving import Serving
from .types import Delivery, Endpoint, Message, StreamState

DRAIN_S = 20.0


class NatsBus:
    """See ``types.Bus``. Works, and waits, also while NATS is away: at the start, too."""

    def __init__(self, access: Access, site: str, name: str) -> None:
        access.check()
        self._link = Link(access, site, name)
        self._link.start()
        if access.makes_streams:
            self._link.on_ready(lambda client: streams.ensure(client, site))
        self._calls = Calls(self._link)
        self._parts: list[Serving | PooledConsumer | BatchConsumer] = []

    @property
    def is_connected(self) -> bool:
        return self._link.is_connected

    @property
    def refusal(self) -> str:
        """Why the server that was found cannot be used; empty when it can, or when there is none."""
        return self._link.refusal

    def wait_connected(self, timeout_s: float) -> bool:
        return self._link.ready.wait(timeout_s)

    def request(
        self, subject: str, body: Mapping[str, Any], *, timeout_s: float, headers: Mapping[str, str] | None = None,
        told: dict[str, str] | None = None,
    ) -> bytes:  # fmt: skip
        return self._calls.request(subject, body, timeout_s, headers, told)

    def publish(self, messages: Sequence[Message], *, timeout_s: float = 5) -> None:
        self._calls.publish(messages, timeout_s)

    def serve(self, service: str, endpoints: Sequence[Endpoint], *, workers: int = 16) -> None:
        self._parts.append(Serving(self._link, service, endpoints, workers))

    def consume(
        self, stream: str, durable: str, subjects: Sequence[str], handler: Callable[[Delivery], None], *,
        workers: int, ack_wait_s: float = 15, max_deliver: int = 20,
    ) -> None:  # fmt: skip
        consumer = Consumer(
            stream=stream, durable=durable, subjects=subjects, ack_wait_s=ack_wait_s, max_deliver=max_deliver
        )
        self._parts.append(PooledConsumer(self._link, self._calls, consumer, handler, workers))

    def consume_batches(
        self, stream: str, durable: str, subjects: Sequence[str], handler: Callable[[list[Delivery]], None], *,
        max_batch: int = 100, linger_ms: int = 10, ack_wait_s: float = 15, max_deliver: int = 20,
    ) -> None:  # fmt: skip
        consumer = Consumer(
            stream=stream, durable=durable, subjects=subjects, ack_wait_s=ack_wait_s, max_deliver=max_deliver
        )
        self._parts.append(BatchConsumer(self._link, self._calls, consumer, handler, max_batch, linger_ms / 1000))

    def stream_state(self, stream: str, *, timeout_s: float = 5) -> StreamState:
        return ask_stream_state(self._link, stream, timeout_s)

    def taken_to(self, stream: str, durable: str, *, timeout_s: float = 5) -> int:
        return ask_taken_to(self._link, stream, durable, timeout_s)

    def follow(self, stream: str, subject: str, start: int | datetime) -> Follower:
        return Follower(self._link, stream, subject, start)

    def close(self) -> None:
        # All at once: a slow step in one part must not keep another from leaving its queue group.
        if self._parts:
            with ThreadPoolExecutor(len(self._parts)) as pool:
                list(pool.map(lambda part: part.stop(DRAIN_S), self._parts))
        self._parts = []
        self._link.close()


def connect(access: Access | str, site: str, name: str, *, wait_s: float = 2.0) -> NatsBus:
    """A bus that connects now or as soon as NATS is there (``is_connected`` tells). Streams are ensured.

    ``access`` may be a URL. Errors: Unavailable when a server is found and is older than 2.12, does not know us, or
    shows a certificate that is not trusted; InvalidRequest when a file that ``access`` names cannot be used.
    """
    bus = NatsBus(Access(url=access) if isinstance(access, str) else access, site, name)
    if not bus.wait_connected(wait_s) and bus.refusal:
        bus.close()
        raise Unavailable(bus.refusal)
    return bus


def connect_service(settings: CommonSettings, service: str) -> NatsBus:
    """``connect`` for a service of the permissions table, by its settings."""
    return connect(Access.of(settings, service), settings.site, settings.instance or service)
