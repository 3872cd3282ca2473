"""How nodes are after a verb, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steelyard_inventory.testing_provider import FakeProvider

if TYPE_CHECKING:
    from .conftest import Stage


def state(stage: Stage, node: str) -> tuple[Any, Any]:
    row = stage.node(node)
    return row["provision_state"], row["target_provision_state"]


def labels(provider: FakeProvider) -> list[str]:
    return [f"{step.interface}.{step.name}" for message in provider.seen for step in message.steps]


def states_seen(stage: Stage, node: str) -> list[str]:
    return [data["to"] for fact, data in stage.events(node) if fact == "provision-state-changed"]


def is_free(stage: Stage, node: str) -> bool:
    return stage.node(node)["reservation"] is None and not stage.rows("SELECT 1 FROM locks")
