"""How the node shows the steps of its workflow: clean_step, deploy_step, service_step and what driver_internal_info
says of them (lifecycle facts §6). Core steps are not shown; secrets in arguments are ******.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from steelyard_common.secrets import MASK, PREFIX

from . import agent_steps
from .replanning import is_replanned
from .runs import Run, Status, StepRun, StepStatus
from .workflows import Kind

WORDS: dict[Kind, str] = {Kind.CLEAN: "clean", Kind.DEPLOY: "deploy", Kind.SERVICE: "service"}


def shown_at_start(run: Run) -> dict[str, Any]:
    """The patch as the workflow begins: the list of its steps, and the first of them."""
    word = WORDS.get(run.kind)
    if word is None or run.status is not Status.RUNNING:
        return {}
    return {"internal": _list(run, word) | _index(run, word), f"{word}_step": _current(run)}


def shown_now(run: Run, before: Run) -> dict[str, Any]:
    """The patch as the workflow goes on or ends: what differs from ``before``."""
    word = WORDS.get(run.kind)
    if word is None:
        return {}
    if run.status is not Status.RUNNING:
        gone = [f"{word}_steps", f"{word}_step_index", *(_learnt_of_agent(word) if _met_agent(run) else ())]
        return {"internal": dict.fromkeys(gone), f"{word}_step": {}}
    if run.current_step == before.current_step and run.abort_asked_at == before.abort_asked_at:
        return {}
    steps = _list(run, word) if is_replanned(run, before) else {}
    return {"internal": steps | _index(run, word), f"{word}_step": _current(run)}


def learnt_of_agent(run: Run, facts: Mapping[str, Any], interfaces: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The patch that keeps what the agent said it can do, as long as the workflow goes on."""
    word = WORDS.get(run.kind)
    if word is None or agent_steps.STEPS_FACT not in facts or run.status is not Status.RUNNING:
        return {}
    known = agent_steps.read(facts[agent_steps.STEPS_FACT], interfaces)
    values = (known.by_interface(), now.isoformat(), known.version)
    return {"internal": dict(zip(_learnt_of_agent(word), values, strict=True))}


def _learnt_of_agent(word: str) -> tuple[str, str, str]:
    cached = f"agent_cached_{word}_steps"
    return cached, f"{cached}_refreshed", "hardware_manager_version"


def _met_agent(run: Run) -> bool:
    return any(step.name == agent_steps.READ and step.attempt for step in run.steps)


def shown(step: StepRun) -> dict[str, Any]:
    """A step as the API shows it."""
    if step.name == agent_steps.EXECUTE and isinstance(step.args.get("step"), Mapping):
        told = step.args["step"]
        args = {"args": masked(told["args"])} if told.get("args") else {}
        return {name: item for name, item in told.items() if name != "args"} | args
    interface, _, name = step.asked.partition(".")
    document: dict[str, Any] = {"interface": interface, "step": name}
    if step.args and not step.info.get("asked"):
        document["args"] = masked(step.args)
    if step.children is not None:
        document |= {"execute_on_child_nodes": True, "limit_child_node_execution": step.children}
    return document | {
        "priority": step.info.get("priority", 0),
        "abortable": step.is_abortable,
        "requires_ramdisk": bool(step.info.get("requires_ramdisk", False)),
    }


def masked(value: Any) -> Any:
    """``value`` with ****** in place of each sealed secret."""
    if isinstance(value, Mapping):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return MASK if isinstance(value, str) and value.startswith(PREFIX) else value


def _current(run: Run) -> dict[str, Any]:
    step = run.current
    if step.is_core:
        return {}
    return shown(step) | ({"abort_after": True} if run.abort_asked_at is not None else {})


def _list(run: Run, word: str) -> dict[str, Any]:
    return {f"{word}_steps": [shown(step) for step in _listed(run, len(run.steps))]}


def _index(run: Run, word: str) -> dict[str, Any]:
    before = sum(1 for _ in _listed(run, run.current_step))
    return {f"{word}_step_index": None if run.current.is_core else before}


def _listed(run: Run, end: int) -> Iterable[StepRun]:
    """The steps before ``end`` that count as the node's; automated cleaning counts anew behind each reading."""
    begin = 0
    if run.params.get("automated"):
        begin = max((step.index for step in run.steps[:end] if step.name == agent_steps.READ), default=0)
    return (step for step in run.steps[begin:end] if not step.is_core and step.status is not StepStatus.SKIPPED)
