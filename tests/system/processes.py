"""The processes of a suite, found below its supervisor by what they are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import psutil

VICTIMS: dict[str, Callable[[str], bool]] = {
    "inventory": lambda command: "steelyard_inventory" in command,
    "power": lambda command: "steelyard_power" in command,
    "boot": lambda command: "steelyard_boot" in command,
    "gateway": lambda command: "steelyard_api_gateway" in command,
    "nats-server": lambda command: "nats-server" in command,
    "PostgreSQL": lambda command: "postgres" in command and "-D" in command,
}


def processes_of(supervisor: int, victim: str) -> list[psutil.Process]:
    """What belongs to this victim and lives; of PostgreSQL the one that owns all others."""
    found = []
    for process in psutil.Process(supervisor).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if VICTIMS[victim](" ".join(process.cmdline())):
                found.append(process)
    return found


def kill(supervisor: int, victim: str) -> None:
    """With -9, all of its processes."""
    victims = processes_of(supervisor, victim)
    assert victims, f"there is no {victim} to kill"
    kill_all(victims)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """With -9; one may be gone because another is."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
