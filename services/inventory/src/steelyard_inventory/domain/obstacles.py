"""Everything that stands in the way of a verb, not only what is met first: each obstacle looked at alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from .projection import NodeView
from .transitions import Event, State, can

FLAGS: dict[str, Any] = {"maintenance": False, "protected": False, "retired": False}
STEP_LISTS = ("clean_steps", "deploy_steps", "service_steps")


def smoothed(view: NodeView, event: Event) -> NodeView:
    """The node as it would be if nothing but its record and its workers could stand in the way."""
    state = view.provision_state
    if not can(state, event):
        state = next((each for each in State if can(each, event)), state)
    return replace(view, provision_state=state, lock=None, **FLAGS)


def alone(view: NodeView, event: Event) -> Iterator[NodeView]:
    """The smoothed node with one obstacle of the real one each."""
    smooth = smoothed(view, event)
    if smooth.provision_state is not view.provision_state:
        yield replace(smooth, provision_state=view.provision_state)
    for name, harmless in FLAGS.items():
        if getattr(view, name) != harmless:
            yield replace(smooth, **{name: getattr(view, name)})


def step_by_step(params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters with one of the steps that were asked for each."""
    for name in STEP_LISTS:
        for step in params.get(name) or ():
            yield {**params, name: [step]}
