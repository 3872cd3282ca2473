"""The step provider: one delivered message → its steps in order, while they are done → one result message."""

from __future__ import annotations

import time

import orjson
from steelyard_common.bus import Bus, Delivery, Message
from steelyard_common.contracts import subjects
from steelyard_common.contracts.steps import Done, Failed, Outcome, ResultMessage, Step, StepMessage, StepResult
from steelyard_common.errors import Unsupported
from steelyard_common.telemetry import inject

from . import metrics
from .slices import Slice, StepFunction


class StepProvider:
    """``functions``: (interface, name) → what runs a slice of that step."""

    def __init__(self, site: str, instance: str, bus: Bus, functions: dict[tuple[str, str], StepFunction]) -> None:
        self._site, self._instance, self._bus = site, instance, bus
        self._functions = functions

    def handle(self, delivery: Delivery) -> None:
        """Errors: Unavailable when the database or the bus is away: the message is to be given again."""
        message = StepMessage.from_dict(delivery.body)
        outcomes: list[Outcome] = []
        for step in message.steps:
            piece = Slice(
                workflow=message.workflow, node=message.node, step=step, redelivered=delivery.num_delivered > 1
            )
            result = self._run(piece)
            outcomes.append(Outcome(index=step.index, attempt=step.attempt, result=result))
            if not isinstance(result, Done):
                break
        self._answer(message, outcomes)

    def _run(self, piece: Slice) -> StepResult:
        step = piece.step
        label = f"{step.interface}.{step.name}"
        function = self._functions.get((step.interface, step.name))
        if function is None:
            return Failed(error=Unsupported(f"the power service has no step {label}"))
        started = time.perf_counter()
        result = function(piece)
        metrics.STEP_SECONDS.labels(label).observe(time.perf_counter() - started)
        metrics.STEPS.labels(label, type(result).__name__.lower()).inc()
        return result

    def _answer(self, message: StepMessage, outcomes: list[Outcome]) -> None:
        answer = ResultMessage(
            workflow=message.workflow,
            node=message.node["uuid"],
            fence=message.fence,
            provider=self._instance,
            outcomes=outcomes,
        )
        headers: dict[str, str] = {}
        inject(headers)
        self._bus.publish(
            [
                Message(
                    subject=subjects.result(self._site, message.workflow),
                    body=orjson.dumps(answer.to_dict()),
                    msg_id=_answer_id(message.workflow, message.steps[0]),
                    headers=headers,
                )
            ]
        )


def _answer_id(workflow: str, first: Step) -> str:
    """Attempts count dispatches, so a message that comes twice answers with the same id, and the stream drops it."""
    return f"{workflow}.{first.index}.{first.attempt}"
