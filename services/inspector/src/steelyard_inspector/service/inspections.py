"""Inspection by the agent ramdisk: it tells what it found, once; the step that waits for it makes facts of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from steelyard_common.bus import Bus
from steelyard_common.contracts import subjects
from steelyard_common.contracts.steps import Done, StepResult, Wait
from steelyard_common.errors import InvalidRequest, NotFound, OutcomeUnknown, Unavailable
from steelyard_common.provider import Slice, StepFunction

from ..domain.findings import learn

INVENTORY = "inventory"
SIGNAL = "inspection"
TIMEOUT_S = 5.0
MOST_BYTES = 900_000  # travels in one message, with a step around it


class Inspections:
    """What ramdisks tell."""

    def __init__(self, bus: Bus, site: str) -> None:
        self._bus, self._site = bus, site

    def take(
        self, addresses: Sequence[str], bmc_addresses: Sequence[str], node_uuid: str | None, findings: Mapping[str, Any]
    ) -> dict[str, str]:  # fmt: skip
        """→ {uuid} of the node that waits for them. Errors: NotFound, InvalidRequest, Unavailable."""
        if len(orjson.dumps(findings)) > MOST_BYTES:
            raise InvalidRequest(
                f"the findings are larger than {MOST_BYTES} bytes without their logs: turn collectors off "
                "(ipa-inspection-collectors)"
            )
        asked = {"addresses": list(addresses), "bmc_addresses": list(bmc_addresses), "node_uuid": node_uuid}
        uuid = str(self._ask(subjects.query(self._site, INVENTORY, "inspection-node"), asked)["uuid"])
        told = {"ident": uuid, "signal": SIGNAL, "data": {"findings": findings}}
        if not self._ask(subjects.command(self._site, INVENTORY, "signal"), told).get("woken"):
            raise NotFound("No node was found for this ramdisk, or it expects none")
        return {"uuid": uuid}

    def _ask(self, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = orjson.loads(self._bus.request(subject, body, timeout_s=TIMEOUT_S))
        except OutcomeUnknown as error:
            raise Unavailable("inventory did not answer in time") from error
        return answer


def inspect_by_agent(add_ports: str) -> StepFunction:
    """Waits for the ramdisk; then → facts: inventory, plugin_data, properties, ports."""

    def run(piece: Slice) -> StepResult:
        told = piece.step.memo.get("signal")
        if not isinstance(told, Mapping) or "findings" not in told:
            return Wait(signal=SIGNAL, progress="the ramdisk looks at the machine")
        return Done(facts=learn(told["findings"], add_ports).facts())

    return run
