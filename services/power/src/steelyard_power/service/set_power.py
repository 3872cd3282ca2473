"""The step power.set_power: read, decide (domain.power_change), mark, send. One slice a call.

Nothing is sent without a begun mark of its own transaction; the end is remembered beside the mark, so that a message
that comes twice gets the same answer twice (docs/explanation/power-sync.md).
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass

from steelyard_common.bmc import BmcDriver, PowerAction, PowerState
from steelyard_common.contracts.steps import Again, Done, Failed, Outcome, StepResult
from steelyard_common.db import Database
from steelyard_common.errors import DeviceRefused, OutcomeUnknown, SteelyardError, Unavailable
from steelyard_common.provider import Clock, Slice
from steelyard_common.telemetry import get_logger

from ..domain import power_change
from ..domain.power_change import Change, Decision, Finish, GiveUp, Progress, Send, Watch
from ..drivers import Conversations
from ..store import journal
from ..store.journal import Entry, StepKey
from . import metrics

log = get_logger(__name__)
FAKE = "fake"
MOST_LOOKS = 4  # reads of the journal in one slice; each follows from somebody else's mark


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One slice on its way."""

    piece: Slice
    key: StepKey
    change: Change
    progress: Progress


class PowerChanges:
    """``step_timeout_s``: what one slice may take at the BMC; ``grace_s``: see domain.power_change, rule 3."""

    def __init__(
        self, database: Database, conversations: Conversations, clock: Clock, *, step_timeout_s: float, grace_s: float
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._clock = clock
        self._step_timeout_s = step_timeout_s
        self._grace_s = grace_s

    def run(self, piece: Slice) -> StepResult:
        """Errors: Unavailable, when our own database is away (the message is to be given again)."""
        try:
            change, progress = power_change.begin(
                piece.step.args, piece.step.memo, step_deadline_at=piece.step.deadline_at, grace_s=self._grace_s,
                disable_power_off=bool(piece.node.get("disable_power_off")), now=self._now(),
            )  # fmt: skip
        except SteelyardError as error:
            return Failed(error=error)
        if piece.interface("power") == FAKE:
            return Done(facts={"power_state": change.plan[-1].arrives.value})
        case = _Case(
            piece=piece, key=StepKey(workflow=piece.workflow, index=piece.step.index), change=change, progress=progress
        )
        entry = self._find(case) if piece.redelivered else None
        return _remembered(case, entry) or self._converse(case, entry)

    def _converse(self, case: _Case, entry: Entry | None) -> StepResult:
        with ExitStack() as stack:
            try:
                driver = stack.enter_context(
                    self._conversations.open(case.piece.node, "power", timeout_s=self._step_timeout_s)
                )
                state = driver.get_power()
            except SteelyardError as error:
                return self._unreadable(case, entry, error)
            return self._go_on(case, entry, driver, state)

    def _unreadable(self, case: _Case, entry: Entry | None, error: SteelyardError) -> StepResult:
        decision = power_change.unreadable(case.change, case.progress, _mark(case, entry), error, self._now())
        return self._conclude(case, entry, decision)

    def _go_on(self, case: _Case, entry: Entry | None, driver: BmcDriver, state: PowerState) -> StepResult:
        has_looked = case.piece.redelivered
        for _ in range(MOST_LOOKS):
            mark = _mark(case, entry)
            last_reset = _last_reset(driver) if power_change.needs_last_reset(case.progress, mark) else None
            decision = power_change.decide(case.change, case.progress, mark, state, self._now(), last_reset)
            if isinstance(decision, Send):
                reset_before = _last_reset(driver) if decision.action is PowerAction.RESET else None
                if self._begin(case, decision, mark, reset_before):
                    return self._send(case, driver, decision, can_tell=reset_before is not None)
            elif not isinstance(decision, GiveUp) or has_looked:
                return self._conclude(case, entry, decision)
            # Somebody else has marked this step, or the memo is older than the journal.
            has_looked, entry = True, self._find(case)
            if remembered := _remembered(case, entry):
                return remembered
        return Again(after_s=1.0, memo=case.progress.to_memo())

    def _begin(self, case: _Case, decision: Send, mark: power_change.Mark | None, reset_before: str | None) -> bool:
        again_after = mark.begun_at if mark is not None and mark.phase == decision.progress.phase else None
        with self._database.begin() as transaction:
            return journal.begin(
                transaction.connection, case.key, case.piece.node["uuid"], case.piece.step.attempt,
                phase=decision.progress.phase, action=decision.action.value, again_after=again_after, now=self._now(),
                reset_before=reset_before,
            )  # fmt: skip

    def _send(self, case: _Case, driver: BmcDriver, send: Send, *, can_tell: bool) -> StepResult:
        log.info("power action", node=case.piece.node["uuid"], action=send.action.value, workflow=case.piece.workflow)
        metrics.ACTIONS.labels(send.action.value).inc()
        try:
            driver.set_power(send.action)
        except SteelyardError as error:
            return self._not_taken(case, driver, send, error, can_tell=can_tell)
        now = self._now()
        # The memo says so too: if this is not written, a lost answer costs a grace time and nothing else.
        with suppress(Unavailable, OutcomeUnknown), self._database.begin() as transaction:
            journal.answered(transaction.connection, case.key, phase=send.progress.phase, now=now)
        progress = power_change.answered(send.progress, send.action, now)
        return _again(Watch(after_s=power_change.look_again_s(progress, now), progress=progress))

    def _not_taken(
        self, case: _Case, driver: BmcDriver, send: Send, error: SteelyardError, *, can_tell: bool
    ) -> StepResult:
        now = self._now()
        if isinstance(error, DeviceRefused):
            # Some BMCs refuse what has come true in the meantime (On while they switch on): what is counts.
            seen: Decision | None = None
            with suppress(SteelyardError):
                seen = power_change.decide(case.change, send.progress, None, driver.get_power(), now)
            if isinstance(seen, Finish):
                return self._conclude(case, None, seen, acted=True)
            if isinstance(seen, Send) and seen.progress.phase > send.progress.phase:
                return _again(Watch(after_s=1.0, progress=seen.progress))
        decision = power_change.unanswered(case.change, send.progress, send.action, error, now, can_tell=can_tell)
        return self._conclude(case, None, decision, acted=True)

    def _conclude(self, case: _Case, entry: Entry | None, decision: Decision, *, acted: bool = False) -> StepResult:
        """Turn a decision into the step's result, and remember an end if anything was ever sent."""
        if isinstance(decision, Watch):
            return _again(decision)
        if isinstance(decision, Finish):
            result: StepResult = Done(facts={"power_state": decision.state.value})
        elif isinstance(decision, GiveUp):
            result = Failed(error=decision.error)
        else:
            raise AssertionError("a sending has no result of its own")
        memo = case.progress
        if acted or entry is not None or memo.answered_at is not None or memo.phase > 0:
            self._end(case, result)
        return result

    def _end(self, case: _Case, result: StepResult) -> None:
        step = case.piece.step
        outcome = Outcome(index=step.index, attempt=step.attempt, result=result).to_dict()
        with self._database.begin() as transaction:
            journal.end(transaction.connection, case.key, step.attempt, outcome)

    def _find(self, case: _Case) -> Entry | None:
        with self._database.read() as connection:
            return journal.find(connection, case.key)

    def _now(self) -> float:
        return self._clock().timestamp()


def _last_reset(driver: BmcDriver) -> str | None:
    """It only helps to decide: a BMC that will not say is one that does not."""
    with suppress(SteelyardError):
        return driver.get_last_reset()
    return None


def _again(watch: Watch) -> Again:
    action = watch.progress.action
    progress = f"'{action}' was sent; waiting for it to show" if action else "waiting for the BMC to settle"
    return Again(after_s=watch.after_s, memo=watch.progress.to_memo(), progress=progress)


def _mark(case: _Case, entry: Entry | None) -> power_change.Mark | None:
    """The mark of this run of the step; that of an earlier run, which failed, counts no more."""
    if entry is None or (entry.outcome is not None and entry.attempt < case.piece.step.attempt):
        return None
    return entry.mark


def _remembered(case: _Case, entry: Entry | None) -> StepResult | None:
    """How the step ended before, when this message is a repeat: done stays done, a failure may be tried anew."""
    if entry is None or entry.outcome is None:
        return None
    result = Outcome.from_dict(entry.outcome).result
    if isinstance(result, Done) or case.piece.step.attempt <= entry.attempt:
        return result
    return None
