"""What a verb of the API asks of a node: is it legal, and which workflow does it start (api facts §7.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steelyard_common.errors import InvalidRequest

from .projection import SYNC, NodeView
from .transitions import Event, State, next_state
from .workflows import Kind, PowerTarget, check_boot_settings, check_power


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A workflow to be. ``events``: what happens to the node's provision state as it starts."""

    kind: Kind
    params: dict[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()


def power(node: NodeView, target: PowerTarget, timeout_s: int | None) -> Intent:
    """Errors: InvalidRequest, Conflict."""
    check_power(node.provision_state, target, timeout_s, disable_power_off=node.disable_power_off)
    return Intent(kind=Kind.POWER, params={"target": target, "timeout_s": timeout_s})


def correction(target: str) -> tuple[Intent, dict[str, Any]]:
    """Power sync sets the hardware back: the workflow and its cause."""
    return Intent(kind=Kind.POWER, params={"target": target, "timeout_s": None}), {"origin": SYNC}


def boot_mode(node: NodeView, target: str) -> Intent:
    """Errors: Conflict while work is going on."""
    check_boot_settings(node.provision_state)
    return Intent(kind=Kind.BOOT_MODE, params={"target": target})


def secure_boot(node: NodeView, target: bool) -> Intent:
    """Errors: Conflict while work is going on."""
    check_boot_settings(node.provision_state)
    return Intent(kind=Kind.SECURE_BOOT, params={"target": target})


def provision(node: NodeView, event: Event, *, cleans: bool) -> Intent:
    """``cleans``: what holds for nodes that do not say if they are to be cleaned. Errors: InvalidRequest."""
    next_state(node.provision_state, event)
    match event:
        case Event.MANAGE if node.provision_state is State.ENROLL:
            return Intent(kind=Kind.VERIFY, params={}, events=(event,))
        case Event.MANAGE:
            return Intent(kind=Kind.MOVE, params={"target": event}, events=(event,))
        case Event.PROVIDE:
            return _provide(node, cleans=cleans)
        case _:
            raise _no_provider(event)


def _provide(node: NodeView, *, cleans: bool) -> Intent:
    if node.retired:
        raise InvalidRequest(f"Node {node.uuid} is retired: it can not be provided.")
    if cleans if node.automated_clean is None else node.automated_clean:
        raise _no_provider(Event.CLEAN)
    return Intent(kind=Kind.MOVE, params={"target": Event.PROVIDE}, events=(Event.PROVIDE, Event.DONE))


def _no_provider(event: Event) -> InvalidRequest:
    return InvalidRequest(
        f'The action "{event}" is legal here, but no step provider offers it in this installation yet.'
    )
