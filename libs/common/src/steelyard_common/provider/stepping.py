"""The step provider: one delivered message → its steps in order, while they are done → one result message."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import orjson

from ..bus.types import Bus, Delivery, Message
from ..contracts import subjects
from ..contracts.steps import Done, Failed, Outcome, ResultMessage, Step, StepMessage, StepResult
from ..errors import CommitUnknown, InternalError, SteelyardError, Unavailable, Unsupported, from_foreign
from ..telemetry import get_logger, inject
from . import metrics
from .slices import Functions, Slice

log = get_logger(__name__)
BUG_TRIES = 8  # deliveries: a replica that is being updated has half a minute to be whole again
ASK_TRIES = 10  # deliveries, a minute in all: then it runs, though nobody could say that it should
IsOut = Callable[[StepMessage], bool]


class StepProvider:
    """``service``: in words, for who asks for a step that is not there. ``is_out``: whether the answer to a message
    that came again is waited for still; may raise Unavailable."""

    def __init__(
        self, bus: Bus, functions: Functions, *, site: str, service: str, instance: str,
        is_out: IsOut = lambda _message: True,
    ) -> None:  # fmt: skip
        self._bus, self._functions, self._is_out = bus, functions, is_out
        self._site, self._service, self._instance = site, service, instance

    def handle(self, delivery: Delivery) -> None:
        """A bug ends the step when it shows ``BUG_TRIES`` times: else nobody would hear of it before the deadline.

        Errors: Unavailable when a database, the bus or a service is away, and whatever a bug raises before that: the
        message is to be given again.
        """
        message = StepMessage.from_dict(delivery.body)
        if delivery.num_delivered > 1 and not self._is_wanted(message, delivery.num_delivered):
            log.info("a step that came again was answered before", workflow=message.workflow, node=message.node["uuid"])
            return
        outcomes: list[Outcome] = []
        for step in message.steps:
            piece = Slice(
                workflow=message.workflow, node=message.node, step=step, redelivered=delivery.num_delivered > 1
            )
            try:
                result = self._run(piece)
            except Unavailable:
                raise
            except Exception as error:
                if delivery.num_delivered < BUG_TRIES:
                    raise
                result = self._is_bug(step, error)
            outcomes.append(Outcome(index=step.index, attempt=step.attempt, result=result))
            if not isinstance(result, Done):
                break
        self._answer(message, outcomes)

    def _is_wanted(self, message: StepMessage, times: int) -> bool:
        """Errors: Unavailable."""
        try:
            return self._is_out(message)
        except Unavailable:
            if times < ASK_TRIES:
                raise
            return True

    def _run(self, piece: Slice) -> StepResult:
        step = piece.step
        label = f"{step.interface}.{step.name}"
        function = self._functions.get((step.interface, step.name))
        if function is None:
            return Failed(error=Unsupported(f"the {self._service} service has no step {label}"))
        started = time.perf_counter()
        try:
            result = function(piece)
        except Unavailable:
            raise
        except CommitUnknown as error:  # given again, the step looks first
            raise Unavailable(error.message) from error
        except SteelyardError as error:
            result = Failed(error=error)
        metrics.STEP_SECONDS.labels(label).observe(time.perf_counter() - started)
        metrics.STEPS.labels(label, type(result).__name__.lower()).inc()
        return result

    def _is_bug(self, step: Step, error: Exception) -> Failed:
        label, detail = f"{step.interface}.{step.name}", from_foreign(error).detail
        log.exception("a step has a bug", step=label, detail=detail)
        said = f"the {self._service} service met a fault of its own in {label}; its log says more"
        return Failed(error=InternalError(said, detail=detail))

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


def consume(bus: Bus, provider: StepProvider, *, site: str, interfaces: Iterable[str], workers: int) -> None:
    """Begin to take steps. Each interface has a consumer, so that a slow one does not hold up the others."""
    for interface in interfaces:
        bus.consume(
            subjects.STEPS_STREAM,
            subjects.step_durable(interface),
            [subjects.step(site, interface, "*")],
            provider.handle,
            workers=workers,
        )


def _answer_id(workflow: str, first: Step) -> str:
    """Attempts count dispatches, so a message that comes twice answers with the same id, and the stream drops it."""
    return f"{workflow}.{first.index}.{first.attempt}"
