"""The message bus (architecture §3): requests, events, steps. ``connect`` is NATS, ``MemoryBus`` its twin for tests."""

from .memory import MemoryBus
from .nats import NatsBus, connect
from .types import CALLER, DEADLINE, Bus, Delivery, Endpoint, Message, Reply, Request

__all__ = [
    "CALLER", "DEADLINE", "Bus", "Delivery", "Endpoint", "MemoryBus", "Message", "NatsBus", "Reply", "Request",
    "connect",
]  # fmt: skip
