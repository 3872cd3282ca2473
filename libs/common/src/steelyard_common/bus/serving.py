"""Answering requests: nats.micro's endpoints, each message handed at once to a pool of threads.

nats.micro awaits handlers one at a time per endpoint, so the handler only hands over; the reply is sent by the thread.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.micro import add_service
from nats.micro.request import Request as MicroRequest
from nats.micro.service import Endpoint as MicroEndpoint
from nats.micro.service import Service, ServiceConfig

from ..errors import Unavailable
from ..telemetry import get_logger
from .link import Link
from .pool import Pool
from .short_cuts import deliver_directly, leave, reach
from .types import CHUNK_BYTES, Endpoint
from .wire import answer, error_reply, split

log = get_logger(__name__)
VERSION = "0.1.0"


class Serving:
    """The endpoints of one service in this process."""

    def __init__(self, link: Link, service: str, endpoints: Sequence[Endpoint], workers: int) -> None:
        self._link, self._service, self._endpoints = link, service, endpoints
        self._pool = Pool(f"{service}-serve", workers)
        self._micro: Service | None = None
        link.on_ready(self._register)

    async def _register(self, client: Client) -> None:
        config = ServiceConfig(name=f"steelyard-{self._service}", version=VERSION, queue_group=self._service)
        self._micro = await add_service(client, config)
        for endpoint in self._endpoints:
            name = endpoint.subject.split(".", 1)[1].replace(".", "-").replace("*", "any")
            await self._micro.add_endpoint(
                name=name, subject=endpoint.subject, handler=self._handler(endpoint), queue_group=self._service
            )
        for row, micro_endpoint in zip(self._endpoints, self._micro._endpoints, strict=True):
            if micro_endpoint._subscription is not None:
                deliver_directly(micro_endpoint._subscription, self._taker(row, micro_endpoint))
        await reach(client)

    def _handler(self, endpoint: Endpoint) -> Callable[[MicroRequest], Awaitable[None]]:
        """For what arrives before ``deliver_directly``."""

        async def hand_over(request: MicroRequest) -> None:
            self._hand_over(endpoint, request._msg)

        return hand_over

    def _taker(self, endpoint: Endpoint, micro_endpoint: MicroEndpoint) -> Callable[[Msg], None]:
        def take(message: Msg) -> None:
            micro_endpoint._num_requests += 1
            self._hand_over(endpoint, message)

        return take

    def _hand_over(self, endpoint: Endpoint, message: Msg) -> None:
        row = endpoint.at(message.subject)
        if row is None:
            # A stream's message sent on to us by somebody's consumer: who wrote it was not allowed to ask us.
            log.error("request did not come by its own subject", subject=message.subject, endpoint=endpoint.subject)
            return
        task = partial(self._answer, row, message.data, message.headers or {}, message.reply, time.monotonic())
        if not self._pool.submit(task):
            self._send(message.reply, *error_reply(row.subject, Unavailable("the service is overloaded")))

    def _answer(self, endpoint: Endpoint, data: bytes, headers: dict[str, str], reply_to: str, received: float) -> None:
        self._send(reply_to, *answer(endpoint, data, headers, received))

    def _send(self, reply_to: str, data: bytes, headers: dict[str, str]) -> None:
        if len(data) <= CHUNK_BYTES:
            self._link.send(reply_to, data, "", headers or None)
            return
        for part, part_headers in split(data):
            self._link.send(reply_to, part, "", headers | part_headers)

    def stop(self, timeout_s: float) -> None:
        """Leave the queue group first, so that others get what comes; then answer what is here."""
        client = self._link.client
        if self._micro is not None and client is not None and self._link.is_connected:
            try:
                self._link.call(self._leave(client, self._micro), 5)
            except Unavailable:
                log.warning("service left without saying so", service=self._service)
        if not self._pool.stop(timeout_s):
            log.warning("requests still run at shutdown", service=self._service)

    @staticmethod
    async def _leave(client: Client, micro: Service) -> None:
        # Service.stop() would throw away what was sent to us and not yet read: those callers would wait out their time.
        await leave(client, [each._subscription for each in micro._endpoints if each._subscription is not None])
        micro._endpoints = []
        await micro.stop()
