"""Where a stream stands, and how far its readers have come: questions to the server, from any thread."""

from __future__ import annotations

from typing import Any

import orjson
from nats.aio.client import Client
from nats.js.errors import Error as JetStreamError

from ..errors import Unavailable
from .link import Link
from .types import StreamState

ANSWER_S = 3.0


async def stream_state(client: Client, stream: str) -> StreamState:
    """Errors: those of nats-py; LookupError when there is no such stream (yet)."""
    told = await _ask(client, f"STREAM.INFO.{stream}")
    return StreamState(epoch=told["created"], first=told["state"]["first_seq"], last=told["state"]["last_seq"])


def ask_stream_state(link: Link, stream: str, timeout_s: float) -> StreamState:
    """Errors: Unavailable."""
    client = _connected(link)
    try:
        return link.call(stream_state(client, stream), timeout_s)
    except (JetStreamError, LookupError, orjson.JSONDecodeError) as error:
        raise Unavailable("the stream is away", detail=repr(error)) from error


def ask_taken_to(link: Link, stream: str, durable: str, timeout_s: float) -> int:
    """See ``types.Streams.taken_to``. Errors: Unavailable."""
    client = _connected(link)
    try:
        told = link.call(_ask(client, f"CONSUMER.INFO.{stream}.{durable}"), timeout_s)
        return int(told["ack_floor"]["stream_seq"])
    except (JetStreamError, LookupError, orjson.JSONDecodeError) as error:
        raise Unavailable("the stream is away", detail=repr(error)) from error


def _connected(link: Link) -> Client:
    if link.client is None or not link.is_connected:
        raise Unavailable("the message bus is away")
    return link.client


async def _ask(client: Client, what: str) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads((await client.request(f"$JS.API.{what}", b"", timeout=ANSWER_S)).data)
    if "error" in answer:
        raise LookupError(answer["error"].get("description", f"no {what}"))
    return answer
