"""What an operator does with a machine, one operation after the other, each with its proof at the machine itself."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from steelyard_lab.baremetal import Baremetal
from steelyard_lab.failure import LabError
from steelyard_lab.machine import Machine
from steelyard_lab.matrix import LAST, Outcome, Row
from steelyard_lab.processes import wait_until

POWER_WITHIN_S = 90
BOOT_WITHIN_S = 60
ON, OFF = "power on", "power off"


def play(machine: Machine, baremetal: Baremetal) -> Iterator[Row]:
    return perform(machine.name, Scenario(machine, baremetal).operations())


def perform(machine: str, operations: Mapping[str, Callable[[], str]]) -> Iterator[Row]:
    """Gives a row after each operation. After a failure the rest is not run, but the node is still taken away."""
    failed = False
    for name, operation in operations.items():
        if failed and name != LAST:
            yield Row(machine=machine, operation=name, seconds=0, outcome=Outcome.NOT_RUN, evidence="")
            continue
        started = time.monotonic()
        try:
            outcome, evidence = Outcome.DONE, operation()
        except LabError as error:
            outcome, evidence, failed = Outcome.FAILED, str(error), True
        seconds = time.monotonic() - started
        yield Row(machine=machine, operation=name, seconds=seconds, outcome=outcome, evidence=evidence)


@dataclass(frozen=True)
class Part:
    """What is done with one machine; ``operate`` gives a row after each operation."""

    name: str
    operate: Callable[[], Iterator[Row]]


Rows = queue.SimpleQueue[Row | BaseException | None]


def at_once(parts: Sequence[Part], most: int) -> Iterator[Row]:
    """Some machines at a time; rows in the order in which operations end. Whoever stops asking does not wait for them.

    Errors: what a part raises.
    """
    left: queue.SimpleQueue[Part] = queue.SimpleQueue()
    rows: Rows = queue.SimpleQueue()
    for part in parts:
        left.put(part)
    at_work = min(most, len(parts))
    for number in range(at_work):
        threading.Thread(target=_operate, args=(left, rows), name=f"machine-{number}", daemon=True).start()
    while at_work:
        row = rows.get()
        if isinstance(row, BaseException):
            raise row
        if row is None:
            at_work -= 1
        else:
            yield row


def _operate(left: queue.SimpleQueue[Part], rows: Rows) -> None:
    """One part after the other, till none is left."""
    try:
        while True:
            for row in left.get_nowait().operate():
                rows.put(row)
    except queue.Empty:
        rows.put(None)
    except BaseException as error:  # noqa: BLE001  it goes on where the rows are read
        rows.put(error)


class Scenario:
    """Each operation raises LabError when it did not happen, else says what proved it."""

    def __init__(self, machine: Machine, baremetal: Baremetal) -> None:
        self._machine = machine
        self._baremetal = baremetal
        self._node = f"lab-{machine.name}"

    def operations(self) -> dict[str, Callable[[], str]]:
        return {
            "create": self._create,
            "manage": self._manage,
            "power on": self._power_on,
            "reboot": self._reboot,
            "soft power off": self._soft_power_off,
            "power on again": self._power_on,
            "power off": self._power_off,
            "set boot device pxe": lambda: self._set_boot_device("pxe"),
            "boot from pxe": lambda: self._boot_from("pxe"),
            "set boot device disk": lambda: self._set_boot_device("disk"),
            "boot from disk": lambda: self._boot_from("disk"),
            LAST: self._delete,
        }

    def _create(self) -> str:
        words = ["node", "create", "--name", self._node, "--driver", self._machine.driver]
        for name, value in self._machine.driver_info.items():
            words += ["--driver-info", f"{name}={value}"]
        self._baremetal.run(*words)
        state = self._baremetal.node(self._node)["provision_state"]
        _expect(state == "enroll", f"a new node is {state}")
        return "enroll"

    def _manage(self) -> str:
        self._baremetal.run("node", "manage", self._node)
        self._baremetal.wait_for(self._node, timeout_s=POWER_WITHIN_S, provision_state="manageable", power_state=OFF)
        return "verified: manageable, power off"

    def _power_on(self) -> str:
        return self._boots(lambda: self._baremetal.run("node", "power", "on", self._node))

    def _reboot(self) -> str:
        return self._boots(lambda: self._baremetal.run("node", "reboot", self._node))

    def _soft_power_off(self) -> str:
        before = self._machine.console.soft_offs()
        self._baremetal.run("node", "power", "off", "--soft", self._node)
        self._is_off()
        _expect(self._machine.console.soft_offs() == before + 1, "the guest was not asked to switch off, but is off")
        return "the guest saw the power button and switched off; no QEMU"

    def _power_off(self) -> str:
        before = self._machine.console.soft_offs()
        self._baremetal.run("node", "power", "off", self._node)
        self._is_off()
        _expect(self._machine.console.soft_offs() == before, "the guest was asked, but this off should be hard")
        return "no QEMU; the guest was not asked"

    def _set_boot_device(self, device: str) -> str:
        self._baremetal.run("node", "boot", "device", "set", self._node, device, "--persistent")
        seen = self._machine.boot_device()
        _expect(seen == device, f"the BMC has boot device {seen}, not {device}")
        said = self._baremetal.read("node", "boot", "device", "show", self._node)["boot_device"]
        _expect(said == device or not self._machine.api_can_read_boot_device, f"the API says boot device {said}")
        return f"the BMC says {seen}, the API {said}"

    def _boot_from(self, device: str) -> str:
        console = self._machine.console
        before = console.firmware_starts()
        self._baremetal.run("node", "power", "on", self._node)
        wait_until(
            lambda: console.firmware_starts() > before and console.last_boot_source() is not None,
            "the firmware names a boot source on the serial console",
            timeout_s=BOOT_WITHIN_S,
        )
        _expect(console.last_boot_source() == device, f"the firmware boots from {console.last_boot_source()}")
        self._baremetal.wait_for(self._node, timeout_s=POWER_WITHIN_S, power_state=ON)
        self._power_off()
        return f"the firmware booted from {device}"

    def _delete(self) -> str:
        self._baremetal.run("node", "delete", self._node)
        names = [node["name"] for node in self._baremetal.read("node", "list")]
        _expect(self._node not in names, "the node is still listed")
        return "not listed any more"

    def _boots(self, ask: Callable[[], str]) -> str:
        """Exactly one new start of the firmware and of the guest, by a QEMU that lives; the API says power on."""
        console = self._machine.console
        firmware, guest = console.firmware_starts(), console.guest_starts()
        ask()
        wait_until(lambda: console.guest_starts() > guest, "the guest starts", timeout_s=POWER_WITHIN_S + BOOT_WITHIN_S)
        self._baremetal.wait_for(self._node, timeout_s=POWER_WITHIN_S, power_state=ON)
        starts = console.firmware_starts() - firmware
        _expect(starts == 1, f"the firmware started {starts} times")
        pid = self._machine.qemu_pid()
        _expect(pid is not None, "the API says power on, but no QEMU runs")
        return f"QEMU is process {pid}; serial console: firmware start {firmware + 1}, guest up"

    def _is_off(self) -> None:
        self._baremetal.wait_for(self._node, timeout_s=POWER_WITHIN_S, power_state=OFF)
        _expect(self._machine.qemu_pid() is None, "the API says power off, but QEMU runs")


def _expect(claim: bool, otherwise: str) -> None:
    if not claim:
        raise LabError(otherwise)
