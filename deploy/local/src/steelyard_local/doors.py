"""Ports that stay open while the processes behind them start again: one socket each, held here, taken in turns."""

from __future__ import annotations

import socket

from steelyard_common.embedded.process import free_port
from steelyard_common.errors import Unavailable

from .checks import is_free
from .layout import Layout

CALLERS = 2048  # that may wait for somebody to take their connection


class Door:
    """A listening socket, once it is open."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self._port = host, port
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)

    def open(self, what: str) -> None:
        """Errors: Unavailable when somebody took the port in the last moment."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self.host, self._port))
            self._socket.listen(CALLERS)
        except OSError as error:
            raise Unavailable(f"{what} cannot listen on {self.host}:{self._port}: {error}") from error
        self._port = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def place(self) -> str:
        """address:port"""
        return f"{bracketed(self.host)}:{self._port}"

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"http://{bracketed(host)}:{self._port}"

    @property
    def port(self) -> int:
        return self._port


def door_of_boot(layout: Layout, host: str, port: int) -> Door:
    """``port`` 0: the one of the last time if it is free, for machines keep what they were told; else one that nobody
    is likely to have the next time."""
    door = Door(host, port or next((each for each in (_kept(layout), free_port()) if each and is_free(host, each)), 0))
    door.open("boot")
    layout.boot_port.write_text(str(door.port))
    return door


def _kept(layout: Layout) -> int:
    """The port of the last time; 0 if there was none."""
    try:
        return int(layout.boot_port.read_text())
    except (OSError, ValueError):
        return 0


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
