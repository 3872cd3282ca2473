"""The message bus (architecture §3): requests, events, steps. ``connect`` is NATS, ``MemoryBus`` its twin for tests."""

from . import lean  # noqa: F401  first: see there
from .access import Access
from .memory import MemoryBus
from .nats import NatsBus, connect, connect_service
from .types import (
    CALLER,
    DEADLINE,
    Batch,
    Bus,
    Delivery,
    Endpoint,
    Following,
    Message,
    Reply,
    Request,
    Streams,
    StreamState,
)  # fmt: skip

__all__ = [
    "CALLER", "DEADLINE", "Access", "Batch", "Bus", "Delivery", "Endpoint", "Following", "MemoryBus", "Message",
    "NatsBus", "Reply", "Request", "StreamState", "Streams", "connect", "connect_service",
]  # fmt: skip
