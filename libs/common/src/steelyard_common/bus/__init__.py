"""The message bus (architecture §3): requests, events, steps. ``connect`` is NATS, ``MemoryBus`` its twin for tests."""

from . import lean  # noqa: F401  first: see there
from .access import Access
from .memory import MemoryBus
from .nats import NatsBus, connect, connect_service
from .types import CALLER, DEADLINE, Bus, Delivery, Endpoint, Message, Reply, Request

__all__ = [
    "CALLER", "DEADLINE", "Access", "Bus", "Delivery", "Endpoint", "MemoryBus", "Message", "NatsBus", "Reply",
    "Request", "connect", "connect_service",
]  # fmt: skip
