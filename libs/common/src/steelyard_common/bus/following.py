"""Reading along on a stream, in its order and without acknowledging anything: an ordered consumer of our own.

A consumer on the server is cheap and may go at any time: with the server, with the connection, with its leader. Where
we are in the stream is known here, so another one is made that goes on behind the last message that was read. All of
it runs in the loop's thread, except ``read`` and ``close``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import datetime
from functools import partial

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import api
from nats.js.errors import Error as JetStreamError
from nats.nuid import NUID

from ..telemetry import get_logger
from .asking import stream_state
from .link import Link
from .short_cuts import deliver_directly
from .types import Batch, Delivery

log = get_logger(__name__)
PULL = 250  # messages that are asked for at once
UNREAD = 2 * PULL  # more are not taken before some were read
EXPIRES_S, HEARTBEAT_S, SILENCE_S = 30, 5, 15.0
FORGOTTEN_S = 60.0  # the server drops a consumer that nobody asks for so long
LOOK_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
FAULTS = (TimeoutError, nats.errors.Error, JetStreamError, OSError, LookupError, orjson.JSONDecodeError)


class Follower:
    """See ``types.Following``. ``start``: the sequence of the first message that is wanted, or its time."""

    def __init__(self, link: Link, stream: str, subject: str, start: int | datetime) -> None:
        self._link, self._stream, self._subject, self._start = link, stream, subject, start
        self._condition = threading.Condition()
        self._items: list[Delivery] = []
        self._epoch = ""
        self._is_at_end = False
        self._stopped = False
        self._last = 0  # sequence of the newest message that was taken
        self._round = 0  # which consumer it is: what an older one still brings is not wanted
        self._expected, self._asked, self._seen_at, self._is_lost = 1, 0, 0.0, False
        self._kick = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        link.loop.call_soon_threadsafe(self._begin_task)

    # ---- from any thread

    def read(self, timeout_s: float, *, to_end: bool = False) -> Batch:
        """What has come, the oldest first; waits for the first message, and with ``to_end`` only if there is one."""
        end = time.monotonic() + timeout_s
        with self._condition:
            while not self._items and not self._stopped and not (to_end and self._is_at_end):
                if not self._condition.wait(max(0.0, end - time.monotonic())):
                    break
            items, self._items = self._items, []
            batch = Batch(epoch=self._epoch, deliveries=items, is_at_end=self._is_at_end)
        if items and not self._stopped:
            self._link.loop.call_soon_threadsafe(self._kick.set)
        return batch

    def close(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        if self._link.loop.is_running():
            self._link.loop.call_soon_threadsafe(self._kick.set)

    # ---- in the loop's thread

    def _begin_task(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopped:
            client = self._link.client
            if client is None or not client.is_connected:
                await asyncio.sleep(FIRST_PAUSE_S)
                continue
            subscription, name = None, f"follow-{NUID().next().decode()}"
            try:
                subscription = await self._consume(client, name)
                pause = FIRST_PAUSE_S
                await self._pull(client, name)
            except FAULTS as error:
                log.warning("reading along is interrupted", stream=self._stream, error=repr(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            await self._leave(client, subscription, name)

    async def _consume(self, client: Client, name: str) -> Subscription:
        state = await stream_state(client, self._stream)
        if self._epoch and (state.epoch != self._epoch or state.last < self._last):
            self._start, self._last = 1, 0  # another stream, or one that was set back: from its beginning
        self._round += 1
        self._expected, self._asked, self._is_lost = 1, 0, False
        inbox = self._link.new_inbox()
        subscription = await client.subscribe(inbox)
        deliver_directly(subscription, partial(self._take, self._round))
        made = await client.jetstream(timeout=3).add_consumer(self._stream, self._config(name))
        self._inbox = inbox
        with self._condition:
            if state.epoch != self._epoch:
                self._items.clear()  # of the stream that is gone: their sequences mean nothing in this one
            self._epoch = state.epoch
            self._is_at_end = made.num_pending == 0
            self._condition.notify_all()
        return subscription

    def _config(self, name: str) -> api.ConsumerConfig:
        start = self._last + 1 if self._last else self._start
        where = (
            {"deliver_policy": api.DeliverPolicy.BY_START_TIME, "opt_start_time": start}
            if isinstance(start, datetime)
            else {"deliver_policy": api.DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": max(1, start)}
        )
        return api.ConsumerConfig(
            name=name, filter_subject=self._subject, ack_policy=api.AckPolicy.NONE, inactive_threshold=FORGOTTEN_S,
            mem_storage=True, num_replicas=1, **where,  # type: ignore[arg-type]
        )  # fmt: skip

    async def _pull(self, client: Client, name: str) -> None:
        """Until this consumer, or the connection, is lost."""
        ask = {"batch": PULL, "expires": EXPIRES_S * 10**9, "idle_heartbeat": HEARTBEAT_S * 10**9}
        while not self._stopped and not self._is_lost:
            if not client.is_connected:
                return
            if self._asked == 0 and len(self._items) <= UNREAD - PULL:
                self._asked, self._seen_at = PULL, time.monotonic()
                subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{name}"
                await client.publish(subject, orjson.dumps(ask), self._inbox)
            try:
                await asyncio.wait_for(self._kick.wait(), LOOK_S)
            except TimeoutError:
                if self._asked and time.monotonic() - self._seen_at > SILENCE_S:
                    return
            self._kick.clear()

    def _take(self, of_round: int, message: Msg) -> None:
        if of_round != self._round or self._is_lost:
            return
        self._seen_at = time.monotonic()
        headers = message.headers or {}
        if not message.reply and "Status" in headers:
            self._take_status(headers["Status"])
            return
        fields = message.metadata
        if fields.sequence.consumer != self._expected:  # one got lost on the way: read it again
            self._is_lost = True
            self._kick.set()
            return
        self._expected += 1
        self._asked -= 1
        delivery = Delivery(
            subject=message.subject, data=message.data, headers=headers, num_delivered=1,
            stream_sequence=fields.sequence.stream,
        )  # fmt: skip
        with self._condition:
            self._last = delivery.stream_sequence
            self._items.append(delivery)
            self._is_at_end = fields.num_pending == 0
            self._condition.notify_all()
        if self._asked == 0:
            self._kick.set()

    def _take_status(self, status: str) -> None:
        if status == "100":  # a heartbeat: the pull is open and there is nothing for it
            return
        self._asked = 0
        self._is_lost = status not in ("404", "408")  # 409: the consumer is gone; 503: JetStream is
        self._kick.set()

    async def _leave(self, client: Client, subscription: Subscription | None, name: str) -> None:
        """The server would find out by itself, later."""
        self._round += 1
        try:
            if subscription is not None and client.is_connected:
                await subscription.unsubscribe()
                await client.jetstream(timeout=1).delete_consumer(self._stream, name)
        except FAULTS as error:
            log.debug("a consumer is left to be forgotten", stream=self._stream, error=repr(error))
