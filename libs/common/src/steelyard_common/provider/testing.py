"""What tests of providers share: nodes as they see them, and an engine that runs one step to its end."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..bus import Delivery, MemoryBus
from ..contracts import subjects
from ..contracts.steps import Again, Outcome, ResultMessage, Step, StepMessage, StepResult, Wait
from ..testing import SetClock
from .stepping import StepProvider


def node(**changes: Any) -> dict[str, Any]:
    """A NodeForProvider."""
    body: dict[str, Any] = {
        "uuid": str(uuid.uuid4()), "name": "n1", "driver": "fake-hardware", "driver_info": {}, "sealed": {},
        "interfaces": {}, "properties": {}, "instance_info": {}, "power_state": None, "boot_mode": None,
        "secure_boot": None, "disable_power_off": False,
    }  # fmt: skip
    return body | changes


@dataclass(kw_only=True)
class StepEngine:
    """Does what inventory's engine does with one step: dispatches it, waits, dispatches again with the memo."""

    provider: StepProvider
    bus: MemoryBus
    clock: SetClock
    workflow: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempt: int = 0
    sequence: int = 0
    memo: dict[str, Any] = field(default_factory=dict)

    def begin_anew(self) -> None:
        """Another workflow."""
        self.workflow, self.attempt, self.memo = str(uuid.uuid4()), 0, {}

    def dispatch(self, on: dict[str, Any], interface: str, name: str, **args: Any) -> StepMessage:
        self.attempt += 1
        step = Step(index=0, interface=interface, name=name, args=args, attempt=self.attempt, memo=self.memo)
        return StepMessage(workflow=self.workflow, fence=1, node=on, steps=[step])

    def deliver(self, message: StepMessage, times: int = 1) -> StepResult:
        """Hand the message over, for the ``times``-th time. → what was answered (the stream drops repeats)"""
        self.sequence += 1
        body = orjson.dumps(message.to_dict())
        subject = subjects.step("local", message.steps[0].interface, message.node["uuid"])
        self.provider.handle(
            Delivery(subject=subject, data=body, headers={}, num_delivered=times, stream_sequence=self.sequence)
        )
        return self.answers()[-1].result

    def answers(self) -> list[Outcome]:
        """Of the last answer."""
        return ResultMessage.from_dict(orjson.loads(self.bus.published[-1].body)).outcomes

    def run(self, on: dict[str, Any], interface: str, name: str, **args: Any) -> StepResult:
        """The step from where it is to its end, or to where it waits for somebody."""
        for _ in range(1000):
            result = self.deliver(self.dispatch(on, interface, name, **args))
            if not isinstance(result, Again):
                if isinstance(result, Wait):
                    self.memo = result.memo
                return result
            self.rest(result)
        raise AssertionError("the step never ends")

    def rest(self, result: Again) -> None:
        self.memo = result.memo
        self.clock.advance(result.after_s)
