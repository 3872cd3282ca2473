"""Whether a message that came again is worth running: its step may have been answered before, just not acknowledged.

A step is given again when its provider died, or stood still, between the two. By then the workflow may be far beyond
it: the ramdisk that it prepared runs, the node belongs to somebody else. "Look first" does not help there, because what
is to be seen is what other steps have made since.
"""

from __future__ import annotations

import orjson

from ..bus.types import Bus
from ..contracts import subjects
from ..contracts.steps import StepMessage

INVENTORY = "inventory"
TIMEOUT_S = 5.0


class Standing:
    """What inventory knows of it."""

    def __init__(self, bus: Bus, site: str) -> None:
        self._bus, self._subject = bus, subjects.query(site, INVENTORY, subjects.STEP_IS_OUT)

    def __call__(self, message: StepMessage) -> bool:
        """Whether its answer is waited for still. Errors: Unavailable."""
        first = message.steps[0]
        asked = {"workflow": message.workflow, "index": first.index, "attempt": first.attempt}
        return bool(orjson.loads(self._bus.request(self._subject, asked, timeout_s=TIMEOUT_S))["out"])
