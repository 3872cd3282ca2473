"""The verbs of states/power and states/provision: versions, and which parameters go with which (facts §7.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from steelyard_common.errors import InvalidRequest

from . import configdrive, values
from .steps import check_steps
from .versions import too_new

POWER_TARGETS = {"power on": 1, "power off": 1, "rebooting": 1, "soft power off": 27, "soft rebooting": 27}
POWER_TIMEOUT_SINCE = 27
# Verb → the minor version it came with. deploy and undeploy are other words for active and deleted.
PROVISION_VERBS = {
    "active": 1, "rebuild": 1, "deleted": 1,
    "manage": 4, "provide": 4, "inspect": 6, "abort": 13, "clean": 15, "adopt": 17, "rescue": 38, "unrescue": 38,
    "deploy": 73, "undeploy": 73, "unhold": 85, "service": 87,
}  # fmt: skip
# Parameter → verb → the minor version from which the two go together; in the order of the checks (facts §7.1).
PARAMETERS: dict[str, dict[str, int]] = {
    "configdrive": {"active": 1, "rebuild": 35},
    "runbook": {"clean": 92, "service": 92},
    "disable_ramdisk": {"clean": 70, "service": 108},
    "clean_steps": {"clean": 15},
    "deploy_steps": {"active": 69, "rebuild": 69},
    "service_steps": {"service": 87},
    "rescue_password": {"rescue": 38},
}
# What a verb cannot do without, and what may stand in for it.
REQUIRED = {
    "clean": ("clean_steps", "runbook"),
    "service": ("service_steps", "runbook"),
    "rescue": ("rescue_password", None),
}


def check_power(target: str, timeout_s: int | None, minor: int) -> None:
    """Errors: InvalidRequest (no such target, timeout below 1), NotAcceptable (too new)."""
    since = POWER_TARGETS.get(target)
    if since is None:
        raise InvalidRequest(
            f'The requested action "{values.plain(target)}" is no power state; use one of {", ".join(POWER_TARGETS)}'
        )
    if since > minor:
        raise too_new(f'the power target "{target}"', since)
    if timeout_s is None:
        return
    if minor < POWER_TIMEOUT_SINCE:
        raise too_new("timeout", POWER_TIMEOUT_SINCE)
    if timeout_s < 1:
        raise InvalidRequest("timeout has to be positive integer")


def check_provision(target: str, given: Mapping[str, Any], minor: int) -> None:
    """``given``: the parameters that are not null. Errors: InvalidRequest, NotAcceptable."""
    since = PROVISION_VERBS.get(target)
    if since is None:
        raise InvalidRequest(
            f'The requested action "{values.plain(target)}" is not known; use one of {", ".join(PROVISION_VERBS)}'
        )
    if since > minor:
        raise too_new(f'the verb "{target}"', since)
    for name in PARAMETERS:
        if name in given:
            _check_goes_with(name, target, minor)
            _CHECKS[name](name, given[name], minor)
    _check_complete(target, given)


def _check_goes_with(name: str, target: str, minor: int) -> None:
    verbs = PARAMETERS[name]
    if target not in verbs:
        raise InvalidRequest(
            f'"{name}" is only supported when setting provision state to {", ".join(verbs)}; leave it out for {target}'
        )
    if verbs[target] > minor:
        raise too_new(f"{name} with the verb {target}", verbs[target])


def _check_complete(target: str, given: Mapping[str, Any]) -> None:
    wanted, instead = REQUIRED.get(target, (None, None))
    if wanted is None:
        return
    if not given.get(wanted) and not (instead and given.get(instead)):
        other = f" (or {instead})" if instead else ""
        raise InvalidRequest(f'"{wanted}"{other} is required when setting target provision state to {target}')
    if instead and given.get(wanted) and given.get(instead):
        raise InvalidRequest(f'"{wanted}" and "{instead}" cannot be used together; give one of them')


def _check_steps(name: str, steps: Any, _minor: int) -> None:
    check_steps(name, steps)


def _check_text(name: str, value: Any, _minor: int) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(f"{name} must be a string that is not empty")


def _check_boolean(name: str, value: Any, _minor: int) -> None:
    values.boolean(name, value)


_CHECKS: dict[str, Callable[[str, Any, int], None]] = {
    "configdrive": configdrive.check,
    "runbook": _check_text,
    "disable_ramdisk": _check_boolean,
    "clean_steps": _check_steps,
    "deploy_steps": _check_steps,
    "service_steps": _check_steps,
    "rescue_password": _check_text,
}
