"""Handlers of JetStream messages: one by one in a pool, or in batches in one thread.

What happens when a handler raises
- ``Unavailable`` (our own database or bus is away): the message is kept in hand and given again here, with
  ``num_delivered`` one higher, for up to ``PATIENCE_S``. An outage must not send anything to the dead letters.
- anything else: it is given again later (nak with back-off), to any replica; after ``max_deliver`` deliveries it is
  copied to the dead-letter subject and taken off the stream.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue

import orjson

from ..contracts.subjects import dead_letter
from ..errors import SteelyardError, Unavailable, from_foreign
from ..telemetry import get_logger, is_on, span
from .calls import Calls
from .link import Link
from .pool import Pool
from .pulling import ACK, TERM, Consumer, Puller, nak
from .types import Delivery, Message

log = get_logger(__name__)
PATIENCE_S = 300.0
BACK_OFF_S = (0.25, 0.5, 1, 2, 5, 10, 20, 30)


def back_off(times: int) -> float:
    """Seconds before the next try, after ``times`` tries (from 1)."""
    return BACK_OFF_S[min(times, len(BACK_OFF_S)) - 1]


class _Judge:
    """Runs a handler for one delivery and settles it."""

    def __init__(self, calls: Calls, puller: Puller, handler: Callable[[Delivery], None]) -> None:
        self._calls, self._puller, self._handler = calls, puller, handler
        self.stopped = threading.Event()

    def run(self, delivery: Delivery) -> None:
        verdict = self._verdict(delivery)
        self._puller.settle(delivery, verdict)

    def _verdict(self, delivery: Delivery) -> bytes:
        consumer = self._puller.consumer
        if self.stopped.is_set():
            return nak(0)
        if delivery.num_delivered > consumer.max_deliver:
            # Its handler never came to raise: the process died with it each time.
            return self._bury(delivery, "delivered too often")
        try:
            self._patiently(delivery)
        except Exception as error:
            known = from_foreign(error)
            log.exception("message failed", durable=consumer.durable, subject=delivery.subject,
                          num_delivered=delivery.num_delivered, detail=known.detail)  # fmt: skip
            if delivery.num_delivered >= consumer.max_deliver and not isinstance(error, Unavailable):
                return self._bury(delivery, known.message)
            return nak(back_off(delivery.num_delivered))
        return ACK

    def _patiently(self, delivery: Delivery) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        tries = 0
        while True:
            try:
                given = replace(delivery, num_delivered=delivery.num_delivered + tries) if tries else delivery
                if is_on():
                    with span(f"handle {delivery.subject}", headers=delivery.headers):
                        return self._handler(given)
                return self._handler(given)
            except Unavailable as error:
                tries += 1
                log.warning("message waits", durable=self._puller.consumer.durable, reason=error.message, tries=tries)
                if time.monotonic() > give_up_at or self.stopped.wait(back_off(tries)):
                    raise

    def _bury(self, delivery: Delivery, reason: str) -> bytes:
        consumer = self._puller.consumer
        if ".evt.dead-letter." in delivery.subject:
            log.error("dead letter could not be handled", durable=consumer.durable, subject=delivery.subject)
            return TERM
        site = delivery.subject.split(".", 1)[0]
        record = {
            "stream": consumer.stream, "durable": consumer.durable, "stream_sequence": delivery.stream_sequence,
            "subject": delivery.subject, "num_delivered": delivery.num_delivered, "reason": reason,
            "data_base64": base64.b64encode(delivery.data).decode(),
        }  # fmt: skip
        letter = Message(
            subject=dead_letter(site, consumer.durable, delivery.stream_sequence),
            body=orjson.dumps(record),
            msg_id=f"dead-{consumer.stream}-{consumer.durable}-{delivery.stream_sequence}",
        )
        try:
            self._calls.publish([letter], 5)
        except SteelyardError as error:
            log.error("dead letter not written", subject=letter.subject, reason=error.message)
            return nak(30)
        log.error("message became a dead letter", subject=delivery.subject, letter=letter.subject, reason=reason)
        return TERM


class PooledConsumer:
    """``consume``: as many handlers at once as there are workers."""

    def __init__(
        self, link: Link, calls: Calls, consumer: Consumer, handler: Callable[[Delivery], None], workers: int
    ) -> None:
        self._pool = Pool(consumer.durable, workers, backlog=4 * workers)
        self._puller = Puller(link, consumer, workers, self._take)
        self._judge = _Judge(calls, self._puller, handler)

    def _take(self, delivery: Delivery) -> None:
        if not self._pool.submit(partial(self._judge.run, delivery)):
            self._puller.settle(delivery, nak(1))

    def stop(self, timeout_s: float) -> None:
        self._puller.stop()
        self._judge.stopped.set()
        if not self._pool.stop(timeout_s):
            log.warning("messages still run at shutdown", durable=self._puller.consumer.durable)


class BatchConsumer:
    """``consume_batches``: one thread that takes what has come within ``linger``."""

    def __init__(
        self, link: Link, calls: Calls, consumer: Consumer, handler: Callable[[list[Delivery]], None],
        max_batch: int, linger_s: float,
    ) -> None:  # fmt: skip
        self._handler, self._max_batch, self._linger_s = handler, max_batch, linger_s
        self._queue: SimpleQueue[Delivery | None] = SimpleQueue()
        self._puller = Puller(link, consumer, 2 * max_batch, self._queue.put)
        self._judge = _Judge(calls, self._puller, lambda delivery: handler([delivery]))
        self._thread = threading.Thread(target=self._run, name=consumer.durable, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._puller.stop()
        self._judge.stopped.set()
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._gather()
            if len(batch) == 1:
                self._judge.run(batch[0])
            elif batch:
                self._run_batch(batch)

    def _gather(self) -> tuple[list[Delivery], bool]:
        first = self._queue.get()
        if first is None:
            return [], False
        batch = [first]
        until = time.monotonic() + self._linger_s
        while len(batch) < self._max_batch:
            try:
                following = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            if following is None:
                return batch, False
            batch.append(following)
        return batch, True

    def _run_batch(self, batch: list[Delivery]) -> None:
        """All at once; if that raises, one by one, so that only the one at fault pays."""
        limit = self._puller.consumer.max_deliver
        if not self._judge.stopped.is_set() and all(delivery.num_delivered <= limit for delivery in batch):
            try:
                self._handler(batch)
            except Exception as error:  # noqa: BLE001  the runner: the single runs tell what is wrong
                reason = from_foreign(error)
                log.warning("batch failed", durable=self._puller.consumer.durable, size=len(batch),
                            reason=reason.message, detail=reason.detail)  # fmt: skip
            else:
                for delivery in batch:
                    self._puller.settle(delivery, ACK)
                return
        for delivery in batch:
            self._judge.run(delivery)
