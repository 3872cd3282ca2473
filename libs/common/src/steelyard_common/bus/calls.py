"""Asking and publishing: one inbox for all answers, one small waiter a call. Threads wait, the loop wakes them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from ..errors import InvalidRequest, OutcomeUnknown, SteelyardError, Unavailable
from ..telemetry import get_logger, inject, is_on
from .link import Link
from .short_cuts import deliver_directly, reach
from .types import CHUNK, ERROR_CODE, MAX_MESSAGE_BYTES, MSG_ID, Message
from .wire import Parts, encode_request, raise_error

log = get_logger(__name__)
NO_RESPONDER = "503"
AWAY, NO_ACK = "the message bus is away", "no acknowledgement"
RETRY_EVERY_S = 1.0  # an unacknowledged publish is sent again, with the same id
MAX_IN_FLIGHT = 500  # JetStream refuses more at once from one publisher than it can store


class _Waiter:
    """One answer, or its loss. ``wait`` is called once, by the thread that asked."""

    __slots__ = ("_lock", "message", "parts")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.message: Msg | None = None
        self.parts: Parts | None = None

    def wait(self, timeout_s: float) -> bool:
        return self._lock.acquire(timeout=timeout_s)

    def take(self, message: Msg) -> bool:
        """True when the answer is complete."""
        headers = message.headers
        if headers is not None and (numbers := headers.get(CHUNK)) is not None:
            self.parts = self.parts or Parts()
            if not self.parts.add(message.data, numbers):
                return False
        self.message = message
        self._lock.release()
        return True

    def lose(self) -> None:
        if self.message is None and self._lock.locked():
            self._lock.release()


class Calls:
    """Requests and acknowledged publishes over one inbox."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._inbox = link.new_inbox()
        self._tokens = itertools.count()
        self._waiting: dict[str, _Waiter] = {}
        link.on_lost(self._lose_all)
        link.on_ready(self._subscribe)

    def request(
        self,
        subject: str,
        body: Mapping[str, Any],
        timeout_s: float,
        headers: Mapping[str, str] | None,
        told: dict[str, str] | None = None,
    ) -> bytes:
        data, out = encode_request(body, timeout_s, headers)
        if not self._link.ready.wait(min(timeout_s, 2.0)):
            raise Unavailable("the message bus is away")
        token, waiter = self._expect()
        try:
            self._link.send(subject, data, token, out)
            answered = waiter.wait(timeout_s)
        finally:
            self._waiting.pop(token, None)
        if waiter.message is None:
            raise _no_answer(subject, timed_out=not answered)
        content = _content(subject, waiter.message, waiter.parts)
        if told is not None and waiter.message.headers is not None:
            told.update(waiter.message.headers)
        return content

    def publish(self, messages: Sequence[Message], timeout_s: float) -> None:
        for message in messages:
            if len(message.body) > MAX_MESSAGE_BYTES:
                raise InvalidRequest(f"message {message.msg_id} is larger than {MAX_MESSAGE_BYTES} bytes")
        deadline = time.monotonic() + timeout_s
        for start in range(0, len(messages), MAX_IN_FLIGHT):
            self._publish_some(messages[start : start + MAX_IN_FLIGHT], deadline)

    def _publish_some(self, messages: Sequence[Message], deadline: float) -> None:
        left = list(messages)
        reason = AWAY
        while left:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or self._link.closing:
                raise Unavailable(f"{len(left)} of {len(messages)} messages are not on the stream: {reason}")
            if not self._link.ready.wait(min(remaining, 0.5)):
                continue
            left, fault = self._try_publish(left, min(remaining, RETRY_EVERY_S))
            if fault != NO_ACK:
                reason = fault
            elif reason == AWAY:
                reason = NO_ACK
            if left and fault != NO_ACK:
                # The server is there but its streams are not yet: a short breath, not a loop at full speed.
                threading.Event().wait(min(0.1, max(0.0, deadline - time.monotonic())))

    def _try_publish(self, messages: list[Message], timeout_s: float) -> tuple[list[Message], str]:
        """Send all, wait for all; those without an acknowledgement, and why."""
        waiting: list[tuple[Message, str, _Waiter]] = []
        for message in messages:
            token, waiter = self._expect()
            waiting.append((message, token, waiter))
            headers = {**message.headers, MSG_ID: message.msg_id}
            if is_on() and "traceparent" not in headers:
                inject(headers)
            self._link.send(message.subject, message.body, token, headers)
        left, reason = [], ""
        deadline = time.monotonic() + timeout_s
        for message, token, waiter in waiting:
            waiter.wait(max(0.0, deadline - time.monotonic()))
            self._waiting.pop(token, None)
            if fault := _ack_fault(waiter.message):
                left.append(message)
                reason = fault
        return left, reason

    def _expect(self) -> tuple[str, _Waiter]:
        waiter = _Waiter()
        token = f"{self._inbox}.{next(self._tokens)}"
        self._waiting[token] = waiter
        return token, waiter

    async def _subscribe(self, client: Client) -> None:
        deliver_directly(await client.subscribe(f"{self._inbox}.*"), self._take)
        await reach(client)

    def _take(self, message: Msg) -> None:
        waiter = self._waiting.get(message.subject)
        if waiter is not None and waiter.take(message):
            self._waiting.pop(message.subject, None)

    def _lose_all(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for waiter in waiting.values():
            waiter.lose()


def _no_answer(subject: str, *, timed_out: bool) -> SteelyardError:
    what = "gave no answer in time" if timed_out else "was lost with the connection"
    if ".cmd." in subject:
        return OutcomeUnknown(detail=f"{subject} {what}")
    return Unavailable(f"the service behind {subject.split('.')[1]} queries {what}", detail=subject)


def _content(subject: str, message: Msg, parts: Parts | None) -> bytes:
    headers = message.headers
    if headers is None:
        return message.data
    if headers.get("Status") == NO_RESPONDER and not message.data:
        raise Unavailable(f"the {subject.split('.')[1]} service is away")
    if ERROR_CODE in headers:
        raise_error(message.data)
    return message.data if parts is None else parts.join()


def _ack_fault(message: Msg | None) -> str:
    if message is None:
        return NO_ACK
    if message.headers is not None and message.headers.get("Status") == NO_RESPONDER:
        return "no stream takes this subject"
    if message.data.startswith(b'{"error"'):
        return str(orjson.loads(message.data)["error"].get("description", "refused"))
    return ""
