"""The kinds of workflows, and what is asked before one that changes power or boot settings begins.

Which steps a kind is made of: domain/planning.py.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from steelyard_common.errors import Conflict, InvalidRequest

from .transitions import UNSTABLE, State

QUEUE_ALLOWANCE_S = 300.0
HARD_TIMEOUT_S = 60
SOFT_TIMEOUT_S = 600
# What a provider may need beyond the time given to the hardware: connecting, signing in, reading back.
BMC_ALLOWANCE_S = 60.0
READ_TIMEOUT_S = 120.0


class Kind(enum.StrEnum):
    """What a workflow is for."""

    VERIFY = "verify"
    POWER = "power"
    BOOT_MODE = "boot-mode"
    SECURE_BOOT = "secure-boot"
    BOOT_DEVICE = "boot-device"
    CONSOLE = "console"
    MOVE = "move"  # a verb that needs no hardware: it has no steps and ends as it begins
    CLEAN = "clean"
    DEPLOY = "deploy"
    UNDEPLOY = "undeploy"
    INSPECT = "inspect"
    ADOPT = "adopt"
    RESCUE = "rescue"
    UNRESCUE = "unrescue"
    SERVICE = "service"
    TIDY = "tidy"  # what has to be taken back after one of the above failed or was aborted
    CHILD = "child-step"  # one step on a child, asked by a step of its parent's workflow


class PowerTarget(enum.StrEnum):
    """The targets of PUT states/power."""

    ON = "power on"
    OFF = "power off"
    SOFT_OFF = "soft power off"
    REBOOT = "rebooting"
    SOFT_REBOOT = "soft rebooting"


SOFT = frozenset({PowerTarget.SOFT_OFF, PowerTarget.SOFT_REBOOT})
REBOOTS = frozenset({PowerTarget.REBOOT, PowerTarget.SOFT_REBOOT})
SWITCHES_OFF = frozenset({PowerTarget.OFF, PowerTarget.SOFT_OFF})
# target → the power state it leads to: what target_power_state shows meanwhile.
LEADS_TO: dict[PowerTarget, str] = {
    PowerTarget.ON: "power on",
    PowerTarget.OFF: "power off",
    PowerTarget.SOFT_OFF: "power off",
    PowerTarget.REBOOT: "power on",
    PowerTarget.SOFT_REBOOT: "power on",
}
POWER_STATES = frozenset({"power on", "power off"})
BOOT_MODES = frozenset({"bios", "uefi"})
NO_CONSOLE = "no-console"
RESCUE_HASH = "hashed_rescue_password"  # of instance_info, as long as a rescue goes on
NO_POWER_CHANGE = frozenset({State.CLEANING, State.CLEAN_WAIT})


def power_target(word: Any) -> PowerTarget:
    """Errors: InvalidRequest for a word that is no target."""
    try:
        return PowerTarget(word)
    except ValueError:
        raise InvalidRequest(f'"{word}" is not a power target: one of {", ".join(PowerTarget)} is needed.') from None


def check_power(state: State, target: PowerTarget, timeout_s: int | None, *, disable_power_off: bool) -> None:
    """What api facts §7.1 asks before a power change. Errors: InvalidRequest, Conflict."""
    if timeout_s is not None and timeout_s < 1:
        raise InvalidRequest("timeout must be at least 1 second.")
    if state in NO_POWER_CHANGE:
        raise InvalidRequest(f'Power can not be changed while the node is in state "{state}".')
    if disable_power_off and target in SWITCHES_OFF:
        raise Conflict("This node has disable_power_off set: it can be rebooted, but not powered off.")


def check_boot_settings(state: State) -> None:
    """Errors: Conflict while work is going on."""
    if state in UNSTABLE:
        raise Conflict(f'Boot mode and secure boot can not be set while the node is in state "{state}".')


def boot_mode(word: Any) -> str:
    """Errors: InvalidRequest for a word that is no boot mode."""
    if word not in BOOT_MODES:
        raise InvalidRequest(f'"{word}" is not a boot mode: bios or uefi is needed.')
    return str(word)


def secure_boot(value: Any) -> bool:
    """Errors: InvalidRequest for anything but true and false."""
    if not isinstance(value, bool):
        raise InvalidRequest("secure boot is either true or false.")
    return value


def check_console(interface: str | None) -> None:
    """Errors: InvalidRequest for a node that has none."""
    if interface in (None, NO_CONSOLE):
        raise InvalidRequest(f"This node has no console (console_interface {interface or 'unset'}).")


def idempotency_key(verb: str, target: Any, request_id: str) -> str | None:
    """One request asks for one thing: its id counts together with what was asked. Empty id: None (never a repeat)."""
    return f"{verb}:{target}:{request_id}" if request_id else None


def purpose(kind: Kind, params: Mapping[str, Any]) -> str:
    """What the lock says to those who find it."""
    aim = params.get("target", params.get("device"))
    return str(kind) if aim is None else f"{kind}: {aim}"
