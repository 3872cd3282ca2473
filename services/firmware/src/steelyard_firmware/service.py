"""What the steps do, by implementation. The fake ones end as real ones do: with the facts that they learnt."""

from __future__ import annotations

from steelyard_common.contracts.steps import Done, StepResult
from steelyard_common.provider import Clock, Slice, StepFunction

from .domain import raid_config, wanted_disks


def create_fake_raid(clock: Clock) -> StepFunction:
    """Errors (of what it gives): InvalidRequest when the node wants no logical disks."""

    def create(piece: Slice) -> StepResult:
        disks = wanted_disks(piece.node.get("target_raid_config"), piece.step.args)
        return Done(facts={"raid_config": raid_config(disks, clock())})

    return create


def apply_fake_raid(clock: Clock) -> StepFunction:
    def apply(piece: Slice) -> StepResult:
        disks = list(piece.step.args["raid_config"]["logical_disks"])
        return Done(facts={"raid_config": raid_config(disks, clock())})

    return apply


def delete_fake_raid(_piece: Slice) -> StepResult:
    return Done(facts={"raid_config": {}})
