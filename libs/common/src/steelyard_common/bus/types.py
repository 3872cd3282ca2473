"""What travels on the bus, and the promise that both buses keep (the NATS one and the twin in memory)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import orjson

if TYPE_CHECKING:
    from marshmallow import Schema

CALLER = "Steelyard-Caller"  # JSON {user, roles, project, domain, system, request_id}
DEADLINE = "Steelyard-Deadline-Ms"  # how long the caller still waits when it sends
TAG = "Steelyard-Tag"  # of a reply: the version of what it shows
CHUNK = "Steelyard-Chunk"  # "3/7": part 3 of 7 of one reply
MSG_ID = "Nats-Msg-Id"
ERROR = "Nats-Service-Error"
ERROR_CODE = "Nats-Service-Error-Code"

CHUNK_BYTES = 512 * 1024
# The server's default max_payload is 1 MiB and counts the headers.
MAX_MESSAGE_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Message:
    """To be published on JetStream; ``msg_id`` lets the server drop a repeat."""

    subject: str
    body: bytes = field(repr=False)
    msg_id: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an endpoint gets. ``deadline``: time.monotonic() after which nobody waits for the answer."""

    subject: str
    body: dict[str, Any] = field(repr=False)
    headers: Mapping[str, str]
    deadline: float


class Tagged(bytes):
    """What an endpoint returns to have the version of what it shows travel beside it, as the header TAG."""

    tag: str

    @classmethod
    def of(cls, data: bytes, tag: str) -> Tagged:
        made = cls(data)
        made.tag = tag
        return made


Reply = bytes | dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One row of a service's table of contents. ``schema`` loads the body before the handler sees it.

    ``subject`` may end in ``.*``: the handler then finds in its request what stood there.
    """

    subject: str
    handler: Callable[[Request], Reply]
    schema: type[Schema] | None = None

    def at(self, subject: str) -> Endpoint | None:
        """This endpoint as it answers one subject; None when that is not one of its own."""
        if subject == self.subject:
            return self
        before, _, last = subject.rpartition(".")
        return replace(self, subject=subject) if last and self.subject == f"{before}.*" else None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One JetStream message. ``num_delivered`` > 1: it was given to somebody before, so look first."""

    subject: str
    data: bytes = field(repr=False)
    headers: Mapping[str, str]
    num_delivered: int
    stream_sequence: int

    @property
    def body(self) -> dict[str, Any]:
        decoded: dict[str, Any] = orjson.loads(self.data)
        return decoded


@dataclass(frozen=True, kw_only=True)
class StreamState:
    """``epoch``: which life of the stream it is; a sequence means nothing in another. ``first``, ``last``: of those
    that are kept."""

    epoch: str
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Messages in the stream's order. ``is_at_end``: there was nothing behind them when they came."""

    epoch: str
    deliveries: list[Delivery]
    is_at_end: bool


class Following(Protocol):
    """One who reads along on a stream, for himself: nothing is acknowledged, and nobody else gets less for it."""

    def read(self, timeout_s: float, *, to_end: bool = False) -> Batch:
        """What has come; waits for the first message, ``to_end``: only if there is one.

        Without a gap, whatever happens to the connection; a new ``epoch`` begins a new stream."""
        ...

    def close(self) -> None: ...


class Streams(Protocol):
    """What can be read along on a bus."""

    def stream_state(self, stream: str, *, timeout_s: float = 5) -> StreamState:
        """Errors: Unavailable."""
        ...

    def taken_to(self, stream: str, durable: str, *, timeout_s: float = 5) -> int:
        """The sequence up to which a durable consumer, all its replicas together, has taken everything it wants.

        Errors: Unavailable."""
        ...

    def follow(self, stream: str, subject: str, start: int | datetime) -> Following:
        """``start``: the sequence of the first message that is wanted, or since when it was told."""
        ...


class Bus(Streams, Protocol):
    """Requests, events and steps. Every call may be repeated; raises only ``steelyard_common.errors``."""

    @property
    def is_connected(self) -> bool: ...

    def request(
        self, subject: str, body: Mapping[str, Any], *, timeout_s: float, headers: Mapping[str, str] | None = None,
        told: dict[str, str] | None = None,
    ) -> bytes:  # fmt: skip
        """The reply's bytes, or the other side's error. ``told`` takes the reply's headers, if there are any.

        Nobody there or bus away: Unavailable. No answer in time: OutcomeUnknown for a command, Unavailable for a query.
        """
        ...

    def publish(self, messages: Sequence[Message], *, timeout_s: float = 5) -> None:
        """Returns when the stream has them all; else Unavailable (some may have arrived: repeat with the same ids)."""
        ...

    def serve(self, service: str, endpoints: Sequence[Endpoint], *, workers: int = 16) -> None:
        """Answer requests, sharing them with the other replicas of ``service``."""
        ...

    def consume(
        self,
        stream: str,
        durable: str,
        subjects: Sequence[str],
        handler: Callable[[Delivery], None],
        *,
        workers: int,
        ack_wait_s: float = 15,
        max_deliver: int = 20,
    ) -> None:
        """One call a message; returning acknowledges, raising gives it again later, at last to the dead letters."""
        ...

    def consume_batches(
        self,
        stream: str,
        durable: str,
        subjects: Sequence[str],
        handler: Callable[[list[Delivery]], None],
        *,
        max_batch: int = 100,
        linger_ms: int = 10,
        ack_wait_s: float = 15,
        max_deliver: int = 20,
    ) -> None:
        """One thread, many messages a call; a batch that raises is given again one by one."""
        ...

    def close(self) -> None:
        """Drain: take nothing new, finish and answer what was taken, then leave."""
        ...
