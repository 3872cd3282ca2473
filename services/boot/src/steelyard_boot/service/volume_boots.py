"""Boot from volume as a step: a node whose storage interface is ``external`` and which has a volume to boot from."""

from __future__ import annotations

from steelyard_common.contracts.steps import Done, StepResult
from steelyard_common.provider import Slice, StepFunction

from ..domain import volumes
from ..domain.boot_model import Purpose
from ..domain.node_for_boot import FAKE, BootOf, NodeForBoot
from .inventory import Inventory
from .ramdisks import Boots

EXTERNAL = "external"


class VolumeBoots:
    """Nothing is written on the node: its machine attaches what the volume targets name, each time it starts."""

    def __init__(self, inventory: Inventory, boots: Boots) -> None:
        self._inventory, self._boots = inventory, boots

    def instead_of(self, otherwise: StepFunction, *, writes: bool = False) -> StepFunction:
        """The volume where there is one, else ``otherwise``. ``writes``: otherwise an image is written, and one that
        is named goes first (as the planner has it). Errors: InvalidRequest, Unsupported."""

        def run(piece: Slice) -> StepResult:
            found = None
            named = writes and (piece.node.get("instance_info") or {}).get("image_source")
            if piece.interface("storage") == EXTERNAL and not named:
                told = self._inventory.volumes(piece.node["uuid"])
                found = volumes.of(told["connectors"], told["targets"])
            if found is None:
                return otherwise(piece)
            node = NodeForBoot.from_view(piece.node)
            if node.interface != FAKE:
                self._boots.prepare(node, BootOf(purpose=Purpose.VOLUME, volumes=found))
            return Done()

        return run
