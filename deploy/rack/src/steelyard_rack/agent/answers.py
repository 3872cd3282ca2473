"""What an agent answers at once: its steps, what it finds on the disk, its logs."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

STEPS: dict[str, Any] = {
    "erase_devices_metadata": {"priority": 99, "interface": "deploy", "reboot_requested": False, "abortable": True},
    "erase_devices": {"priority": 10, "interface": "deploy", "reboot_requested": False, "abortable": True},
}
KEXEC = "kexec_instance"  # loads the instance's kernel; brought by steelyard-agent
BROUGHT: dict[str, Any] = {
    KEXEC: {"priority": 0, "interface": "deploy", "reboot_requested": False, "abortable": False},
}  # fmt: skip
VERSION = {"generic_hardware_manager": "1.2", "steelyard": "1"}
KINDS = ("clean", "deploy", "service")
Answer = Callable[[dict[str, Any]], Any]


class CommandFailed(Exception):
    """The text is what the agent says of it."""


def steps(kind: str, lacks: str = "") -> dict[str, Any]:
    """What it can do. ``lacks``: a step that this one cannot."""
    unasked = {} if kind == "clean" else {"priority": 0}
    listed = {"GenericHardwareManager": STEPS} | ({"SteelyardHardwareManager": BROUGHT} if kind == "deploy" else {})
    told = {
        manager: [{"step": name, **rest, **unasked} for name, rest in each.items() if name != lacks]
        for manager, each in listed.items()
    }
    return {f"{kind}_steps": told, "hardware_manager_version": VERSION}


def _steps(kind: str) -> Answer:
    return lambda _params: steps(kind)


# Synchronous commands: name → what they answer.
SYNC: dict[str, Answer] = {
    **{f"{kind}.get_{kind}_steps": _steps(kind) for kind in KINDS},
    "standby.sync": lambda _params: {"result": "sync"},
    "standby.get_partition_uuids": lambda _params: {"root uuid": "c-1", "efi system partition uuid": "e-1"},
    "rescue.finalize_rescue": lambda _params: None,
    "log.collect_system_logs": lambda _params: {"system_logs": base64.b64encode(b"logs").decode()},
    "system.lockdown": lambda _params: None,
    "poll.get_hardware_info": lambda _params: {"interfaces": [{"mac_address": "52:54:00:00:00:01"}]},
    "poll.set_node_info": lambda _params: None,
    "steelyard.start_instance": lambda _params: {"result": "the instance starts now"},
}
