"""The short cuts past nats-py; all use of its private parts on the hot path is in this file.

nats-py sends through a queue and a flusher task, and receives through a queue and a task per subscription: four turns
of the event loop more for a request. Measured (bench/bus.py, two cores): 202 → 165 µs CPU for the asking side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

_BREAKS = str.maketrans("\r\n", "  ")


def command(subject: str, body: bytes, reply: str, headers: Mapping[str, str] | None) -> bytes:
    """The bytes of PUB or HPUB. A line break in a header's value would end it: it becomes a space."""
    if not headers:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(body), body)
    lines = "".join(f"{name}: {value.translate(_BREAKS)}\r\n" for name, value in headers.items())
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    total = len(head) + len(body)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject.encode(), reply.encode(), len(head), total, head, body)


def write(client: Client, data: bytes) -> None:
    """Put commands on the socket now; the transport keeps what the socket does not take."""
    transport = client._transport
    if transport is not None:
        transport.write(data)


def delivery_of(reply: str) -> tuple[int, int]:
    """(how often it was delivered, its sequence in the stream), as JetStream's reply subject says (ADR-15 of NATS).

    ``$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>…``, or with domain and account before the stream.
    nats-py's ``metadata`` makes two objects and a time of it for each message: half of the cost of taking one.
    """
    tokens = reply.split(".")
    at = 4 if len(tokens) == 9 else 6
    return int(tokens[at]), int(tokens[at + 1])


class _Direct:
    """Stands in for a subscription's queue: what is put is handled at once."""

    def __init__(self, take: Callable[[Msg], None]) -> None:
        self.put_nowait = take

    def empty(self) -> bool:
        return True

    def qsize(self) -> int:
        return 0

    async def join(self) -> None:
        """Nothing ever waits here."""


def deliver_directly(subscription: Subscription, take: Callable[[Msg], None]) -> None:
    """``take`` is called for each message from now on, in the loop, and must not wait."""
    waiting: Any = subscription._pending_queue
    direct: Any = _Direct(take)
    subscription._pending_queue = direct
    subscription._pending_bytes_limit = 0  # nobody takes from the queue, so nobody counts it down
    reader: Any = subscription._wait_for_msgs_task
    if reader is not None:
        reader.cancel()
    for _ in range(waiting.qsize()):
        take(waiting.get_nowait())


async def reach(client: Client) -> None:
    """The server has taken what was said until now. ``Client.flush`` alone is no such promise: it writes its PING at
    once, and what waits in the client's queue (SUB, UNSUB) after it."""
    await client._flush_pending(force_flush=True)
    await client.flush()


async def leave(client: Client, subscriptions: Iterable[Subscription]) -> None:
    """Afterwards no message comes for these, and each that came was taken.

    ``Subscription.drain`` throws away what comes between its PING and its UNSUB, in this order.
    """
    left = list(subscriptions)
    for subscription in left:
        await client._send_unsubscribe(subscription._id)
    await reach(client)
    for subscription in left:
        client._remove_sub(subscription._id)
