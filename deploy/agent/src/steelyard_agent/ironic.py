"""What ironic-python-agent loads: a hardware manager with one deploy step, and an extension with one command."""

from __future__ import annotations

from typing import Any

from ironic_python_agent import errors, hardware
from ironic_python_agent.extensions import base

from steelyard_agent.entry import CannotStart
from steelyard_agent.loading import can_kexec, load
from steelyard_agent.starting import Start

STEP = "kexec_instance"


class SteelyardHardwareManager:
    """Not made of the agent's own class: its answers must never stand before those of the generic manager."""

    def evaluate_hardware_support(self) -> int:
        """None in a ramdisk that cannot, so that nobody is offered the step there."""
        return int(hardware.HardwareSupport.GENERIC if can_kexec() else hardware.HardwareSupport.NONE)

    def initialize(self) -> None:
        """Nothing to prepare."""

    def get_version(self) -> dict[str, str]:
        return {"name": "steelyard", "version": "1"}

    def get_deploy_steps(self, _node: dict[str, Any], _ports: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Priority 0: nobody but who asks for it gets it."""
        return [{"interface": "deploy", "step": STEP, "priority": 0, "reboot_requested": False, "abortable": False}]

    def kexec_instance(self, _node: dict[str, Any], _ports: list[dict[str, Any]]) -> dict[str, str]:
        """→ what was loaded. Errors: DeploymentError."""
        try:
            return load(hardware.dispatch_to_managers("get_os_install_device"))
        except CannotStart as error:
            raise errors.DeploymentError(str(error)) from error


class SteelyardExtension(base.BaseAgentExtension):
    def __init__(self, agent: Any = None) -> None:
        super().__init__(agent=agent)
        self._start = Start()

    @base.sync_command("start_instance")
    def start_instance(self) -> dict[str, str]:
        """Errors: CommandExecutionError."""
        try:
            self._start.ask()
        except CannotStart as error:
            raise errors.CommandExecutionError(str(error)) from error
        return {"result": "the instance starts now"}
