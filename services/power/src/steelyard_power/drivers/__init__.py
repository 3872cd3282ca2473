"""The ways out: conversations with the BMCs of nodes.

``bmc`` goes through the common pool (redfish, ipmitool, fake); ``noop`` is Ironic's noop management interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from steelyard_common.bmc import BmcDriver

Node = Mapping[str, Any]  # NodeForProvider: see contracts.steps.StepMessage.node


class Conversations(Protocol):
    """Opens a conversation with the BMC of a node. Raises only ``steelyard_common.errors``."""

    def open(
        self, node: Node, interface: str, *, timeout_s: float, patient: bool = True
    ) -> AbstractContextManager[BmcDriver]:
        """``interface``: power or management, whose implementation on the node says which driver.

        All calls together take ``timeout_s`` at most. Not patient: raises Busy or DeviceUnreachable at once instead of
        waiting for the BMC's other callers, or for the end of its back-off.
        """
        ...

    def report(self) -> list[dict[str, Any]]:
        """Each BMC with its calls, failures and back-off."""
        ...
