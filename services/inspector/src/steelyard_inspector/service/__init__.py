"""What the steps do, by implementation."""

from __future__ import annotations

from steelyard_common.contracts.steps import Done, StepResult
from steelyard_common.provider import Slice

from ..domain import fake_inventory, fake_properties


def inspect_fake(piece: Slice) -> StepResult:
    """→ facts: properties (whole), inventory"""
    properties = fake_properties(piece.node.get("properties") or {})
    return Done(facts={"properties": properties, "inventory": fake_inventory(properties)})
