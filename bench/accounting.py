"""CPU and memory of a tree of processes, as the operating system accounts for them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil

# The rack stands for hardware: what it burns is not the control plane's.
HARDWARE = "steelyard_rack"
SERVICES = tuple(
    f"steelyard_{name}" for name in ("inventory", "power", "boot", "inspector", "firmware", "console", "api_gateway")
)


@dataclass(frozen=True, kw_only=True)
class Tree:
    """All processes below ``root`` but the rack's."""

    root: int

    def processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self.root)
            return [process for process in [top, *top.children(recursive=True)] if not _is_hardware(process)]
        return []

    def cpu_s(self) -> float:
        """User and system seconds since each process began, those of its ended children included."""
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def cpu_by_service_s(self) -> dict[str, float]:
        """The same, split by what the process is."""
        totals: dict[str, float] = {}
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                name = _service(process)
                totals[name] = totals.get(name, 0.0) + times.user + times.system
        return totals

    def memory_mb(self) -> float:
        """Proportional set size: shared pages are counted once."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
        return total / 1e6


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _is_hardware(process: psutil.Process) -> bool:
    return HARDWARE in _command(process)


def _service(process: psutil.Process) -> str:
    command = _command(process)
    for word in (*SERVICES, "nats-server", "postgres"):
        if word in command or word in process.name():
            return word.removeprefix("steelyard_")
    return "runner"
