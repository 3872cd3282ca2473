"""A desk at which tests and benchmarks sit: all of inventory behind the bus's twin, asked as the gateway asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from steelyard_common.bus import CALLER, MemoryBus, Message
from steelyard_common.contracts import subjects
from steelyard_common.contracts.hardware import HARDWARE_TYPES
from steelyard_common.db import Database

from .main import NAME, Inventory
from .service.starting import Clock
from .settings import Settings

SITE = "here"
BASE_URL = "http://api.example:6385"
INSTANCE = "inventory-1.here"
PROVIDED = ("power", "management")


class Desk:
    """``ask`` a query, ``tell`` a command; what was published is in ``bus.published``."""

    def __init__(self, database: Database, bus: MemoryBus, clock: Clock, **settings: Any) -> None:
        self.database, self.bus = database, bus
        self.caller: dict[str, Any] = {"user": "ada", "request_id": "req-1"}
        self.inventory = Inventory(
            Settings(site=SITE, instance=INSTANCE, database_url="postgresql://", **settings), database, clock
        )
        database.hand_over = self._publish
        self.inventory.begin(bus, workers=1)

    def ask(self, verb: str, *, minor: int = 115, **body: Any) -> Any:
        return orjson.loads(self.raw(subjects.query(SITE, NAME, verb), minor=minor, **body))

    def tell(self, verb: str, *, minor: int = 115, **body: Any) -> Any:
        return orjson.loads(self.raw(subjects.command(SITE, NAME, verb), minor=minor, **body))

    def raw(self, subject: str, *, minor: int = 115, **body: Any) -> bytes:
        """The finished bytes of an answer."""
        whole = {"api": {"minor": minor, "base_url": BASE_URL}, **body}
        return self.bus.request(subject, whole, timeout_s=10, headers={CALLER: orjson.dumps(self.caller).decode()})

    def announce(
        self, instance: str = "power-1.here", drivers: Sequence[str] = tuple(HARDWARE_TYPES), **more: Any
    ) -> None:
        """A worker of the power service, for these hardware types."""
        provides = {
            interface: sorted({HARDWARE_TYPES[driver][interface][0] for driver in drivers}) for interface in PROVIDED
        }
        word = {
            "instance": instance, "service": "power", "conductor_group": "", "provides": provides,
            "hardware_types": list(drivers), "steps": [], "version": "1", "online": True,
        }  # fmt: skip
        self.tell("announce", **{**word, **more})

    def list_nodes(self, *, minor: int = 115, **asked: Any) -> Any:
        return self.ask("nodes", minor=minor, **{"resource_url": "nodes", **asked})

    def list_ports(self, *, minor: int = 115, **asked: Any) -> Any:
        return self.ask("ports", minor=minor, **{"resource_url": "ports", **asked})

    def create(self, *, minor: int = 115, **node: Any) -> Any:
        return self.tell("create-node", minor=minor, node={"driver": "fake-hardware", **node})

    def patch(self, ident: str, *operations: tuple[Any, ...], minor: int = 115, reset_interfaces: bool = False) -> Any:
        """Operations as (op, path[, value])."""
        return self.tell(
            "update-node", minor=minor, ident=ident, patch=operations_of(operations), reset_interfaces=reset_interfaces
        )

    def events(self, ident: str = "") -> list[tuple[str, dict[str, Any]]]:
        """(fact, data) of what was told about a node, oldest first."""
        return [
            (message.subject.split(".")[3], orjson.loads(message.body)["data"])
            for message in self.bus.published
            if message.subject.startswith(f"{SITE}.{NAME}.evt.") and message.subject.endswith(ident)
        ]

    def _publish(self, messages: Sequence[Message], ids: Sequence[int]) -> None:
        self.bus.publish(messages)
        self.database.note_published(ids)


def operations_of(operations: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(("op", "path", "value"), operation, strict=False)) for operation in operations]
