"""How the node shows the steps of its workflow: clean_step, deploy_step, service_step and what driver_internal_info
says of them (lifecycle facts §6). Core steps are not shown; secrets in arguments are ******.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard_common.secrets import MASK, PREFIX

from .runs import Run, Status, StepRun
from .workflows import Kind

WORDS: dict[Kind, str] = {Kind.CLEAN: "clean", Kind.DEPLOY: "deploy", Kind.SERVICE: "service"}


def shown_at_start(run: Run) -> dict[str, Any]:
    """The patch as the workflow begins: the list of its steps, and the first of them."""
    word = WORDS.get(run.kind)
    if word is None or run.status is not Status.RUNNING:
        return {}
    steps = [shown(step) for step in run.steps if not step.is_core]
    return {"internal": {f"{word}_steps": steps} | _index(run, word), f"{word}_step": _current(run)}


def shown_now(run: Run, before: Run) -> dict[str, Any]:
    """The patch as the workflow goes on or ends: what differs from ``before``."""
    word = WORDS.get(run.kind)
    if word is None:
        return {}
    if run.status is not Status.RUNNING:
        return {"internal": {f"{word}_steps": None, f"{word}_step_index": None}, f"{word}_step": {}}
    if run.current_step == before.current_step and run.abort_asked_at == before.abort_asked_at:
        return {}
    return {"internal": _index(run, word), f"{word}_step": _current(run)}


def shown(step: StepRun) -> dict[str, Any]:
    """A step as the API shows it."""
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


def _index(run: Run, word: str) -> dict[str, Any]:
    before = sum(not step.is_core for step in run.steps[: run.current_step])
    return {f"{word}_step_index": None if run.current.is_core else before}
