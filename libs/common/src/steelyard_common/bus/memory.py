"""The twin in memory: the same promises without a server, in the caller's thread, for tests.

``publish`` keeps messages in ``published``; ``deliver`` gives them to the consumers, the way a stream would:
a handler that raises gets its message again at the next ``deliver``, after ``max_deliver`` it is in ``dead``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from ..contracts.subjects import STREAM_SUBJECTS
from ..errors import SteelyardError, Unavailable
from .types import ERROR_CODE, Batch, Delivery, Endpoint, Message, StreamState
from .wire import answer, encode_request, raise_error


@dataclass
class _Entry:
    """A message on its way to one durable consumer."""

    message: Message
    sequence: int
    delivered: int = 0


@dataclass
class _Consumer:
    stream: str
    durable: str
    subjects: Sequence[str]
    handler: Callable[[list[Delivery]], None]
    max_batch: int
    max_deliver: int
    backlog: list[_Entry] = field(default_factory=list)


class MemoryBus:
    """See ``types.Bus``. ``available = False`` makes it behave like a bus that is away."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.dead: list[Message] = []
        self.failures: list[Exception] = []
        self.available = True
        self._endpoints: dict[str, Endpoint] = {}
        self._consumers: list[_Consumer] = []
        self._seen: set[str] = set()

    @property
    def is_connected(self) -> bool:
        return self.available

    def request(
        self, subject: str, body: Mapping[str, Any], *, timeout_s: float, headers: Mapping[str, str] | None = None,
        told: dict[str, str] | None = None,
    ) -> bytes:  # fmt: skip
        self._check()
        data, sent = encode_request(body, timeout_s, headers)
        endpoint = next((row for each in self._endpoints.values() if (row := each.at(subject))), None)
        if endpoint is None:
            raise Unavailable(f"the {subject.split('.')[1]} service is away")
        reply, reply_headers = answer(endpoint, data, sent, time.monotonic())
        if ERROR_CODE in reply_headers:
            raise_error(reply)
        if told is not None:
            told.update(reply_headers)
        return reply

    def publish(self, messages: Sequence[Message], *, timeout_s: float = 5) -> None:
        del timeout_s
        self._check()
        for message in messages:
            if message.msg_id in self._seen:
                continue
            if not any(_matches(each, message.subject) for subjects in STREAM_SUBJECTS.values() for each in subjects):
                raise Unavailable(f"no stream takes this subject: {message.subject}")
            self._seen.add(message.msg_id)
            self.published.append(message)
            for consumer in self._consumers:
                self._offer(consumer, message, len(self.published))

    def serve(self, service: str, endpoints: Sequence[Endpoint], *, workers: int = 16) -> None:
        del service, workers
        self._endpoints.update({endpoint.subject: endpoint for endpoint in endpoints})

    def consume(
        self, stream: str, durable: str, subjects: Sequence[str], handler: Callable[[Delivery], None], *,
        workers: int, ack_wait_s: float = 15, max_deliver: int = 20,
    ) -> None:  # fmt: skip
        del workers, ack_wait_s
        self._add(_Consumer(stream, durable, subjects, lambda batch: handler(batch[0]), 1, max_deliver))

    def consume_batches(
        self, stream: str, durable: str, subjects: Sequence[str], handler: Callable[[list[Delivery]], None], *,
        max_batch: int = 100, linger_ms: int = 10, ack_wait_s: float = 15, max_deliver: int = 20,
    ) -> None:  # fmt: skip
        del linger_ms, ack_wait_s
        self._add(_Consumer(stream, durable, subjects, handler, max_batch, max_deliver))

    def deliver(self, *, rounds: int = 100) -> int:
        """Give what is published to the consumers, and what that publishes, until all is quiet. → messages handled.

        A message that failed is tried again at the next call, not in this one.
        """
        handled = 0
        failed: list[tuple[_Consumer, list[_Entry]]] = []
        for _ in range(rounds):
            work = [(consumer, consumer.backlog) for consumer in self._consumers if consumer.backlog]
            if not work:
                break
            for consumer, backlog in work:
                consumer.backlog = []
                handled += len(backlog)
                failed.append((consumer, self._give(consumer, backlog)))
        for consumer, entries in failed:
            consumer.backlog[:0] = entries
        return handled

    def stream_state(self, stream: str, *, timeout_s: float = 5) -> StreamState:
        del stream, timeout_s
        self._check()
        return StreamState(epoch="memory", first=1, last=len(self.published))

    def taken_to(self, stream: str, durable: str, *, timeout_s: float = 5) -> int:
        del timeout_s
        self._check()
        waiting = [
            entry.sequence for each in self._consumers if (each.stream, each.durable) == (stream, durable)
            for entry in each.backlog
        ]  # fmt: skip
        return min(waiting, default=len(self.published) + 1) - 1

    def follow(self, stream: str, subject: str, start: int | datetime) -> MemoryFollowing:
        del stream
        return MemoryFollowing(self, subject, start)

    def close(self) -> None:
        self._endpoints.clear()
        self._consumers.clear()

    def _check(self) -> None:
        if not self.available:
            raise Unavailable("the message bus is away")

    def _add(self, consumer: _Consumer) -> None:
        self._consumers.append(consumer)
        for sequence, message in enumerate(self.published, start=1):
            self._offer(consumer, message, sequence)

    @staticmethod
    def _offer(consumer: _Consumer, message: Message, sequence: int) -> None:
        of_stream = any(_matches(each, message.subject) for each in STREAM_SUBJECTS[consumer.stream])
        if of_stream and any(_matches(each, message.subject) for each in consumer.subjects):
            consumer.backlog.append(_Entry(message, sequence))

    def _give(self, consumer: _Consumer, entries: list[_Entry]) -> list[_Entry]:
        """→ what failed and is to be given again."""
        failed: list[_Entry] = []
        for start in range(0, len(entries), consumer.max_batch):
            batch = entries[start : start + consumer.max_batch]
            if not self._handle(consumer, batch):
                again = batch if len(batch) == 1 else [entry for entry in batch if not self._handle(consumer, [entry])]
                failed.extend(again)
        buried = [entry for entry in failed if entry.delivered >= consumer.max_deliver]
        self.dead.extend(entry.message for entry in buried)
        return [entry for entry in failed if entry not in buried]

    def _handle(self, consumer: _Consumer, batch: list[_Entry]) -> bool:
        for entry in batch:
            entry.delivered += 1
        try:
            consumer.handler([_delivery(entry) for entry in batch])
        except (SteelyardError, ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
            self.failures.append(error)
            return False
        return True


class MemoryFollowing:
    """See ``types.Following``. A message's time is that of its event."""

    def __init__(self, bus: MemoryBus, subject: str, start: int | datetime) -> None:
        self._bus, self._subject, self._start, self._read = bus, subject, start, 0
        self._stopped = threading.Event()

    def read(self, timeout_s: float, *, to_end: bool = False) -> Batch:
        end = time.monotonic() + timeout_s
        while True:
            entries = enumerate(self._bus.published[self._read :], start=self._read + 1)
            found = [_delivery(_Entry(each, number, 1)) for number, each in entries if self._wants(each, number)]
            self._read = len(self._bus.published)
            if found or to_end or time.monotonic() >= end or self._stopped.wait(0.005):
                return Batch(epoch="memory", deliveries=found, is_at_end=True)

    def close(self) -> None:
        self._stopped.set()

    def _wants(self, message: Message, sequence: int) -> bool:
        if isinstance(self._start, int):
            is_new = sequence >= self._start
        else:
            is_new = datetime.fromisoformat(orjson.loads(message.body)["time"]) >= self._start
        return is_new and _matches(self._subject, message.subject)


def _delivery(entry: _Entry) -> Delivery:
    message = entry.message
    return Delivery(
        subject=message.subject, data=message.body, headers=message.headers,
        num_delivered=entry.delivered, stream_sequence=entry.sequence,
    )  # fmt: skip


def _matches(pattern: str, subject: str) -> bool:
    """NATS's wildcards: ``*`` one token, ``>`` the rest."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">":
            return len(given) > index
        if index >= len(given) or part not in ("*", given[index]):
            return False
    return len(wanted) == len(given)
