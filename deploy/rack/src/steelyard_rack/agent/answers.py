"""What an agent answers at once: its steps, what it finds on the disk, its logs."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

STEPS: dict[str, Any] = {
    "erase_devices_metadata": {"priority": 99, "interface": "deploy", "reboot_requested": False, "abortable": True},
    "erase_devices": {"priority": 10, "interface": "deploy", "reboot_requested": False, "abortable": True},
}
VERSION = {"generic_hardware_manager": "1.2"}
KINDS = ("clean", "deploy", "service")
Answer = Callable[[dict[str, Any]], Any]


def _steps(kind: str) -> Answer:
    unasked = {} if kind == "clean" else {"priority": 0}
    listed = [{"step": name, **rest, **unasked} for name, rest in STEPS.items()]
    told = {f"{kind}_steps": {"GenericHardwareManager": listed}, "hardware_manager_version": VERSION}
    return lambda _params: told


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
}
