"""What goes wrong in a machine room, on purpose: lines cut or standing still, messages twice and late."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import uuid
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

TWICE = 0.1  # share of messages that come twice
LATE_S = 5.0  # the second one comes at most so late
_AGAIN = "Chaos-Again"
_CHUNK = 65_536


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)

    def close(self) -> None:
        async def cancel() -> None:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        self.run(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Line:
    """A TCP line to ``target`` on 127.0.0.1 that can be cut, or stand still for a while."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = _Loop("line")
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = self._loop.run(self._open())
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """All connections end at once, without a farewell; new ones may be made."""
        self._loop.run(self._abort())

    def hold(self, seconds: float) -> None:
        """Nothing goes through for so long; nothing is lost."""
        self._loop.run(self._stand_still(seconds))

    def close(self) -> None:
        self._server.close()
        self.cut()
        self._loop.close()

    async def _open(self) -> asyncio.Server:
        self._moves = asyncio.Event()
        self._moves.set()
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _stand_still(self, seconds: float) -> None:
        self._moves.clear()
        await asyncio.sleep(seconds)
        self._moves.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the server is down: so are we
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._writers -= both

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._moves.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


class Echo:
    """Says some of the messages of ``subjects`` again, later, under an id of its own, so that no stream drops them."""

    def __init__(self, url: str, subjects: list[str]) -> None:
        self.said = 0
        self._dice = random.Random(4)  # noqa: S311
        self._subjects = subjects
        self._loop = _Loop("echo")
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: Client = self._loop.run(self._listen(url))

    def close(self) -> None:
        with contextlib.suppress(nats.errors.Error, OSError):
            self._loop.run(self._client.close())
        self._loop.close()

    async def _listen(self, url: str) -> Client:
        async def ignore(_error: Exception) -> None:
            """The server is killed now and then: the client connects again by itself."""

        client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=ignore)
        for subject in self._subjects:
            await client.subscribe(subject, cb=self._hear)
        return client

    async def _hear(self, message: Msg) -> None:
        headers = message.headers or {}
        if _AGAIN in headers or self._dice.random() > TWICE:
            return
        task = asyncio.get_running_loop().create_task(self._say_again(message.subject, message.data, dict(headers)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _say_again(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        await asyncio.sleep(self._dice.uniform(0, LATE_S))
        headers |= {"Nats-Msg-Id": str(uuid.uuid4()), _AGAIN: "yes"}
        with contextlib.suppress(nats.errors.Error, OSError):
            await self._client.publish(subject, data, headers=headers)
            self.said += 1
