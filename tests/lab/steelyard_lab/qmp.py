"""A few words of the QEMU Machine Protocol (docs/interop/qmp-spec of QEMU) over its Unix socket."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from steelyard_lab.failure import LabError

TIMEOUT_S = 10


def is_listening(path: Path) -> bool:
    """A QEMU that lives has its socket open; the file alone may be left over."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(TIMEOUT_S)
        return probe.connect_ex(str(path)) == 0


def execute(path: Path, command: str, **arguments: Any) -> None:
    """Runs one command. Raises LabError when QEMU refuses it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        lines = connection.makefile("rw")
        lines.readline()  # the greeting
        for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
            lines.write(json.dumps(request) + "\n")
            lines.flush()
            _await_reply(lines.readline, command)


def _await_reply(read_line: Any, command: str) -> None:
    while line := read_line():
        reply = json.loads(line)
        if "error" in reply:
            raise LabError(f"QEMU refused {command}: {reply['error']['desc']}")
        if "return" in reply:  # anything else is an event
            return
    if command != "quit":  # which may close the socket before it answers
        raise LabError(f"QEMU closed its socket during {command}")
