"""What lies on a machine's disk, as a fact: not the bytes of an image, but which image it was. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FORMER, IMAGE, NOTHING = "former", "image", "nothing"


@dataclass(slots=True, kw_only=True)
class Disk:
    """``holds``: what the former owner left (it boots), an image of ours, or nothing. Times: seconds since the epoch.

    ``erased``: every sector was overwritten, not the partition table alone.
    """

    holds: str = FORMER
    sha256: str | None = None
    size: int = 0
    source: str | None = None
    instance: str | None = None
    configdrive: bool = False
    written_at: float | None = None
    wiped_at: float | None = None
    erased: bool = False

    @property
    def boots(self) -> bool:
        """Does firmware find something to start?"""
        return self.holds != NOTHING

    @property
    def shows(self) -> str:
        """What runs when it was booted from."""
        return f"instance {(self.sha256 or '')[:12]}" if self.holds == IMAGE else "the former owner's system"

    def wipe(self, now: float, *, whole: bool) -> None:
        """Nothing of what was there can be booted; ``whole``: nor read."""
        self.holds, self.sha256, self.size, self.source, self.instance = NOTHING, None, 0, None, None
        self.configdrive, self.written_at, self.wiped_at = False, None, now
        self.erased = self.erased or whole

    def write(self, sha256: str, size: int, source: str, instance: str | None, now: float) -> None:
        """A whole image was written and checked."""
        self.holds, self.sha256, self.size, self.source, self.instance = IMAGE, sha256, size, source, instance
        self.configdrive, self.written_at, self.erased = False, now, False

    def spoil(self) -> None:
        """Writing began: what was there is gone, whatever comes of it."""
        self.holds, self.sha256, self.size, self.source, self.instance = NOTHING, None, 0, None, None
        self.configdrive, self.written_at, self.erased = False, None, False

    def as_json(self) -> dict[str, Any]:
        """For the control API."""
        return {name: getattr(self, name) for name in self.__slots__}
