"""What is left of a workflow is planned anew, because its agent has said something. Pure.

REPLANS is a table: the step that told → what is made of it. The rows of what is over stay as they are; those behind
the step that told were never sent (it goes out alone), so that new ones may take their places.
Rule 1  Automated cleaning: the drivers' and the agent's steps, by priority. Lists: their order; what nobody announced
        is judged now. Deployment: what is left and the agent's, by priority; what users took out stays out.
Rule 2  What a fact makes needless goes (``unless``): an agent that runs already needs no boot, and who prepares is told
        to leave it alone; an instance that the agent started needs no power off and on.
Rule 3  An agent that is another than before is asked again: automated cleaning begins anew, others repeat the step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from steelyard_common.contracts.catalogue import StepSpec
from steelyard_common.errors import Conflict, InvalidRequest

from . import agent_steps, kexec
from .agent_steps import EXECUTE, FIND, MISMATCH_FACT, READ, STEPS_FACT, AgentSteps
from .choosing import Offer, ordered
from .deploy_plans import rest
from .plan_rows import from_row, to_row
from .planning import out_of_ramdisk
from .plans import NodeFacts, PlannedStep, PlanRules
from .ramdisk_plans import by_agent, in_band, in_ramdisk, read_steps
from .runs import Run, StepRun
from .workflows import Kind

MOST_READINGS = 5  # an agent that is another each time would keep the node for ever
WORKS = {Kind.CLEAN: "cleaning", Kind.SERVICE: "service"}


@dataclass(frozen=True, kw_only=True)
class Planner:
    """What new plans are made from, for one node."""

    node: NodeFacts
    catalogue: Sequence[StepSpec]
    rules: PlanRules

    def replan(self, run: Run, facts: Mapping[str, Any]) -> Run | None:
        """``run`` with new steps behind its current one, which told ``facts``; None when nothing becomes of them.

        Errors: InvalidRequest (what is asked for cannot be), Unavailable, Conflict.
        """
        told = REPLANS.get(run.current.label)
        steps = told(self, run, facts) if told is not None else None
        if steps is None:
            return None
        behind = run.current_step + 1
        rows = [to_row(index, step) for index, step in enumerate(steps, start=behind)]
        return replace(run, steps=(*run.steps[:behind], *rows))

    def offer(self, run: Run) -> Offer:
        return Offer(run.kind, self.node, self.catalogue, self.rules)


def repeats(run: Run, facts: Mapping[str, Any]) -> bool:
    """Whether the step that told ``facts`` was not done after all."""
    return run.current.name == EXECUTE and bool(facts.get(MISMATCH_FACT))


def is_listening(run: Run) -> bool:
    """Whether the current step may tell what makes a new plan."""
    return run.current.label in REPLANS


def is_replanned(run: Run, before: Run) -> bool:
    """Whether the two have different steps; a row's ``info`` stays the same one as long as it is the same step."""
    if len(run.steps) != len(before.steps):
        return True
    return any(new.info is not old.info for new, old in zip(run.steps, before.steps, strict=True))


def _left(run: Run) -> list[PlannedStep]:
    return [from_row(step) for step in run.steps[run.current_step + 1 :]]


def _chosen(run: Run) -> list[PlannedStep]:
    """What is left of the steps that somebody chose."""
    return [from_row(step) for step in run.steps[run.current_step + 1 :] if not step.is_core]


# ---- what a fact makes needless


def _spared(_planner: Planner, run: Run, facts: Mapping[str, Any]) -> list[PlannedStep] | None:
    true = {name for name, value in facts.items() if value is True}
    left = _left(run)
    if true.isdisjoint(step.unless for step in left):
        return None
    told = [replace(step, args=step.args | step.instead) if step.unless in true else step for step in left]
    return [step for step in told if step.unless not in true or step.instead]


# ---- the agent's steps


def _read(planner: Planner, run: Run, facts: Mapping[str, Any]) -> list[PlannedStep]:
    offer = planner.offer(run)
    known = agent_steps.read(facts.get(STEPS_FACT), planner.node.interfaces)
    if run.kind is Kind.DEPLOY:
        return rest(offer, _merged(offer, run, known))
    if run.params.get("automated"):
        chosen = _automated(offer, known)
    else:
        chosen = [_judged(offer, known, step) for step in _chosen(run)]
        _refuse_unknown(offer, chosen, known)
    return [*in_ramdisk(offer, chosen), *out_of_ramdisk(offer, WORKS[run.kind])]


def _automated(offer: Offer, known: AgentSteps) -> list[PlannedStep]:
    overrides = offer.rules.clean_priorities
    drivers = offer.by_priority("clean", overrides)
    mine = _agents(offer, known, overrides, offer.labels_of("clean"))
    return ordered([*drivers, *mine])


def _merged(offer: Offer, run: Run, known: AgentSteps) -> list[PlannedStep]:
    still = [step for step in _chosen(run) if step.source != "agent" or step.asked in known.steps]
    left = [_judged(offer, known, step) for step in still]
    _refuse_unknown(offer, left, known)
    over = [step.asked for step in run.steps[: run.current_step] if not step.is_core]
    taken = [*over, *(step.asked or step.label for step in left), *run.current.info.get("without", ())]
    return ordered([*left, *_agents(offer, known, {}, [*taken, *offer.labels_of("deploy")])])


def _agents(
    offer: Offer, known: AgentSteps, overrides: Mapping[str, int], taken: Sequence[str]
) -> list[PlannedStep]:  # fmt: skip
    """The steps that the agent brings by itself."""
    found = agent_steps.chosen(known, overrides, taken)
    return [in_band(offer, step, known, by_agent(step, priority)) for step, priority in found]


def _judged(offer: Offer, known: AgentSteps, asked: PlannedStep) -> PlannedStep:
    """A step that nobody announced, or that the agent announced before, as the agent runs it now."""
    if asked.name == EXECUTE and asked.interface == "deploy":
        step = asked.args["step"]
        asked = replace(
            asked, interface=str(step["interface"]), name=str(step["step"]), args=dict(step.get("args") or {}),
            is_known=False,
        )  # fmt: skip
    found = None if asked.is_known else known.steps.get(asked.label)
    return asked if found is None else in_band(offer, found, known, asked)


def _refuse_unknown(offer: Offer, steps: Sequence[PlannedStep], known: AgentSteps) -> None:
    unknown = [step.label for step in steps if not step.is_known]
    if unknown:
        possible = ", ".join(sorted({*known.steps, *offer.selectable()})) or "none"
        raise InvalidRequest(
            f"Neither a driver of node {offer.node.uuid} nor its agent has the step {', '.join(unknown)}. "
            f"Possible: {possible}."
        )


# ---- an agent that is another than before


def _mismatched(planner: Planner, run: Run, facts: Mapping[str, Any]) -> list[PlannedStep] | None:
    if not repeats(run, facts):
        return None
    if sum(step.name == READ for step in run.steps[: run.current_step]) >= MOST_READINGS:
        raise Conflict(
            f"The agent of node {planner.node.uuid} changed the versions of its hardware managers {MOST_READINGS} "
            "times in one go: boot one ramdisk on it, or pin its version."
        )
    offer = planner.offer(run)
    offer.core("deploy", READ)  # without it the step would be repeated without end
    again = [] if run.params.get("automated") else [from_row(run.current)]
    return [*read_steps(offer, _without(run)), *again, *_left(run)]


def _without(run: Run) -> Sequence[str]:
    """What the last reading was told that users do not want."""
    readings: list[StepRun] = [step for step in run.steps[: run.current_step] if step.name == READ]
    return readings[-1].info.get("without", ()) if readings else ()


REPLANS: dict[str, Callable[[Planner, Run, Mapping[str, Any]], list[PlannedStep] | None]] = {
    f"deploy.{FIND}": _spared,
    f"deploy.{kexec.STEP}": _spared,
    f"deploy.{READ}": _read,
    f"deploy.{EXECUTE}": _mismatched,
}
