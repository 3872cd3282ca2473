"""Sends what is due for webhooks. Every gateway runs one: each delivery is lent to one of them for a while.

The signature is that of Standard Webhooks: HMAC-SHA256 over `<id>.<timestamp>.<body>`, so that the receiver knows who
sent it, that nothing was changed, and that it is not an old one once more.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import orjson
from steelyard_common.errors import SteelyardError
from steelyard_common.secrets import Sealer
from steelyard_common.telemetry import get_logger

from ..drivers import Upstream

log = get_logger(__name__)
PREFIX = "whsec_"
THREADS = 32
BUSY_S, LOOK_S, IDLE_S, FAILED_S = 0.1, 1.0, 5.0, 5.0
SPARE_S = 10.0  # of a loan: for a slow name server, and for the way there and back
CONTENT_TYPE = "application/cloudevents+json"


class Poster(Protocol):
    """How a webhook is called. Raises only ``steelyard_common.errors``."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int: ...


class Sender:
    """``start`` begins the loop; ``send_due`` is one turn of it. ``now``: seconds since 1970."""

    def __init__(
        self, inventory: Upstream, sealer: Sealer, poster: Poster, *, timeout_s: float = 10.0,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """``timeout_s``: how long the poster may take."""
        self._inventory = inventory
        self._sealer = sealer
        self._poster = poster
        self._now = now
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._free = THREADS
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, "webhook")
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def send_due(self) -> float:
        """Begin to send what is due. → seconds until there may be more"""
        if self._free == 0:
            return BUSY_S
        asked_at = time.monotonic()
        asked = {"most": self._free, "hold_s": 2 * self._timeout_s + SPARE_S}
        told = orjson.loads(self._inventory.command("take-deliveries", asked, {}))
        for delivery in told["deliveries"]:
            self._take_thread(-1)
            self._pool.submit(self._send, delivery, asked_at + self._timeout_s + SPARE_S)
        if told["deliveries"]:
            return BUSY_S
        return IDLE_S if told["idle"] else LOOK_S

    def start(self) -> Sender:
        self._thread.start()
        return self

    def stop(self) -> None:
        """What is on its way is finished; what waits for a thread is left to another gateway."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)
        self._pool.shutdown(cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = self.send_due()
            except SteelyardError as error:
                log.warning("webhooks wait", reason=error.message, detail=error.detail)
                pause = FAILED_S
            except Exception as error:  # without this loop nobody would be told anything
                log.exception("webhooks failed", error=type(error).__name__)
                pause = FAILED_S
            self._stopping.wait(pause)

    def _take_thread(self, change: int) -> None:
        with self._lock:
            self._free += change

    def _send(self, delivery: Mapping[str, Any], begin_by: float) -> None:
        """``begin_by``: on time.monotonic(); from then on another may send it, and what follows it."""
        try:
            if time.monotonic() < begin_by:
                self._send_one(delivery)
        finally:
            self._take_thread(1)

    def _send_one(self, delivery: Mapping[str, Any]) -> None:
        try:
            answer, error = self._try(delivery)
            told = {"uuid": delivery["uuid"], "answer": answer, "error": error}
            self._inventory.command("settle-deliveries", {"answers": [told]}, {})
        except SteelyardError as failure:  # its loan runs out, and it is sent again: the receiver knows it by its id
            log.warning("webhook not settled", delivery=delivery["uuid"], reason=failure.message)
        except Exception as failure:  # a pool swallows what is raised in it
            log.exception("webhook failed", delivery=delivery["uuid"], error=type(failure).__name__)

    def _try(self, delivery: Mapping[str, Any]) -> tuple[int | None, str | None]:
        """→ HTTP status, if there was one; why it was no success"""
        body = str(delivery["body"]).encode()
        try:
            secret = self._sealer.open(delivery["secret"])
            head = signature(secret, delivery["event_id"], int(self._now()), body)
            status = self._poster.post(delivery["url"], body, {"Content-Type": CONTENT_TYPE, **head})
        except SteelyardError as error:
            return None, error.message
        if 200 <= status < 300:
            return status, None
        return status, f"HTTP {status}{': redirects are not followed' if 300 <= status < 400 else ''}"


def signature(secret: str, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    signed = b"%s.%d.%s" % (event_id.encode(), timestamp, body)
    digest = hmac.new(base64.b64decode(secret.removeprefix(PREFIX)), signed, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
