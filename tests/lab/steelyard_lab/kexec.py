"""Proofs that an instance was started by the agent (kexec): no firmware in between, and what that spares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from steelyard_lab import api
from steelyard_lab.boot_machine import BootMachine
from steelyard_lab.failure import LabError
from steelyard_lab.processes import wait_until

AGENT, INSTANCE = "lab-ramdisk: agent starts", "lab-instance:"
# What firmware says on the serial port when it starts, and what a kernel says that firmware starts.
FIRMWARE = ("SeaBIOS (version", "iPXE", "BdsDxe:", "EFI stub:")
IMAGE_WRITTEN = ("deploy", "write_image")


class Proof:
    """Made when the firmware has started the instance once: by that, the proof shows that it can fail."""

    def __init__(self, node: str, machine: BootMachine, clients: Mapping[str, str]) -> None:
        """Errors: LabError."""
        self._node, self._machine, self._clients = node, machine, clients
        self._process: int | None = None
        self._by_firmware_s = self._from_image_s()
        if not firmware_between(machine.said()):
            raise LabError("no firmware is seen between agent and instance even where it was there")

    def wait_for_agent(self, since: int, timeout_s: float, is_hopeless: Callable[[], object]) -> None:
        """``is_hopeless``: raises when it will never come."""

        def speaks() -> bool:
            is_hopeless()
            return AGENT in self._machine.said(since)

        wait_until(speaks, f"the agent starts on {self._node}", timeout_s=timeout_s, every_s=3)
        self._process = self._machine.qemu_pid()

    def seen(self, since: int) -> str:
        """Once the instance is up. Errors: LabError, if the firmware had a part in it."""
        if words := firmware_between(self._machine.said(since)):
            raise LabError(f"the firmware started again: {', '.join(words)}")
        if self._machine.qemu_pid() != self._process:
            raise LabError(f"the machine was switched off and on: QEMU is not process {self._process} any more")
        times = f"{self._from_image_s():.0f} s from image to instance, by the firmware {self._by_firmware_s:.0f} s"
        return f"no firmware since the agent, QEMU is still process {self._process}; {times}"

    def _from_image_s(self) -> float:
        up_at = self._machine.last_said_at()
        listed = api.get(f"/v1/nodes/{self._node}/workflows", self._clients)["workflows"]
        workflows = [api.get(f"/v1/workflows/{each['uuid']}", self._clients) for each in listed]
        return up_at - image_written_at(workflows, up_at)


def firmware_between(said: str) -> list[str]:
    """What firmware said between the agent's last start and the instance's first word. Errors: LabError."""
    instance = said.find(INSTANCE)
    agent = said.rfind(AGENT, 0, instance)
    if instance < 0 or agent < 0:
        raise LabError("the serial console does not show an agent and then an instance")
    return [words for words in FIRMWARE if words in said[agent:instance]]


def image_written_at(workflows: Iterable[Mapping[str, Any]], before: float) -> float:
    """The last end of an image's writing before this moment, as the API tells it. Errors: LabError."""
    ends = [
        datetime.fromisoformat(step["finished_at"]).timestamp()
        for workflow in workflows
        for step in workflow["steps"]
        if (step["interface"], step["step"]) == IMAGE_WRITTEN and step["finished_at"]
    ]
    if not (found := [each for each in ends if each < before]):
        raise LabError("the API tells of no image that was written")
    return max(found)
