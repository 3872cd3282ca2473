"""Steps in deploy templates and runbooks: their shape, and their secrets across changes (api facts §14, §15)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from steelyard_common.contracts.catalogue import is_external, is_interface
from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import MASK

INTERFACES = ("power", "management", "deploy", "firmware", "bios", "raid", "vendor")
NUMBERS = ("priority", "order")
MAX_NUMBER = 2**31 - 1
# Resource → (keys that a step must have, keys that it may have and what they are without).
TEMPLATE_KEYS: tuple[tuple[str, ...], dict[str, Any]] = (("interface", "step", "args", "priority"), {})
RUNBOOK_KEYS: tuple[tuple[str, ...], dict[str, Any]] = (("interface", "step", "order"), {"args": {}})


def template_steps(value: Any) -> list[dict[str, Any]]:
    return _steps(value, *TEMPLATE_KEYS)


def runbook_steps(value: Any) -> list[dict[str, Any]]:
    return _steps(value, *RUNBOOK_KEYS)


def pair(step: Any) -> Any:
    """What makes a step the same one after a change."""
    return (step.get("interface"), step.get("step")) if isinstance(step, dict) else None


def with_kept_secrets(new: Any, old: list[Any], identity: Callable[[Any], Any]) -> Any:
    """``new`` with each ****** replaced by what stood at its place in the old item of the same identity.

    By identity and not by position: reordered items must never be given one another's secrets.
    """
    if not isinstance(new, list):
        return new
    known = {repr(identity(item)): item for item in old}
    return [_filled(copy.deepcopy(item), known.get(repr(identity(item)))) for item in new]


def _filled(new: Any, old: Any) -> Any:
    if new == MASK and isinstance(old, str):
        return old
    if isinstance(new, dict) and isinstance(old, Mapping):
        return {key: _filled(item, old.get(key)) for key, item in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_filled(item, old[index] if index < len(old) else None) for index, item in enumerate(new)]
    return new


def _steps(value: Any, required: tuple[str, ...], optional: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps in their kept form. Errors: InvalidRequest, naming the place but no value: it may be a secret."""
    if not isinstance(value, list) or not value:
        raise InvalidRequest("Schema error: 'steps' is a required property: a list of at least one step")
    steps = [_step(f"steps[{place}]", step, required, optional) for place, step in enumerate(value)]
    seen: set[Any] = set()
    for step in steps:
        if pair(step) in seen:
            raise InvalidRequest(f"Duplicate deploy steps: {step['interface']}.{step['step']} is there more than once")
        seen.add(pair(step))
    return steps


def _is_interface(value: Any) -> bool:
    """One of Ironic's, or a name that an external step provider may have."""
    return value in INTERFACES or (is_interface(value) and is_external(value))


def _step(where: str, step: Any, required: tuple[str, ...], optional: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(step, dict):
        raise InvalidRequest(f"Schema error: {where} must be an object")
    for key in required:
        if key not in step:
            raise InvalidRequest(f"Schema error: {where}: '{key}' is a required property")
    if unknown := sorted(step.keys() - set(required) - optional.keys()):
        raise InvalidRequest(f"Schema error: {where}: '{unknown[0][:80]}' is not part of a step here; remove it")
    whole = copy.deepcopy(dict(optional)) | step
    if not _is_interface(whole["interface"]):
        raise InvalidRequest(
            f"Schema error: {where}: 'interface' must be one of {', '.join(INTERFACES)}, or that of a step provider"
        )
    if not isinstance(whole["step"], str) or not whole["step"]:
        raise InvalidRequest(f"Schema error: {where}: 'step' must be the name of a step")
    if not isinstance(whole["args"], dict):
        raise InvalidRequest(f"Schema error: {where}: 'args' must be an object")
    return whole | {name: _whole(where, name, whole[name]) for name in NUMBERS if name in whole}


def _whole(where: str, name: str, value: Any) -> int:
    """A whole number from 0, or its digits in a string."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
        raise InvalidRequest(f"Schema error: {where}: '{name}' must be a whole number from 0 to {MAX_NUMBER}")
    return value
