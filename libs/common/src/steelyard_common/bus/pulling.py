"""One standing pull on a JetStream consumer: what is in hand, when to ask for more, and the beats that keep it ours.

All of it runs in the loop's thread, except ``settle``, which may be called by any. Messages in hand are known by
their stream sequence: if one is delivered again while it is still being handled here (the connection was away for
longer than ``ack_wait``), only its newest reply subject is kept and it is not handled twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import api

from ..telemetry import get_logger
from . import streams
from .link import Link
from .short_cuts import deliver_directly, delivery_of, leave
from .types import Delivery

log = get_logger(__name__)
MAX_ACK_PENDING = 2000
EXPIRES_S = 30
HEARTBEAT_S = 5
SILENCE_S = 3 * HEARTBEAT_S  # no message and no heartbeat for so long: the pull is lost
IN_PROGRESS, ACK, TERM = b"+WPI", b"+ACK", b"+TERM"


def nak(delay_s: float) -> bytes:
    return b'-NAK {"delay": %d}' % int(delay_s * 1e9)


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """What is pulled from: a durable consumer of a stream."""

    stream: str
    durable: str
    subjects: Sequence[str]
    ack_wait_s: float
    max_deliver: int


class Puller:
    """Keeps up to ``capacity`` messages asked for or in hand; gives each to ``on_delivery`` (in the loop)."""

    def __init__(self, link: Link, consumer: Consumer, capacity: int, on_delivery: Callable[[Delivery], None]) -> None:
        self._link, self.consumer, self._capacity, self._on_delivery = link, consumer, capacity, on_delivery
        self._inbox = link.new_inbox()
        self._in_hand: dict[int, str] = {}  # stream sequence → newest reply subject
        self._asked = 0  # messages that open pulls may still bring
        self._seen_at = 0.0
        self._prepared = False
        self._stopped = False
        self._subscription: Subscription | None = None
        self._kick = asyncio.Event()
        link.on_ready(self._subscribe)
        link.loop.call_soon_threadsafe(self._begin)

    # ---- from any thread

    def settle(self, delivery: Delivery, verdict: bytes) -> None:
        """Tell the server how it went (ACK, TERM or a nak) and make room for the next message."""
        reply = self._in_hand.pop(delivery.stream_sequence, None)
        if reply is not None:
            self._link.send(reply, verdict)
        if len(self._in_hand) + self._asked <= self._capacity * 3 // 4 and not self._kick.is_set():
            self._link.loop.call_soon_threadsafe(self._kick.set)

    def stop(self) -> None:
        """Ask for nothing more; what is in hand stays to be settled."""
        self._stopped = True
        client, subscription = self._link.client, self._subscription
        if client is not None and subscription is not None and self._link.is_connected:
            self._link.call(leave(client, [subscription]), 3)

    # ---- in the loop's thread

    def _begin(self) -> None:
        self._tasks = [asyncio.ensure_future(self._pull_loop()), asyncio.ensure_future(self._beat_loop())]

    async def _subscribe(self, client: Client) -> None:
        self._subscription = await client.subscribe(self._inbox)
        deliver_directly(self._subscription, self._take)
        self._restart()

    def _restart(self) -> None:
        """A new connection: open pulls are gone, and perhaps the consumer with them."""
        self._asked, self._prepared = 0, False
        self._kick.set()

    async def _pull_loop(self) -> None:
        pause = 0.1
        while not self._stopped:
            try:
                await asyncio.wait_for(self._kick.wait(), HEARTBEAT_S)
            except TimeoutError:
                if self._asked and time.monotonic() - self._seen_at > SILENCE_S:
                    self._restart()
            self._kick.clear()
            client = self._link.client
            if self._stopped or client is None or not client.is_connected:
                continue
            try:
                await self._prepare(client)
                await self._pull(client)
                pause = 0.1
            except (TimeoutError, nats.errors.Error, OSError) as error:
                log.warning("consumer is not ready", durable=self.consumer.durable, error=repr(error))
                self._kick.set()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _prepare(self, client: Client) -> None:
        if self._prepared:
            return
        if self._link.access.makes_streams:
            await streams.ensure(client, self._link.site)
        # With a name and one filter, nats-py puts both into the request's subject, and so into what NATS can allow.
        first, *others = self.consumer.subjects
        filters = {"filter_subjects": [first, *others]} if others else {"filter_subject": first}
        config = api.ConsumerConfig(
            name=self.consumer.durable, durable_name=self.consumer.durable, ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=self.consumer.ack_wait_s, max_deliver=-1, max_ack_pending=MAX_ACK_PENDING, **filters,
        )  # fmt: skip
        await client.jetstream(timeout=3).add_consumer(self.consumer.stream, config)
        self._prepared = True

    async def _pull(self, client: Client) -> None:
        room = self._capacity - len(self._in_hand) - self._asked
        if room <= 0 or room < self._capacity // 4:
            return
        self._asked += room
        self._seen_at = time.monotonic()
        ask = {"batch": room, "expires": EXPIRES_S * 10**9, "idle_heartbeat": HEARTBEAT_S * 10**9}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.consumer.stream}.{self.consumer.durable}"
        await client.publish(subject, orjson.dumps(ask), self._inbox)

    def _take(self, message: Msg) -> None:
        self._seen_at = time.monotonic()
        headers = message.headers or {}
        if not message.reply and "Status" in headers:
            self._take_status(headers)
            return
        self._asked = max(0, self._asked - 1)
        num_delivered, sequence = delivery_of(message.reply)
        again = sequence in self._in_hand
        self._in_hand[sequence] = message.reply
        if not again:
            delivery = Delivery(
                subject=message.subject, data=message.data, headers=headers,
                num_delivered=num_delivered, stream_sequence=sequence,
            )  # fmt: skip
            self._on_delivery(delivery)
        if len(self._in_hand) + self._asked <= self._capacity * 3 // 4:
            self._kick.set()

    def _take_status(self, headers: dict[str, str]) -> None:
        status = headers["Status"]
        if status == "100":  # a heartbeat: the pull is open and there is nothing for it
            return
        left = headers.get("Nats-Pending-Messages")
        self._asked = max(0, self._asked - int(left)) if left is not None else 0
        if status not in ("404", "408"):  # 409: the consumer is gone or changed; 503: JetStream is
            self._prepared = False
        self._kick.set()

    async def _beat_loop(self) -> None:
        """Say "still working" for all in hand, three times within ``ack_wait``; goes on while draining."""
        while True:
            await asyncio.sleep(self.consumer.ack_wait_s / 3)
            for reply in list(self._in_hand.values()):
                self._link.send(reply, IN_PROGRESS)
