"""What a machine wrote on its serial port: the proof that it started, and from what."""

from __future__ import annotations

from pathlib import Path

FIRMWARE_STARTS = b"SeaBIOS (version"
BOOTS_FROM = {b"Booting from Hard Disk": "disk", b"Booting from ROM": "pxe"}
GUEST_IS_UP = b"steelyard-guest: up"
GUEST_WAS_ASKED_TO_LEAVE = b"steelyard-guest: power button pressed"


class Console:
    """Reads the file anew at each question: the machine writes to it all the time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def firmware_starts(self) -> int:
        return self._read().count(FIRMWARE_STARTS)

    def guest_starts(self) -> int:
        return self._read().count(GUEST_IS_UP)

    def soft_offs(self) -> int:
        return self._read().count(GUEST_WAS_ASKED_TO_LEAVE)

    def last_boot_source(self) -> str | None:
        """What the firmware tried first in its last start: `disk`, `pxe`, or None while it has not said so."""
        last_start = self._read().rpartition(FIRMWARE_STARTS)[2]
        tried = {last_start.find(words): device for words, device in BOOTS_FROM.items() if words in last_start}
        return tried[min(tried)] if tried else None

    def _read(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""
