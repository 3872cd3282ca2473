"""The promise that both machines keep towards the scenario: what is true of them, not what an API says."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from steelyard_lab.console import Console


class Machine(Protocol):
    """A QEMU machine behind a BMC. Reads only; the scenario changes it through the REST API."""

    name: str
    driver: str  # hardware type
    driver_info: dict[str, str]
    console: Console
    api_can_read_boot_device: bool

    def qemu_pid(self) -> int | None:
        """The process that is this machine now; None while it is switched off."""

    def boot_device(self) -> str:
        """`pxe` or `disk`, as the hypervisor or the BMC itself says it."""


def running_qemu(pid_file: Path) -> int | None:
    """The PID in the file, if that process is a QEMU that lives. PID files may be stale."""
    try:
        pid = int(pid_file.read_text())
        status = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, ValueError):
        return None
    name, _, rest = status.partition("(")[2].rpartition(")")
    return pid if name.startswith("qemu-system") and not rest.strip().startswith("Z") else None
