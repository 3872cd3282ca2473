"""The steps that console provides, as announced to inventory. Pure."""

from __future__ import annotations

from steelyard_common.contracts.catalogue import Offer, StepSpec

STEPS: tuple[StepSpec, ...] = (
    StepSpec(
        interface="console",
        name="start",
        description="Start the node's console.",
        implementations=("fake",),
        kinds={"deploy": 0},
        core=True,
    ),
    StepSpec(
        interface="console",
        name="stop",
        description="Stop the node's console.",
        implementations=("fake",),
        kinds={"undeploy": 0},
        core=True,
    ),
)

OFFER = Offer(service="console", provides={"console": ("fake", "no-console")}, steps=STEPS)
