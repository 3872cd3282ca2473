"""The ways out of the gateway: other services, asked over the bus. They know the bus and nothing of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Upstream(Protocol):
    """One service behind the gateway. Replies are the finished bytes of its answer.

    Raises only ``steelyard_common.errors``: what the other side raised; Unavailable when nobody answers;
    OutcomeUnknown when a command's answer did not come before its deadline.
    """

    def query(self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes: ...

    def command(self, verb: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes: ...
